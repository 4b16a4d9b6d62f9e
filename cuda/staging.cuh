// Planes in shared memory, and between it and global memory: 16 bytes a thread and load where both sides allow it.
#pragma once

#include "kernel/steps.hpp"
#include "warp_team.cuh"

#include <cstdint>

namespace s2v::cuda {
namespace {

// The shared memory of a warp that applies steps to a plane: the plane, if it is staged, then the scratch of the steps,
// if they need any; in bytes.
struct StepMemory {
    int plane;
    int total;
};

// What a plane may take of it: with more, a multiprocessor would hold too few warps to hide the latency of memory.
constexpr std::int64_t kMostStaged = 32 * 1024;

// A plane lies there as it does in global memory, up to three pixels off a multiple of 16 bytes.
StepMemory step_memory(std::int64_t pixels, const kernel::Chain *chains, int count) {
    const bool staged = pixels * std::int64_t{sizeof(float)} <= kMostStaged;
    const int plane = staged ? static_cast<int>((pixels + 3) * sizeof(float) + 63) / 64 * 64 : 0;
    int scratch = 0;
    for (int chain = 0; chain < count; ++chain)
        for (int k = 0; k < chains[chain].count; ++k)
            if (chains[chain].step[k].kind == kernel::normaliser::zscale) scratch = sizeof(kernel::StepScratch);
    return {plane, plane + scratch};
}

StepMemory step_memory(std::int64_t pixels, const kernel::Chain &chain) {
    return step_memory(pixels, &chain, 1);
}

// Pixels between a plane and the last address before it that is a multiple of 16 bytes.
__device__ int phase_of(const float *plane) {
    return static_cast<int>(reinterpret_cast<std::uintptr_t>(plane) / sizeof(float) % 4);
}

// Copies n floats by a warp. They are not read before a __syncwarp().
__device__ void copy_row(const float *from, float *to, int n) {
    const int lane = static_cast<int>(threadIdx.x) % kernel::kLanes;
    if (phase_of(from) != phase_of(to)) {
#pragma unroll 8
        for (int i = lane; i < n; i += kernel::kLanes) to[i] = from[i];
        return;
    }
    const int before = (4 - phase_of(from)) % 4;
    const int head = before < n ? before : n;
    const int quads = (n - head) / 4;
    if (lane < head) to[lane] = from[lane];
    const auto *const source = reinterpret_cast<const float4 *>(from + head);
    auto *const target = reinterpret_cast<float4 *>(to + head);
#pragma unroll 8
    for (int i = lane; i < quads; i += kernel::kLanes) target[i] = source[i];
    const int done = head + 4 * quads;
    if (lane < n - done) to[done + lane] = from[done + lane];
}

// Copies a plane whose rows lie `stride` apart to one without gaps.
__device__ void copy_plane(const float *from, std::int64_t stride, int height, int width, float *to) {
    if (stride == width)
        copy_row(from, to, height * width);
    else
        for (int y = 0; y < height; ++y) copy_row(from + y * stride, to + y * width, width);
}

}  // namespace
}  // namespace s2v::cuda
