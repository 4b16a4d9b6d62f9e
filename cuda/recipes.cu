// Recipes and compositions on a device. Planes are staged in shared memory before they are looked at: each is read once
// and written once.
#include "checks.hpp"
#include "kernel/recipe.hpp"
#include "launch.cuh"
#include "plane_steps.hpp"
#include "space2vec/cuda.h"
#include "staging.cuh"

namespace s2v::cuda {
namespace {

__global__ void __launch_bounds__(threads_of(kMostWarps), 1)
    prepare_kernel(s2v_stamps stamps, int recipe, std::int64_t size, float *planes, std::uint32_t *flags) {
    auto &scratch = warp_scratch<kernel::RecipeScratch>();
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met =
            kernel::prepare_planes(kernel::WarpTeam(), triplet, recipe, planes + row * size, scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

// Two blocks a multiprocessor: loads under way are what counts here.
__global__ void __launch_bounds__(threads_of(kMostWarps), 2)
    compose_kernel(s2v_stamps stamps, kernel::Composition how, StepMemory memory, float *planes, std::uint32_t *flags) {
    unsigned char *const own = warp_memory(memory.total);
    auto &scratch = *reinterpret_cast<kernel::StepScratch *>(own + memory.plane);
    float *const stage = memory.plane > 0 ? reinterpret_cast<float *>(own) : nullptr;
    const std::int64_t size = static_cast<std::int64_t>(how.channels) * how.side * how.side;
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met =
            kernel::prepare_composition(kernel::WarpTeam(), triplet, how, planes + row * size, scratch, stage);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

void launch_compose(void *stream, const s2v_stamps &stamps, const kernel::Composition &how, float *planes,
                    std::uint32_t *flags) {
    const StepMemory memory = step_memory(std::int64_t{how.side} * how.side, how.chain);
    launch_warps(compose_kernel, memory.total, stamps.n, stream, stamps, how, memory, planes, flags);
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" {

s2v_status s2v_cuda_prepare(int32_t device, void *stream, const s2v_stamps *stamps, const char *recipe, float *planes,
                            uint32_t *flags) {
    return cuda::told([&] {
        const std::int32_t which = recipe_index(recipe);
        check_batch(stamps, planes, flags);
        const cuda::OnDevice here(device);
        const kernel::Composition how = kernel::recipe_composition(which);
        if (how.chain.count > 0) return cuda::launch_compose(stream, *stamps, how, planes, flags);
        const kernel::RecipeShape shape = kernel::recipe_shape(which);
        const std::int64_t size = std::int64_t{S2V_CHANNELS} * shape.height * shape.width;
        cuda::launch_warps(cuda::prepare_kernel, sizeof(kernel::RecipeScratch), stamps->n, stream, *stamps, which, size,
                           planes, flags);
    });
}

s2v_status s2v_cuda_compose(int32_t device, void *stream, const s2v_stamps *stamps, const s2v_composition *how,
                            float *planes, uint32_t *flags) {
    return cuda::told([&] {
        check_composition(how);
        check_batch(stamps, planes, flags);
        const cuda::OnDevice here(device);
        cuda::launch_compose(stream, *stamps, kernel::composition_of(*how), planes, flags);
    });
}

}  // extern "C"
