// The team of a CUDA device: the 32 threads of a warp.
#pragma once

#include "kernel/lane_team.hpp"

namespace s2v::kernel {
namespace {

// Of a block: a multiprocessor has four register files, of which each serves two, or three of a kernel that is held to
// 168 registers a thread.
inline constexpr int kMostWarps = 8;
inline constexpr int kMostLeanWarps = 12;

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
    __device__ void multiply_add(std::int32_t (&sum)[4], const std::uint32_t (&a)[4],
                                 const std::uint32_t (&b)[2]) const {
        __asm__(
            "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
    __device__ std::int32_t add_lower(std::int32_t sum, std::uint32_t x, std::uint32_t w) const {
        return __dp2a_lo(static_cast<int>(x), static_cast<int>(w), sum);
    }
    __device__ std::int32_t add_upper(std::int32_t sum, std::uint32_t x, std::uint32_t w) const {
        return __dp2a_hi(static_cast<int>(x), static_cast<int>(w), sum);
    }
    __device__ float *room() const {
        __shared__ float memory[kMostLeanWarps * kRoom];
        return memory + threadIdx.x / kLanes * kRoom;
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
