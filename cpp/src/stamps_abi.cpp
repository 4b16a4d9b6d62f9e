// The C ABI of stamps: what is asked for is checked here, once a batch; the kernels check nothing.
#include "error.hpp"
#include "isa.hpp"
#include "kernel/feature_sets.hpp"
#include "kernel/registry_table.hpp"
#include "space2vec/space2vec.h"
#include "threads.hpp"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

namespace s2v {
namespace {

constexpr std::int64_t kBlockRows = 32;
constexpr std::int32_t kLargestStampSide = 1 << 14;

struct AlignedDelete {
    void operator()(void *memory) const {
        ::operator delete(memory, std::align_val_t{64});
    }
};

using Scratch = std::unique_ptr<void, AlignedDelete>;

Scratch make_scratch(std::size_t bytes) {
    return Scratch(::operator new(bytes, std::align_val_t{64}));
}

void require(bool holds, const char *what) {
    if (!holds) throw Failure(S2V_INVALID_ARGUMENT, what);
}

const s2v_isa_table &require_isa() {
    const s2v_isa_table *const table = active_isa();
    if (!table) throw Failure(S2V_UNKNOWN_NAME, "SPACE2VEC_ISA names no instruction set of this processor");
    return *table;
}

void check_stamps(const s2v_stamps *stamps, const void *out, const void *flags, std::int32_t threads) {
    require(stamps && stamps->n >= 0 && threads >= 0, "stamps, n and threads");
    if (stamps->n == 0) return;
    require(stamps->n <= std::numeric_limits<std::int32_t>::max() && stamps->pixel_count >= 0, "n and pixel_count");
    require(stamps->offset && stamps->shape && out && flags, "null pointer");
    require(stamps->pixels || stamps->pixel_count == 0, "null pixels");
    for (std::int64_t i = 0; i < stamps->n * S2V_CHANNELS; ++i) {
        if (stamps->offset[i] < 0) continue;
        const std::int64_t height = stamps->shape[2 * i];
        const std::int64_t width = stamps->shape[2 * i + 1];
        require(height > 0 && width > 0 && height <= kLargestStampSide && width <= kLargestStampSide, "plane size");
        require(stamps->offset[i] <= stamps->pixel_count - height * width, "plane outside its buffer");
    }
    if (!stamps->centre) return;
    for (std::int64_t i = 0; i < 2 * stamps->n; ++i)
        require(std::abs(static_cast<std::int64_t>(stamps->centre[i])) <= kLargestStampSide, "centre");
}

std::int32_t recipe_index(const char *name) {
    require(name, "null recipe");
    for (std::int32_t i = 0; i < kernel::kRecipes; ++i)
        if (std::strcmp(kernel::kRecipeNames[i], name) == 0) return i;
    throw Failure(S2V_UNKNOWN_NAME, "unknown recipe");
}

}  // namespace
}  // namespace s2v

using namespace s2v;

extern "C" {

s2v_status s2v_features(const s2v_stamps *stamps, int32_t sets, int32_t convention, float *values, uint32_t *flags,
                        int32_t threads) {
    return guarded([&] {
        require(kernel::set_columns(sets) > 0, "sets");
        require(convention == S2V_CONVENTION_CODE || convention == S2V_CONVENTION_PAPER, "convention");
        check_stamps(stamps, values, flags, threads);
        const s2v_isa_table &isa = require_isa();
        parallel_for(stamps->n, kBlockRows, threads, [&](std::int64_t begin, std::int64_t end) {
            const Scratch scratch = make_scratch(isa.feature_scratch);
            isa.features(stamps, begin, end, sets, static_cast<s2v_convention>(convention), values, flags,
                         scratch.get());
        });
    });
}

s2v_status s2v_recipe_shape(const char *recipe, int32_t shape[3]) {
    return guarded([&] {
        require(shape, "null shape");
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
        parallel_for(stamps->n, kBlockRows, threads, [&](std::int64_t begin, std::int64_t end) {
            const Scratch scratch = make_scratch(isa.recipe_scratch);
            isa.prepare(stamps, begin, end, which, planes, flags, scratch.get());
        });
    });
}

const char *s2v_isa(void) {
    const s2v_isa_table *const table = active_isa();
    return table ? table->name : nullptr;
}

}  // extern "C"
