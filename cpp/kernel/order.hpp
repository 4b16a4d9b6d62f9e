// Exact order statistics by counting: no sort, no scratch, the same on a lane array and on a warp.
#pragma once

#include "math.hpp"

namespace s2v::kernel {
namespace {

// Unsigned integers in the order of the floats they stand for.
S2V_HD inline std::uint32_t to_ordered(float x) {
    const std::uint32_t bits = float_to_bits(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
S2V_HD inline float from_ordered(std::uint32_t key) {
    return bits_to_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// The value of rank k (0 is the smallest) among the f(i) that are not NaN, i in [0, n). More than k of them must be
// there, and none may be -0. The path depends on guesses, the result does not: it is an element, found by counts alone.
template <class Team, class F>
S2V_HD float select(const Team &team, int n, int k, F f) {
    // The answer is above `low`, of which `below` elements are not, and not above `high`, of which `upto` are not.
    const float smallest = team.min(n, kInfinity, f);
    const float largest = team.max(n, -kInfinity, f);
    int below = team.count(n, [&](int i) { return f(i) <= smallest; });
    if (below > k) return smallest;
    float low = smallest;
    float high = largest;
    int upto = team.count(n, [&](int i) { return f(i) <= largest; });
    for (int round = 0;; ++round) {
        if (k - below < 2) {  // a rank or two above: step from element to element
            const float bound = low;
            const float next = team.min(n, kInfinity, [&](int i) { return f(i) > bound ? f(i) : kInfinity; });
            const int c = team.count(n, [&](int i) { return f(i) <= next; });
            if (c > k) return next;
            low = next;
            below = c;
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

// Median of the f(i) that are not NaN, of which there are `valid` > 0; the mean of the middle two if even.
template <class Team, class F>
S2V_HD float median(const Team &team, int n, int valid, F f) {
    const float lower = select(team, n, (valid - 1) / 2, f);
    if (valid % 2) return lower;
    const int c = team.count(n, [&](int i) { return f(i) <= lower; });
    if (c > valid / 2) return lower;
    const float upper = team.min(n, kInfinity, [&](int i) { return f(i) > lower ? f(i) : kInfinity; });
    return lower * 0.5f + upper * 0.5f;
}

}  // namespace
}  // namespace s2v::kernel
