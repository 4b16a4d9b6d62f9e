// The team of the CPU: 32 virtual lanes in arrays, which the compiler maps onto its vector registers.
//
// A team is who shares the pixels of one stamp. Element i belongs to lane i mod 32; a lane takes its elements in
// ascending order; lanes are joined by halving: 16, 8, 4, 2, 1. LaneTeam keeps the same order, so both give the same
// bits. Every thread of a team runs the whole kernel; what an element writes, and what is read outside the verbs, is
// safe from other lanes only across a sync().
#pragma once

#include "lane_elements.hpp"

namespace s2v::kernel {
namespace {

class HostTeam {
public:
    static constexpr bool kAlone = true;  // one thread has all the pixels

    // Calls f(i) for i in [0, n). Elements must be independent of each other.
    template <class F>
    void for_each(int n, F f) const {
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#elif defined(__GNUC__)
#pragma GCC ivdep
#endif
        for (int i = 0; i < n; ++i) f(i);
    }

    // Calls f(share) with elements of [0, N) until each was in one share; all that a thread has are in one.
    template <int N, class F>
    void for_shares(F f) const {
        for_each(N, [&](int i) { f(LaneElements<1>{i}); });
    }

    // K sums at once over i in [0, n): f(i, add) calls add(k, value) for each k.
    template <int K, class F>
    void sums(int n, double (&total)[K], F f) const {
        alignas(64) double lane[K][kLanes];
        if (n == kLanes || n == 2 * kLanes) {  // known where it is called: no lane is read back from memory
            for (int l = 0; l < kLanes; ++l) {
                double own[K] = {};
                f(l, [&](int k, double value) { own[k] += value; });
                if (n > kLanes) f(kLanes + l, [&](int k, double value) { own[k] += value; });
                for (int k = 0; k < K; ++k) lane[k][l] = own[k];
            }
        } else {
            for (int k = 0; k < K; ++k)
                for (int l = 0; l < kLanes; ++l) lane[k][l] = 0.0;
            int i = 0;
            for (; i + kLanes <= n; i += kLanes)
                for (int l = 0; l < kLanes; ++l) f(i + l, [&](int k, double value) { lane[k][l] += value; });
            for (int l = 0; i + l < n; ++l) f(i + l, [&](int k, double value) { lane[k][l] += value; });
        }
        for (int k = 0; k < K; ++k) {
            total[k] = join<kLanes / 2>(lane[k], [](double a, double b) { return a + b; });
            __asm__ volatile("");  // the lanes of a sum are to be vectorised, not the sums
        }
    }

    template <class F>
    double sum(int n, F f) const {
        double total[1];
        sums<1>(n, total, [&](int i, auto add) { add(0, f(i)); });
        return total[0];
    }

    // Number of i in [0, n) for which f(i) holds.
    template <class F>
    int count(int n, F f) const {
        int total = 0;
        for (int i = 0; i < n; ++i) total += f(i) ? 1 : 0;
        return total;
    }

    // Largest f(i) that is above `floor`, else `floor`; NaN is passed over.
    template <class F>
    float max(int n, float floor, F f) const {
        alignas(64) float lane[kLanes];
        for (int l = 0; l < kLanes; ++l) lane[l] = floor;
        int i = 0;
        for (; i + kLanes <= n; i += kLanes)
            for (int l = 0; l < kLanes; ++l) {
                const float value = f(i + l);
                lane[l] = value > lane[l] ? value : lane[l];
            }
        for (int l = 0; i + l < n; ++l) {
            const float value = f(i + l);
            lane[l] = value > lane[l] ? value : lane[l];
        }
        return join<kLanes / 2>(lane, [](float a, float b) { return b > a ? b : a; });
    }

    // Smallest f(i) that is below `ceiling`, else `ceiling`; NaN is passed over.
    template <class F>
    float min(int n, float ceiling, F f) const {
        return -max(n, -ceiling, [&](int i) { return -f(i); });
    }

    // Smallest i in [begin, n) for which f(i) holds; n if there is none.
    template <class F>
    int first(int begin, int n, F f) const {
        int i = begin;
        for (; i + kLanes <= n; i += kLanes) {
            int any = 0;
            for (int l = 0; l < kLanes; ++l) any |= f(i + l) ? 1 : 0;
            if (any) break;
        }
        for (; i < n; ++i)
            if (f(i)) return i;
        return n;
    }

    // What lanes wrote before it, all may read after it; what they read before it, all may overwrite after it.
    void sync() const {}

private:
    // Joins 2 Half lanes by halving. Loops of a length that is known become a few instructions.
    template <int Half, class T, class F>
    static T join(T *lane, F f) {
        for (int l = 0; l < Half; ++l) lane[l] = f(lane[l], lane[l + Half]);
        if constexpr (Half > 1)
            return join<Half / 2>(lane, f);
        else
            return lane[0];
    }
};

}  // namespace
}  // namespace s2v::kernel
