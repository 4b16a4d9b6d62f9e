// How kernels are spread over a device: a warp takes one row after another, its scratch in shared memory, several warps
// a block.
#pragma once

#include "errors.hpp"
#include "triplet.hpp"
#include "warp_team.cuh"

#include <algorithm>
#include <cstdint>

namespace s2v::cuda {
namespace {

// A multiprocessor has four register files: with two warps for each, a thread may have all the registers that it can
// name. Kernels say so to ptxas with __launch_bounds__(kMostThreads, 1): without the 1 it keeps room for a second
// block.
inline constexpr int kMostWarps = 8;
inline constexpr int kMostThreads = kMostWarps * kernel::kLanes;

// The shared memory of this warp, of which each has `bytes`, a multiple of 64.
__device__ unsigned char *warp_memory(int bytes) {
    extern __shared__ __align__(64) unsigned char memory[];
    return memory + threadIdx.x / kernel::kLanes * bytes;
}

template <class Scratch>
__device__ Scratch &warp_scratch(int bytes = sizeof(Scratch)) {
    return *reinterpret_cast<Scratch *>(warp_memory(bytes));
}

// Calls f(row) for the rows in [0, n) of this warp.
template <class F>
__device__ void each_row(std::int64_t n, F f) {
    const std::int64_t warps = blockDim.x / kernel::kLanes;
    for (std::int64_t row = blockIdx.x * warps + threadIdx.x / kernel::kLanes; row < n; row += gridDim.x * warps)
        f(row);
}

// The stamps of a row. The host cannot look into what lies on a device: a row whose planes do not lie in the buffer, or
// have a size or a centre that the kernels are not made for, has none.
__device__ kernel::Triplet triplet_within(const s2v_stamps &stamps, std::int64_t row, std::int32_t largest) {
    const kernel::Triplet triplet = kernel::triplet_of(&stamps, row);
    bool good =
        -largest <= triplet.row && triplet.row <= largest && -largest <= triplet.column && triplet.column <= largest;
    for (const kernel::Plane &plane : triplet.plane) {
        if (!plane.pixels) continue;
        const std::int64_t size = static_cast<std::int64_t>(plane.height) * plane.width;
        good = good && plane.height > 0 && plane.width > 0 && plane.height <= largest && plane.width <= largest &&
               plane.pixels - stamps.pixels <= stamps.pixel_count - size;
    }
    kernel::Triplet none{};
    none.saturation = triplet.saturation;
    return good ? triplet : none;
}

int attribute(cudaDeviceAttr which) {
    int device = 0;
    int value = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
    return value;
}

struct Spread {
    int warps;     // a block
    int resident;  // blocks a multiprocessor holds
};

// The warps a block with which a multiprocessor holds most warps; of equals the most. Throws where the scratch of one
// exceeds what a block may have.
template <class Function>
Spread spread_of(Function function, int bytes) {
    const int available = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    if (bytes > available)
        throw Failure(S2V_CUDA_ERROR, "a warp needs " + std::to_string(bytes) +
                                          " bytes of shared memory; a block of this device may have " +
                                          std::to_string(available));
    const int most = std::min(kMostWarps, bytes > 0 ? available / bytes : kMostWarps);
    check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, most * bytes),
          "cudaFuncSetAttribute");
    if (bytes > 0)  // else the driver may leave most of the memory to the cache
        check(cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout,
                                   cudaSharedmemCarveoutMaxShared),
              "cudaFuncSetAttribute");
    Spread best = {1, 0};
    for (int warps = 1; warps <= most; ++warps) {
        int resident = 0;
        check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, function, warps * kernel::kLanes,
                                                            static_cast<std::size_t>(warps) * bytes),
              "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
        if (resident * warps >= best.resident * best.warps) best = {warps, resident};
    }
    return best;
}

// As many blocks as the device can hold at once, on a stream of the current device; each warp has `bytes` of scratch.
template <class... Parameters, class... Arguments>
void launch_warps(void (*function)(Parameters...), int bytes, std::int64_t n, void *stream,
                  const Arguments &...arguments) {
    if (n == 0) return;
    const Spread spread = spread_of(function, bytes);
    const std::int64_t multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    // Of few rows each multiprocessor takes some.
    const auto warps = std::min<std::int64_t>(spread.warps, (n + multiprocessors - 1) / multiprocessors);
    const std::int64_t blocks = std::min((n + warps - 1) / warps, multiprocessors * std::max(1, spread.resident));
    function<<<static_cast<unsigned>(blocks), static_cast<unsigned>(warps * kernel::kLanes),
               static_cast<std::size_t>(warps * bytes), static_cast<cudaStream_t>(stream)>>>(arguments...);
    check(cudaGetLastError(), "launch");
}

}  // namespace
}  // namespace s2v::cuda
