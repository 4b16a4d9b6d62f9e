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
    __device__ T down(T x, int by) const {
        return __shfl_down_sync(kAll, x, static_cast<unsigned>(by));
    }
    template <class T>
    __device__ T lowest(T x) const {
        return __shfl_sync(kAll, x, 0);
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
