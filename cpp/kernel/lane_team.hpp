// A team of 32 threads that share a stamp, each in the place of one lane of HostTeam: the same elements, the same
// order, the same tree, so the same bits.
//
// Lanes says how the threads talk: index() of the calling one; across(x, bit): x of the thread whose index differs in
// that bit; from(x, i): x of thread i; ballot(x): a bit a thread; total(x): the sum of integers; multiply_add(): that
// of matrices (kernel/matrix_tiles.hpp); add_lower(), add_upper(): of two products, alone (kernel/linear_lanes.hpp);
// room(): memory of the threads for kRoom floats; sync(): a barrier that orders memory. Nothing but sync() orders
// memory. Every thread makes the same calls; all get the same results.
#pragma once

#include "lane_elements.hpp"

namespace s2v::kernel {
namespace {

// Counts where something holds: on a device one instruction under a predicate, of which its compiler makes two.
S2V_HD inline void add_if(int &count, bool holds) {
#if defined(__CUDA_ARCH__)
    __asm__("{.reg .pred p; setp.ne.s32 p, %1, 0; @p add.s32 %0, %0, 1;}" : "+r"(count) : "r"(static_cast<int>(holds)));
#else
    count += holds ? 1 : 0;
#endif
}

// The lowest bit that is set; one is.
S2V_HD inline int lowest_bit(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
    return __ffs(static_cast<int>(bits)) - 1;
#else
    return __builtin_ctz(bits);
#endif
}

S2V_HD inline int count_bits(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
    return __popc(bits);
#else
    return __builtin_popcount(bits);
#endif
}

inline constexpr int kRoom = 2 * kLanes;

template <class Lanes>
class LaneTeam {
public:
    static constexpr bool kAlone = false;

    LaneTeam() = default;
    S2V_HD explicit LaneTeam(const Lanes &lanes) : lanes_(lanes) {}

    template <class F>
    S2V_HD void for_each(int n, F f) const {
        for (int i = lanes_.index(); i < n; i += kLanes) f(i);
    }

    template <int N, class F>
    S2V_HD void for_shares(F f) const {
        static_assert(N % kLanes == 0);
        f(LaneElements<N / kLanes>{lanes_.index()});
    }

    template <int K, class F>
    S2V_HD void sums(int n, double (&total)[K], F f) const {
        static_assert(K <= kLanes);
        double lane[K] = {};
        S2V_FEW_STEPS
        for (int i = lanes_.index(); i < n; i += kLanes) f(i, [&](int k, double value) { lane[k] += value; });
        join<kLanes / 2, K>(lane);
        for (int k = 0; k < K; ++k) total[k] = K == 1 ? lane[0] : lanes_.from(lane[0], place_of(k));
    }

    template <class F>
    S2V_HD double sum(int n, F f) const {
        double total[1];
        sums<1>(n, total, [&](int i, auto add) { add(0, f(i)); });
        return total[0];
    }

    template <class F>
    S2V_HD int count(int n, F f) const {
        int own = 0;
        S2V_STEPS
        for (int i = lanes_.index(); i < n; i += kLanes) add_if(own, f(i));
        return lanes_.total(own);
    }

    template <class F>
    S2V_HD float max(int n, float floor, F f) const {
        float lane = floor;
        S2V_STEPS
        for (int i = lanes_.index(); i < n; i += kLanes) {
            const float value = f(i);
            lane = value > lane ? value : lane;
        }
        for (int half = kLanes / 2; half > 0; half /= 2) {
            const float other = lanes_.across(lane, half);
            lane = other > lane ? other : lane;
        }
        return lanes_.from(lane, 0);  // the sign of a 0 may differ
    }

    template <class F>
    S2V_HD float min(int n, float ceiling, F f) const {
        return -max(n, -ceiling, [&](int i) { return -f(i); });
    }

    template <class F>
    S2V_HD int first(int begin, int n, F f) const {
        for (int start = begin; start < n; start += kLanes) {
            const int i = start + lanes_.index();
            const std::uint32_t found = lanes_.ballot(i < n && f(i));
            if (found) return start + lowest_bit(found);
        }
        return n;
    }

    S2V_HD void sync() const {
        lanes_.sync();
    }

    // For what the verbs do not offer.
    S2V_HD const Lanes &lanes() const {
        return lanes_;
    }

private:
    // Joins `Count` sums of the lanes by halving. Of two of them, the lower half of the lanes goes on with the first
    // and the upper half with the second: so a step takes half as many exchanges as the one before. It does not matter
    // which of two numbers is added to which.
    template <int Half, int Count>
    S2V_HD void join(double *lane) const {
        const bool upper = lanes_.index() & Half;
        for (int k = 0; k < Count / 2; ++k) {
            const double kept = upper ? lane[2 * k + 1] : lane[2 * k];
            const double given = upper ? lane[2 * k] : lane[2 * k + 1];
            lane[k] = kept + lanes_.across(given, Half);
        }
        if constexpr (Count % 2) lane[Count / 2] = lane[Count - 1] + lanes_.across(lane[Count - 1], Half);
        if constexpr (Half > 1) join<Half / 2, (Count + 1) / 2>(lane);
    }

    // The lane that sum k ends in: the bits of k in reverse order.
    S2V_HD static constexpr int place_of(int k) {
        int place = 0;
        for (int half = kLanes / 2; half > 0; half /= 2, k /= 2) place += k % 2 ? half : 0;
        return place;
    }

    Lanes lanes_;
};

}  // namespace
}  // namespace s2v::kernel
