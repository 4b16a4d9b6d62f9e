// The C ABI of stamps: what is asked for is checked here, once a batch; the kernels check nothing.
#include "calls.hpp"
#include "kernel/feature_sets.hpp"
#include "kernel/row_rule.hpp"
#include "threads.hpp"

using namespace s2v;

extern "C" {

s2v_status s2v_features(const s2v_stamps *stamps, int32_t sets, int32_t convention, float *values, uint32_t *flags,
                        int32_t threads) {
    return guarded([&] {
        require(kernel::set_columns(sets) > 0, "there are no such sets of features");
        require(convention == S2V_CONVENTION_CODE || convention == S2V_CONVENTION_PAPER, "there is no such convention");
        check_stamps(stamps, values, flags, threads);
        const s2v_isa_table &isa = require_isa();
        const kernel::Measuring what = kernel::measure_all(sets);
        parallel_for(
            stamps->n, kStampBlock, threads, [&] { return make_scratch(isa.feature_scratch); },
            [&](std::int64_t begin, std::int64_t end, const Scratch &scratch) {
                isa.features(stamps, begin, end, &what, static_cast<s2v_convention>(convention), values, flags,
                             scratch.get());
            });
    });
}

s2v_status s2v_join_flags(const int64_t *offset, const uint32_t *raised, int64_t n, uint32_t *flags) {
    return guarded([&] {
        require(n >= 0, "n is negative");
        require(n == 0 || (offset && raised && flags), "offset, raised or flags is a null pointer");
        for (std::int64_t row = 0; row < n; ++row) {
            std::uint32_t absent = 0;
            for (int c = 0; c < S2V_CHANNELS; ++c) absent |= offset[row * S2V_CHANNELS + c] < 0 ? 1U << c : 0U;
            flags[row] = kernel::join_flags(raised[row], flags[row], absent);
        }
    });
}

s2v_status s2v_recipe_shape(const char *recipe, int32_t shape[3]) {
    return guarded([&] {
        require(shape, "shape is a null pointer");
        const kernel::RecipeShape of = kernel::recipe_shape(recipe_index(recipe));
        shape[0] = S2V_CHANNELS;
        shape[1] = of.height;
        shape[2] = of.width;
    });
}

s2v_status s2v_prepare(const s2v_stamps *stamps, const char *recipe, float *planes, uint32_t *flags, int32_t threads) {
    return guarded([&] {
        const std::int32_t which = recipe_index(recipe);
        check_stamps(stamps, planes, flags, threads);
        const s2v_isa_table &isa = require_isa();
        parallel_for(
            stamps->n, kStampBlock, threads, [&] { return make_scratch(isa.recipe_scratch); },
            [&](std::int64_t begin, std::int64_t end, const Scratch &scratch) {
                isa.prepare(stamps, begin, end, which, false, planes, flags, scratch.get());
            });
    });
}

int32_t s2v_usable_cores(void) {
    return usable_cores();
}

const char *s2v_isa(void) {
    const s2v_isa_table *const table = active_isa();
    return table ? table->name : nullptr;
}

}  // extern "C"
