// How rows of a network are spread over warps, and what scratch a warp then has. Needs no device.
#pragma once

#include "kernel/network.hpp"

#include <cstdint>

namespace s2v::cuda {

// As which networks are packed for a device: bytes for its matrices, 16 bits for the layers behind the convolutions.
using DeviceDot = kernel::PlainDot<1>;
inline constexpr int kDeviceStep = kernel::kMatrixWords;

inline constexpr int kTogether = 4;            // rows whose linear layers share weights
inline constexpr int kMostShared = 26 * 1024;  // bytes of a warp for which they do: a multiprocessor then holds eight
inline constexpr std::int64_t kMany = 4096;    // rows for which they do: of fewer, more warps are at work
inline constexpr int kScoreBytes = 64;         // room for their scores, behind the network's scratch

static_assert(kTogether * sizeof(float) <= kScoreBytes);

// A warp's share of the rows.
struct NetworkShare {
    int together;  // rows at a time
    int bytes;     // of scratch
};

inline NetworkShare network_share(const kernel::NetworkView &view, std::int64_t n) {
    const auto of = [&view](int together) {
        kernel::NetworkScratch unused{};
        const std::size_t bytes = kernel::divide_scratch<DeviceDot>(view, together, nullptr, unused);
        return NetworkShare{together, static_cast<int>(bytes) + kScoreBytes};
    };
    const NetworkShare shared = of(kTogether);
    return n >= kMany && shared.bytes <= kMostShared ? shared : of(1);
}

}  // namespace s2v::cuda
