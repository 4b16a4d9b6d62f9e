// The C ABI of normalisers: what is asked for is checked here, once a batch; the kernels check nothing.
#include "calls.hpp"
#include "kernel/registry_table.hpp"
#include "threads.hpp"

#include <cstring>

using namespace s2v;

extern "C" {

s2v_status s2v_step_init(const char *name, s2v_step *step) {
    return guarded([&] {
        require(name, "the name of a step is a null pointer");
        require(step, "step is a null pointer");
        for (std::int32_t kind = 0; kind < kernel::kNormalisers; ++kind) {
            const kernel::NormaliserEntry &entry = kernel::kNormaliserEntries[kind];
            if (std::strcmp(entry.name, name) != 0) continue;
            *step = {kind, {}};
            for (int i = 0; i < entry.parameters; ++i) step->parameters[i] = entry.parameter[i].otherwise;
            return;
        }
        throw Failure(S2V_UNKNOWN_NAME, "there is no normaliser \"" + printable(name) + "\"");
    });
}

s2v_status s2v_normalise(const s2v_planes *planes, const s2v_step *steps, int32_t step_count, float fill, float *out,
                         uint32_t *flags, int32_t threads) {
    return guarded([&] {
        check_steps(steps, step_count);
        require(threads >= 0, "threads is negative");
        check_planes(planes, out, flags);
        const s2v_isa_table &isa = require_isa();
        const auto make = [&] { return make_scratch(isa.step_scratch); };
        parallel_for(planes->n, kStampBlock, threads, make,
                     [&](std::int64_t begin, std::int64_t end, Scratch &scratch) {
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
        parallel_for(stamps->n, kStampBlock, threads, make,
                     [&](std::int64_t begin, std::int64_t end, Scratch &scratch) {
                         isa.compose(stamps, begin, end, how, planes, flags, scratch.get());
                     });
    });
}

}  // extern "C"
