// Recipes and compositions on a device, and what models are given of planes. Planes are staged in shared memory before
// they are looked at: each is read once and written once, for an integer network as bytes.
#include "alignment.hpp"
#include "checks.hpp"
#include "device_model.hpp"
#include "kernel/recipe.hpp"
#include "kernel/staged_views.hpp"
#include "launch.cuh"
#include "plane_steps.hpp"
#include "space2vec/cuda.h"
#include "staging.cuh"

namespace s2v::cuda {
namespace {

__global__ void __launch_bounds__(threads_of(kMostWarps), 1)
    prepare_kernel(s2v_stamps stamps, int recipe, bool flags_measured, std::int64_t size, float *planes,
                   std::uint32_t *flags) {
    auto &scratch = warp_scratch<kernel::RecipeScratch>();
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met =
            kernel::prepare_planes(kernel::WarpTeam(), triplet, recipe, flags_measured, planes + row * size, scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

// The shared memory of a warp that prepares views: the plane, if it is staged, the scratch of the steps, and room for
// the plane as it was cut, where several chains begin with it; in bytes.
struct ViewMemory {
    int steps;  // where their scratch begins; 0: planes are not staged
    int kept;   // where the cut plane lies; 0: it is cut for each chain
    int total;
};

// With so much a multiprocessor of an H100 holds sixteen warps.
constexpr int kSixteenWarps = 13 * 1024;

ViewMemory view_memory(const kernel::ViewRecipe &how) {
    const StepMemory needed = step_memory(std::int64_t{how.side} * how.side, how.chain, how.views);
    const bool keeps = how.views > 1 && needed.plane > 0 && needed.total + needed.plane <= kSixteenWarps;
    return {needed.plane, keeps ? needed.total : 0, keeps ? needed.total + needed.plane : needed.total};
}

// Where the planes of a row go.
__device__ kernel::PlaneTarget target_of(const kernel::PlaneTarget &all, const kernel::ViewRecipe &how,
                                         std::int64_t row) {
    const std::int64_t first = row * how.views * how.channels;
    const int pixels = how.side * how.side;
    return {all.planes ? all.planes + first * pixels : nullptr,
            all.planes ? nullptr : all.bytes + first * kernel::plane_words(pixels), all.scale};
}

// The memory of this warp.
__device__ kernel::ViewScratch scratch_in(const ViewMemory &memory) {
    unsigned char *const own = warp_memory(memory.total);
    return {memory.steps > 0 ? reinterpret_cast<float *>(own) : nullptr,
            memory.kept > 0 ? reinterpret_cast<float *>(own + memory.kept) : nullptr,
            reinterpret_cast<kernel::StepScratch *>(own + memory.steps)};
}

// What the kernel below is given.
struct Composing {
    s2v_stamps stamps;
    kernel::ViewRecipe how;
    kernel::ModelNeeds needs;
    ViewMemory memory;
    kernel::PlaneTarget to;
};

// Recipes of one chain or more, whose planes may be absent. Two blocks a multiprocessor: loads under way are what
// counts here.
__global__ void __launch_bounds__(threads_of(kMostWarps), 2)
    compose_kernel(const __grid_constant__ Composing all, std::uint32_t *flags) {
    each_row(all.stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(all.stamps, row, kLargestStampSide);
        const std::uint32_t met = kernel::prepare_staged_views(kernel::WarpTeam(), triplet, all.how, all.needs,
                                                               target_of(all.to, all.how, row), scratch_in(all.memory));
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

void launch_registered(void *stream, const s2v_stamps &stamps, int which, bool flags_measured, float *planes,
                       std::uint32_t *flags) {
    const kernel::RecipeShape shape = kernel::recipe_shape(which);
    const std::int64_t size = std::int64_t{S2V_CHANNELS} * shape.height * shape.width;
    launch_warps(prepare_kernel, sizeof(kernel::RecipeScratch), stamps.n, stream, stamps, which, flags_measured, size,
                 planes, flags);
}

void launch_compose(void *stream, const s2v_stamps &stamps, const kernel::ViewRecipe &how,
                    const kernel::ModelNeeds &needs, const kernel::PlaneTarget &to, std::uint32_t *flags) {
    const ViewMemory memory = view_memory(how);
    launch_warps(compose_kernel, memory.total, stamps.n, stream, Composing{stamps, how, needs, memory, to}, flags);
}

// Compositions that differ in their steps alone, as one recipe.
kernel::ViewRecipe views_of(const s2v_composition *how, std::int32_t views) {
    require(views >= 1 && views <= kernel::kMostViews, "views");
    kernel::ViewRecipe all{};
    for (std::int32_t view = 0; view < views; ++view) {
        check_composition(how + view);
        const kernel::Composition one = kernel::composition_of(how[view]);
        bool alike = one.side == how->side && one.channels == how->channel_count;
        for (int k = 0; k < one.channels && alike; ++k) alike = one.channel[k] == how->channels[k];
        require(alike, "views of other planes or another side");
        if (view == 0) all = {one.side, one.channels, {one.channel[0], one.channel[1], one.channel[2]}, views, {}};
        all.chain[view] = one.chain;
    }
    return all;
}

}  // namespace

bool gives_bytes(const ModelRecipe &recipe) {
    return recipe.registered < 0 && view_memory(recipe.views).steps > 0;
}

void prepare_stamps(void *stream, const s2v_stamps &stamps, const ModelRecipe &recipe, const kernel::ModelNeeds &needs,
                    const kernel::PlaneTarget &to, std::uint32_t *flags) {
    if (recipe.registered >= 0)
        launch_registered(stream, stamps, recipe.registered, needs.flags_measured, to.planes, flags);
    else
        launch_compose(stream, stamps, recipe.views, needs, to, flags);
}

}  // namespace s2v::cuda

using namespace s2v;

extern "C" {

s2v_status s2v_cuda_prepare(int32_t device, void *stream, const s2v_stamps *stamps, const char *recipe, float *planes,
                            uint32_t *flags) {
    return cuda::guarded_call([&] {
        const std::int32_t which = recipe_index(recipe);
        check_batch(stamps, planes, flags);
        cuda::require_aligned(*stamps, planes, flags);
        const cuda::OnDevice here(device);
        const kernel::Composition how = kernel::recipe_composition(which);
        if (how.chain.count == 0) return cuda::launch_registered(stream, *stamps, which, false, planes, flags);
        const kernel::ViewRecipe views = {
            how.side, how.channels, {how.channel[0], how.channel[1], how.channel[2]}, 1, {how.chain}};
        cuda::launch_compose(stream, *stamps, views, {}, {planes, nullptr, nullptr}, flags);
    });
}

s2v_status s2v_cuda_compose(int32_t device, void *stream, const s2v_stamps *stamps, const s2v_composition *how,
                            int32_t views, float *planes, uint32_t *flags) {
    return cuda::guarded_call([&] {
        const kernel::ViewRecipe all = cuda::views_of(how, views);
        check_batch(stamps, planes, flags);
        cuda::require_aligned(*stamps, planes, flags);
        const cuda::OnDevice here(device);
        cuda::launch_compose(stream, *stamps, all, {}, {planes, nullptr, nullptr}, flags);
    });
}

}  // extern "C"
