// A team of 32 threads that share a stamp, each in the place of one lane of HostTeam: the same elements, the same
// order, the same tree, so the same bits.
//
// Lanes says how the threads talk: index() of the calling one; down(x, by): x of the thread that is `by` further on;
// lowest(x): x of thread 0; ballot(x): a bit a thread; total(x): the sum of integers; sync(): a barrier that orders
// memory. Nothing but sync() orders memory. Every thread makes the same calls; all get the same results.
#pragma once

#include "share.hpp"

namespace s2v::kernel {
namespace {

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
        f(Share<N / kLanes>{lanes_.index()});
    }

    template <int K, class F>
    S2V_HD void sums(int n, double (&total)[K], F f) const {
        double lane[K] = {};
        for (int i = lanes_.index(); i < n; i += kLanes) f(i, [&](int k, double value) { lane[k] += value; });
        for (int k = 0; k < K; ++k) {
            for (int half = kLanes / 2; half > 0; half /= 2) lane[k] += lanes_.down(lane[k], half);
            total[k] = lanes_.lowest(lane[k]);
        }
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
        for (int i = lanes_.index(); i < n; i += kLanes) own += f(i) ? 1 : 0;
        return lanes_.total(own);
    }

    template <class F>
    S2V_HD float max(int n, float floor, F f) const {
        float lane = floor;
        for (int i = lanes_.index(); i < n; i += kLanes) {
            const float value = f(i);
            lane = value > lane ? value : lane;
        }
        for (int half = kLanes / 2; half > 0; half /= 2) {
            const float other = lanes_.down(lane, half);
            lane = other > lane ? other : lane;
        }
        return lanes_.lowest(lane);
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
            if (found == 0) continue;
            int lane = 0;
            while (!(found >> lane & 1u)) ++lane;
            return start + lane;
        }
        return n;
    }

    S2V_HD void sync() const {
        lanes_.sync();
    }

private:
    Lanes lanes_;
};

}  // namespace
}  // namespace s2v::kernel
