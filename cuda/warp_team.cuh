// The team of a CUDA device: the 32 threads of a warp.
#pragma once

#include "kernel/lane_team.hpp"

namespace s2v::kernel {
namespace {

struct WarpLanes {
    __device__ int index() const {
        return static_cast<int>(threadIdx.x) % kLanes;
    }
    template <class T>
    __device__ T across(T x, int bit) const {
        return __shfl_xor_sync(kAll, x, bit);
    }
    template <class T>
    __device__ T from(T x, int lane) const {
        return __shfl_sync(kAll, x, lane);
    }
    __device__ std::uint32_t ballot(bool x) const {
        return __ballot_sync(kAll, x);
    }
    __device__ int total(int x) const {
        return __reduce_add_sync(kAll, x);
    }
    __device__ void sync() const {
        __syncwarp(kAll);
    }

private:
    static constexpr unsigned kAll = 0xffffffffu;
};

using WarpTeam = LaneTeam<WarpLanes>;

}  // namespace
}  // namespace s2v::kernel
