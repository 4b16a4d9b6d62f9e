// How kernels are spread over a device: a warp takes one row after another, its scratch in shared memory, several warps
// a block.
#pragma once

#include "errors.hpp"
#include "spread.hpp"
#include "triplet.hpp"
#include "warp_team.cuh"

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <tuple>

namespace s2v::cuda {
namespace {

// Kernels say with __launch_bounds__(threads_of(warps), 1) how many warps a block may have: a thread may have all the
// registers that it can name where a register file serves two warps, 168 where it serves three. Without the 1, ptxas
// keeps room for a second block.
using kernel::kMostWarps;

constexpr int threads_of(int warps) {
    return warps * kernel::kLanes;
}

// The shared memory that a launch asks for, bytes, multiples of 64: of each warp, and of the block before these.
struct SharedMemory {
    int warp;
    int block;

    SharedMemory(int of_warp, int of_block = 0) : warp(of_warp), block(of_block) {}
    [[nodiscard]] std::size_t of(std::int64_t warps) const {
        return static_cast<std::size_t>(block + warps * warp);
    }
};

// The shared memory of this warp, of which each has `bytes`.
__device__ unsigned char *warp_memory(int bytes, int block = 0) {
    extern __shared__ __align__(64) unsigned char memory[];
    return memory + block + threadIdx.x / kernel::kLanes * bytes;
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

int attribute(cudaDeviceAttr which, int device) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
    return value;
}

// The limit belongs to the function, not to a launch, and other threads launch it with other needs: it is always all
// that there is. Said again at every launch, since it goes with the context.
template <class Function>
void allow_shared_memory(Function function, int available) {
    check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, available),
          "cudaFuncSetAttribute");
    // Else the driver may leave most of the memory to the cache.
    check(
        cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared),
        "cudaFuncSetAttribute");
}

// The warps a block with which a multiprocessor holds most warps; of equals the most; none where the block's own memory
// leaves no room for one. Throws where the scratch of one exceeds what a block may have.
template <class Function>
Spread find_spread(Function function, int device, const SharedMemory &bytes) {
    cudaFuncAttributes own{};
    check(cudaFuncGetAttributes(&own, function), "cudaFuncGetAttributes");
    const int available =
        attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device) - static_cast<int>(own.sharedSizeBytes);
    if (bytes.warp > available)
        throw Failure(S2V_CUDA_ERROR, "a warp needs " + std::to_string(bytes.warp) +
                                          " bytes of shared memory; a block of this device may have " +
                                          std::to_string(available));
    allow_shared_memory(function, available);
    const int bound = own.maxThreadsPerBlock / kernel::kLanes;  // as __launch_bounds__ has it, or less
    const int most = bytes.warp > 0 ? std::min(bound, (available - bytes.block) / bytes.warp) : bound;
    Spread best = {1, 0, attribute(cudaDevAttrMultiProcessorCount, device), available};
    for (int warps = 1; warps <= most; ++warps) {
        int resident = 0;
        check(
            cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, function, warps * kernel::kLanes, bytes.of(warps)),
            "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
        if (resident * warps >= best.resident * best.warps) {
            best.warps = warps;
            best.resident = resident;
        }
    }
    noted_spreads().add(reinterpret_cast<const void *>(function), bytes.warp, best, own);
    return best;
}

// The same on the current device, found once; any thread may ask.
template <class Function>
Spread spread_of(Function function, const SharedMemory &bytes) {
    static std::mutex mutex;
    static std::map<std::tuple<const void *, int, int, int>, Spread> known;
    int device = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    const std::lock_guard lock(mutex);
    const std::tuple key(reinterpret_cast<const void *>(function), device, bytes.warp, bytes.block);
    const auto at = known.find(key);
    if (at != known.end()) return at->second;
    return known[key] = find_spread(function, device, bytes);
}

// As many blocks as the device can hold at once, on a stream of the current device.
template <class... Parameters, class... Arguments>
void launch_warps(void (*function)(Parameters...), const SharedMemory &bytes, std::int64_t n, void *stream,
                  const Arguments &...arguments) {
    if (n == 0) return;
    const Spread spread = spread_of(function, bytes);
    allow_shared_memory(function, spread.available);
    const std::int64_t multiprocessors = spread.multiprocessors;
    // Of few rows each multiprocessor takes some.
    const auto warps = std::min<std::int64_t>(spread.warps, (n + multiprocessors - 1) / multiprocessors);
    const std::int64_t blocks = std::min((n + warps - 1) / warps, multiprocessors * std::max(1, spread.resident));
    function<<<static_cast<unsigned>(blocks), static_cast<unsigned>(warps * kernel::kLanes), bytes.of(warps),
               static_cast<cudaStream_t>(stream)>>>(arguments...);
    check(cudaGetLastError(), "launch");
}

}  // namespace
}  // namespace s2v::cuda
