// How rows of a network are spread over warps, and what scratch a warp then has. Needs no device.
#pragma once

#include "kernel/network.hpp"

#include <cstdint>

namespace s2v::cuda {

// As which networks are packed for a device, for lanes.
using DeviceDot = kernel::PlainDot<1>;

inline constexpr int kNetworkWarps = 12;     // of a block: with 168 registers a thread, a multiprocessor holds no more
inline constexpr int kTogether = 4;          // rows whose linear layers share weights, where there are no planes
inline constexpr std::int64_t kMany = 4096;  // rows for which they do: of fewer, more warps are at work
inline constexpr int kScoreBytes = 64;       // room for their scores, behind the network's scratch
inline constexpr int kMostNear = 40 * 1024;  // bytes of convolutions that each block copies to its shared memory

static_assert(kTogether * sizeof(float) <= kScoreBytes);

// A warp's share of the rows, and what it and its block take of shared memory.
struct NetworkShare {
    int together;  // rows at a time
    int bytes;     // of a warp's scratch
    int near;      // of the tensors of convolutions; 0: they stay where they are
};

// Rows with planes do not share weights of linear layers: the means of four rows would cost the room of four warps.
inline NetworkShare network_share(const kernel::NetworkView &view, std::int64_t n) {
    kernel::NetworkScratch unused{};
    const int together = n >= kMany && view.planes == 0 ? kTogether : 1;
    const std::size_t bytes = kernel::divide_scratch<DeviceDot>(view, together, nullptr, unused, together == 1);
    const std::size_t tensors = kernel::convolution_bytes(view);
    return {together, static_cast<int>(bytes) + kScoreBytes, tensors <= kMostNear ? static_cast<int>(tensors) : 0};
}

}  // namespace s2v::cuda
