// Exact order statistics, by sampling on one thread and by pivots on a warp: the result is an element either way.
#pragma once

#include "rank_by_pivots.hpp"
#include "rank_by_sampling.hpp"

namespace s2v::kernel {
namespace {

inline constexpr float kMadToSigma = 1.4826f;  // from a median absolute deviation to the sigma of normal noise

// What order statistics are asked of. On a device a search is a function of its own for each of these types, so one is
// shared by all who ask the same.
struct ScratchValues {
    const float *x;
    S2V_HD float operator()(int i) const {
        S2V_IN_SCRATCH(x);
        return x[i];
    }
};
struct ScratchDeviations {
    const float *x;
    float centre;
    S2V_HD float operator()(int i) const {
        S2V_IN_SCRATCH(x);
        return absolute(x[i] - centre);
    }
};
struct PlaneValues {
    const float *x;
    S2V_HD float operator()(int i) const {
        return x[i];
    }
};
struct PlaneDeviations {  // from `centre` + `rest`
    const float *x;
    float centre;
    float rest;
    S2V_HD float operator()(int i) const {
        return absolute((x[i] - centre) - rest);
    }
};

// The value of rank k by counting alone: no sort, no scratch. The path depends on guesses, the result does not.
template <class Team, class F>
S2V_HD float select_by_counting(const Team &team, int n, int valid, int k, F f) {
    // The answer is above `low`, of which `below` elements are not, and not above `high`, of which `upto` are not.
    float high = team.max(n, -kInfinity, f);
    float low = float_below(team.min(n, kInfinity, f));
    int below = 0;
    int upto = valid;
    for (int round = 0;; ++round) {
        const float floor = low;
        const float ceiling = high;
        if (k - below < 2) {  // a rank or two above `low`: step from element to element
            low = team.min(n, kInfinity, [&](int i) { return f(i) > floor ? f(i) : kInfinity; });
            const float next = low;
            below = team.count(n, [&](int i) { return f(i) <= next; });
            if (below > k) return next;
            continue;
        }
        if (upto - k < 3) {  // or a rank or two below `high`
            const float last = team.max(n, -kInfinity, [&](int i) { return f(i) <= ceiling ? f(i) : -kInfinity; });
            upto = team.count(n, [&](int i) { return f(i) < last; });
            if (upto <= k) return last;
            high = float_below(last);
            continue;
        }
        const float share = (static_cast<float>(k - below) + 0.5f) / static_cast<float>(upto - below);
        float middle = low + (high - low) * share;
        // Interpolation alone can creep on heavy tails; halving the ordered bits bounds the number of rounds.
        if (round % 3 == 2 || !(middle > low && middle < high)) {
            const std::uint32_t a = to_ordered(low);
            const std::uint32_t b = to_ordered(high);
            if (b - a < 2) return high + 0.0f;  // halving the bits may end at -0
            middle = from_ordered(a + (b - a) / 2);
        }
        const float at = middle;
        const int c = team.count(n, [&](int i) { return f(i) <= at; });
        if (c > k) {
            high = middle;
            upto = c;
        } else {
            low = middle;
            below = c;
        }
    }
}

// The value of rank k (0 is the smallest) among the f(i) that are not NaN, i in [0, n), of which there are `valid` > k;
// none may be -0 or -inf.
template <class Team, class F>
S2V_HD float select(const Team &team, int n, int valid, int k, F f) {
    if constexpr (Team::kAlone) {
        NarrowingScratch s;
        if (n > kMostNarrowed) return select_by_counting(team, n, valid, k, f);
        Narrowed left = {s.few, n, k};
        if (n > kFew)
            left = narrow(n, valid, k, f, s);
        else
            for (int i = 0; i < n; ++i) s.few[i] = f(i);
        if (!left.values) return select_by_counting(team, n, valid, k, f);
        const float *const values = left.values;
        if (left.count > kFew)
            return select_by_counting(team, left.count, left.count, left.rank, [&](int i) { return values[i]; });
        sort_few(values, left.count, s.sorted);
        return rank_few(s.sorted, left.rank);
    } else {
        return search_ranks(team, f, n, valid, k, false).lower;
    }
}

// The values of ranks k and k + 1, or twice the first: where it is the last, or the second is not `wanted`.
template <class Team, class F>
S2V_HD RankPair select_two(const Team &team, int n, int valid, int k, F f, bool wanted) {
    if constexpr (Team::kAlone) {
        const float lower = select(team, n, valid, k, f);
        if (!wanted || k + 1 >= valid || team.count(n, [&](int i) { return f(i) <= lower; }) > k + 1)
            return {lower, lower};
        return {lower, team.min(n, kInfinity, [&](int i) { return f(i) > lower ? f(i) : kInfinity; })};
    } else {
        return search_ranks(team, f, n, valid, k, wanted);
    }
}

// Median of the f(i) that are not NaN, of which there are `valid` > 0; the mean of the middle two if even.
template <class Team, class F>
S2V_HD float median(const Team &team, int n, int valid, F f) {
    const RankPair middle = select_two(team, n, valid, (valid - 1) / 2, f, valid % 2 == 0);
    return middle.upper > middle.lower ? middle.lower * 0.5f + middle.upper * 0.5f : middle.lower;
}

}  // namespace
}  // namespace s2v::kernel
