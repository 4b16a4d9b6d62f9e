// The kernels on a device: a warp takes one candidate after another, its scratch in shared memory; a thread takes one
// row of a forest.
#pragma once

#include "device_memory.cuh"
#include "kernel/forest.hpp"
#include "kernel/recipe.hpp"
#include "kernel/stamp_features.hpp"
#include "plane_steps.hpp"
#include "triplet.hpp"
#include "warp_team.cuh"

#include <algorithm>
#include <cstdint>

namespace s2v::cuda {
namespace {

template <class Scratch>
__device__ Scratch &shared_scratch() {
    extern __shared__ __align__(64) unsigned char memory[];
    return *reinterpret_cast<Scratch *>(memory);
}

// All pointers, those inside `stamps` too, are the device's.
__global__ void __launch_bounds__(kernel::kLanes, 1)
    features_kernel(s2v_stamps stamps, int sets, kernel::Convention convention, float *values, std::uint32_t *flags) {
    auto &scratch = shared_scratch<kernel::FeatureScratch>();
    for (std::int64_t row = blockIdx.x; row < stamps.n; row += gridDim.x) {
        const std::uint32_t met = kernel::stamp_features(kernel::WarpTeam(), kernel::triplet_of(&stamps, row), sets,
                                                         convention, values + row * kernel::set_columns(sets), scratch);
        if (threadIdx.x == 0) flags[row] = met;
    }
}

__global__ void __launch_bounds__(kernel::kLanes, 1)
    prepare_kernel(s2v_stamps stamps, int recipe, std::int64_t size, float *planes, std::uint32_t *flags) {
    auto &scratch = shared_scratch<kernel::RecipeScratch>();
    for (std::int64_t row = blockIdx.x; row < stamps.n; row += gridDim.x) {
        const std::uint32_t met =
            kernel::prepare(kernel::WarpTeam(), kernel::triplet_of(&stamps, row), recipe, planes + row * size, scratch);
        if (threadIdx.x == 0) flags[row] = met;
    }
}

__global__ void __launch_bounds__(kernel::kLanes, 1)
    normalise_kernel(s2v_planes planes, kernel::Chain chain, float fill, float *out, std::uint32_t *flags) {
    auto &scratch = shared_scratch<kernel::StepScratch>();
    const std::int64_t size = static_cast<std::int64_t>(planes.height) * planes.width;
    for (std::int64_t row = blockIdx.x; row < planes.n; row += gridDim.x) {
        const std::uint32_t met = kernel::normalise_plane(kernel::WarpTeam(), kernel::plane_of(planes, row), chain,
                                                          fill, out + row * size, scratch);
        if (threadIdx.x == 0) flags[row] = met;
    }
}

__global__ void __launch_bounds__(kernel::kLanes, 1)
    compose_kernel(s2v_stamps stamps, kernel::Composition how, float *planes, std::uint32_t *flags) {
    auto &scratch = shared_scratch<kernel::StepScratch>();
    const std::int64_t size = static_cast<std::int64_t>(how.channels) * how.side * how.side;
    for (std::int64_t row = blockIdx.x; row < stamps.n; row += gridDim.x) {
        const std::uint32_t met = kernel::prepare_composition(kernel::WarpTeam(), kernel::triplet_of(&stamps, row), how,
                                                              planes + row * size, scratch);
        if (threadIdx.x == 0) flags[row] = met;
    }
}

__global__ void fill_kernel(float *x, std::int64_t rows, std::int32_t features, const float *fill) {
    const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < rows * features && x[i] != x[i]) x[i] = fill[i % features];
}

__global__ void forest_kernel(kernel::ForestView forest, const float *x, std::int64_t rows, float *score) {
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row < rows) score[row] = kernel::forest_row(forest, x + row * forest.features);
}

int attribute(cudaDeviceAttr which) {
    int device = 0;
    int value = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
    return value;
}

// One warp a block, as many blocks as the device can hold at once. Throws where the scratch exceeds its shared memory.
template <class Scratch, class... Parameters, class... Arguments>
void launch_warps(void (*function)(Parameters...), std::int64_t n, const Arguments &...arguments) {
    if (n == 0) return;
    constexpr int bytes = sizeof(Scratch);
    const int available = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    if (bytes > available)
        throw CudaError("a warp needs " + std::to_string(bytes) + " bytes of shared memory; this device has " +
                        std::to_string(available));
    check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes), "cudaFuncSetAttribute");
    int resident = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, function, kernel::kLanes, bytes), "occupancy");
    const std::int64_t places =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(resident) * attribute(cudaDevAttrMultiProcessorCount));
    function<<<static_cast<unsigned>(std::min(n, places)), kernel::kLanes, bytes>>>(arguments...);
    check(cudaGetLastError(), "launch");
}

template <class... Parameters, class... Arguments>
void launch_threads(void (*function)(Parameters...), std::int64_t n, const Arguments &...arguments) {
    if (n == 0) return;
    constexpr int threads = 128;
    function<<<static_cast<unsigned>((n + threads - 1) / threads), threads>>>(arguments...);
    check(cudaGetLastError(), "launch");
}

}  // namespace

// values: (n, set_columns(sets)); flags: (n).
inline void features(const s2v_stamps &stamps, int sets, kernel::Convention convention, float *values,
                     std::uint32_t *flags) {
    launch_warps<kernel::FeatureScratch>(features_kernel, stamps.n, stamps, sets, convention, values, flags);
}

// planes: (n, 3, height, width) of the recipe; flags: (n).
inline void prepare(const s2v_stamps &stamps, int recipe, float *planes, std::uint32_t *flags) {
    const kernel::RecipeShape shape = kernel::recipe_shape(recipe);
    const std::int64_t size = std::int64_t{S2V_CHANNELS} * shape.height * shape.width;
    launch_warps<kernel::RecipeScratch>(prepare_kernel, stamps.n, stamps, recipe, size, planes, flags);
}

// The device's pointers inside `planes`; the steps are the host's. out: (n, height, width); flags: (n).
inline void normalise(const s2v_planes &planes, const s2v_step *steps, std::int32_t count, float fill, float *out,
                      std::uint32_t *flags) {
    launch_warps<kernel::StepScratch>(normalise_kernel, planes.n, planes, kernel::chain_of(steps, count), fill, out,
                                      flags);
}

// planes: (n, channel, side, side) of the composition, whose steps are the host's; flags: (n).
inline void compose(const s2v_stamps &stamps, const s2v_composition &how, float *planes, std::uint32_t *flags) {
    launch_warps<kernel::StepScratch>(compose_kernel, stamps.n, stamps, kernel::composition_of(how), planes, flags);
}

// Replaces the NaN of x (rows, features) by `fill`, where that is not null, then scores.
inline void predict(const kernel::ForestView &forest, const float *fill, float *x, std::int64_t rows, float *score) {
    if (fill) launch_threads(fill_kernel, rows * forest.features, x, rows, forest.features, fill);
    launch_threads(forest_kernel, rows, forest, x, rows, score);
}

}  // namespace s2v::cuda
