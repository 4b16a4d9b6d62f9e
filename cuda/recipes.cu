// Recipes and compositions on a device.
#include "checks.hpp"
#include "kernel/recipe.hpp"
#include "launch.cuh"
#include "plane_steps.hpp"
#include "space2vec/cuda.h"

namespace s2v::cuda {
namespace {

__global__ void __launch_bounds__(threads_of(kMostWarps), 1)
    prepare_kernel(s2v_stamps stamps, int recipe, std::int64_t size, float *planes, std::uint32_t *flags) {
    auto &scratch = warp_scratch<kernel::RecipeScratch>();
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met = kernel::prepare(kernel::WarpTeam(), triplet, recipe, planes + row * size, scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

__global__ void __launch_bounds__(threads_of(kMostWarps), 1)
    compose_kernel(s2v_stamps stamps, kernel::Composition how, float *planes, std::uint32_t *flags) {
    auto &scratch = warp_scratch<kernel::StepScratch>();
    const std::int64_t size = static_cast<std::int64_t>(how.channels) * how.side * how.side;
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met =
            kernel::prepare_composition(kernel::WarpTeam(), triplet, how, planes + row * size, scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
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
        cuda::launch_warps(cuda::compose_kernel, sizeof(kernel::StepScratch), stamps->n, stream, *stamps,
                           kernel::composition_of(*how), planes, flags);
    });
}

}  // extern "C"
