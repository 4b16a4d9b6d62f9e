// The C ABI of normalisers: what is asked for is checked here, once a batch; the kernels check nothing.
#include "calls.hpp"
#include "kernel/registry_table.hpp"
#include "threads.hpp"

#include <cmath>
#include <cstring>

namespace s2v {
namespace {

constexpr std::int32_t kLargestSquare = 4096;

void check_steps(const s2v_step *steps, std::int32_t count) {
    require(steps && count >= 1 && count <= S2V_MOST_STEPS, "steps");
    for (std::int32_t k = 0; k < count; ++k) {
        require(steps[k].kind >= 0 && steps[k].kind < kernel::kNormalisers, "kind of a step");
        const kernel::NormaliserEntry &entry = kernel::kNormaliserEntries[steps[k].kind];
        const double *const given = steps[k].parameters;
        for (int i = 0; i < entry.parameters; ++i) {
            const kernel::ParameterEntry &parameter = entry.parameter[i];
            require(given[i] >= parameter.lowest && given[i] <= parameter.highest, "parameter out of range");
            require(!parameter.whole || given[i] == std::floor(given[i]), "parameter is no whole number");
        }
        require(steps[k].kind != S2V_PERCENTILE || given[0] < given[1], "percentiles out of order");
    }
}

void check_planes(const s2v_planes *planes, const float *out, const std::uint32_t *flags, std::int32_t threads) {
    require(planes && planes->n >= 0 && threads >= 0, "planes, n and threads");
    if (planes->n == 0) return;
    require(planes->n <= std::numeric_limits<std::int32_t>::max(), "n");
    require(planes->height > 0 && planes->width > 0 && planes->height <= kLargestStampSide &&
                planes->width <= kLargestStampSide,
            "plane size");
    require(planes->pixels && out && flags, "null pointer");
}

void check_composition(const s2v_composition *how) {
    require(how && how->side >= 1 && how->side <= kLargestSquare, "side");
    require(how->channel_count >= 1 && how->channel_count <= S2V_CHANNELS, "number of channels");
    for (std::int32_t k = 0; k < how->channel_count; ++k) {
        require(how->channels[k] >= 0 && how->channels[k] < S2V_CHANNELS, "channel");
        for (std::int32_t i = 0; i < k; ++i) require(how->channels[i] != how->channels[k], "channel given twice");
    }
    check_steps(how->steps, how->step_count);
}

}  // namespace
}  // namespace s2v

using namespace s2v;

extern "C" {

s2v_status s2v_step_init(const char *name, s2v_step *step) {
    return guarded([&] {
        require(name && step, "null pointer");
        for (std::int32_t kind = 0; kind < kernel::kNormalisers; ++kind) {
            const kernel::NormaliserEntry &entry = kernel::kNormaliserEntries[kind];
            if (std::strcmp(entry.name, name) != 0) continue;
            *step = {kind, {}};
            for (int i = 0; i < entry.parameters; ++i) step->parameters[i] = entry.parameter[i].otherwise;
            return;
        }
        throw Failure(S2V_UNKNOWN_NAME, "unknown normaliser");
    });
}

s2v_status s2v_normalise(const s2v_planes *planes, const s2v_step *steps, int32_t step_count, float fill, float *out,
                         uint32_t *flags, int32_t threads) {
    return guarded([&] {
        check_steps(steps, step_count);
        check_planes(planes, out, flags, threads);
        const s2v_isa_table &isa = require_isa();
        const auto make = [&] { return make_scratch(isa.step_scratch); };
        parallel_for(planes->n, kBlockRows, threads, make, [&](std::int64_t begin, std::int64_t end, Scratch &scratch) {
            isa.normalise(planes, begin, end, steps, step_count, fill, out, flags, scratch.get());
        });
    });
}

s2v_status s2v_compose(const s2v_stamps *stamps, const s2v_composition *how, float *planes, uint32_t *flags,
                       int32_t threads) {
    return guarded([&] {
        check_composition(how);
        check_stamps(stamps, planes, flags, threads);
        const s2v_isa_table &isa = require_isa();
        const auto make = [&] { return make_scratch(isa.step_scratch); };
        parallel_for(stamps->n, kBlockRows, threads, make, [&](std::int64_t begin, std::int64_t end, Scratch &scratch) {
            isa.compose(stamps, begin, end, how, planes, flags, scratch.get());
        });
    });
}

}  // extern "C"
