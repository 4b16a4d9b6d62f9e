// The search for order statistics by the lanes of a warp: pivots out of a sorted sample are counted together, and what
// lies between two of them is gathered into registers and sorted. The results are elements, whatever was guessed.
#pragma once

#include "lane_team.hpp"
#include "math.hpp"

namespace s2v::kernel {
namespace {

// The values of two ranks, one after the other.
struct Ranked {
    float lower;
    float upper;
};

inline constexpr int kHeldEach = 4;
inline constexpr int kHeld = kHeldEach * kLanes;  // values that the lanes hold in registers: a sample, what is gathered
inline constexpr int kPivots = 8;                 // counted at a time

// Of two numbers; on a device one instruction, of which its compiler makes two where one may be NaN.
S2V_HD inline float lower_of(float a, float b) {
#if defined(__CUDA_ARCH__)
    return fminf(a, b);
#else
    return b < a ? b : a;
#endif
}
S2V_HD inline float upper_of(float a, float b) {
#if defined(__CUDA_ARCH__)
    return fmaxf(a, b);
#else
    return a < b ? b : a;
#endif
}

S2V_HD inline void put_in_order(float &a, float &b, bool down) {
    const float low = lower_of(a, b);
    const float high = upper_of(a, b);
    a = down ? high : low;
    b = down ? low : high;
}

// Merges what a lane holds, which rises and then falls.
S2V_HD inline void merge_own(float (&x)[kHeldEach], bool down) {
    put_in_order(x[0], x[2], down);
    put_in_order(x[1], x[3], down);
    put_in_order(x[0], x[1], down);
    put_in_order(x[2], x[3], down);
}

// Sorts what the lanes hold, by Batcher's bitonic network. Place p of the order is value p % kHeldEach of lane p /
// kHeldEach.
template <class Lanes>
S2V_HD void sort_held(const Lanes &lanes, float (&x)[kHeldEach]) {
    const int lane = lanes.index();
    put_in_order(x[0], x[1], false);
    put_in_order(x[2], x[3], true);
    merge_own(x, lane & 1);
    S2V_ROLLED
    for (int run = 2; run <= kLanes; run *= 2) {  // lanes of a run that is merged
        const bool down = lane & run;
        S2V_ROLLED
        for (int bit = run / 2; bit > 0; bit /= 2) {
            const bool upper = ((lane & bit) != 0) != down;
            for (float &own : x) {
                const float other = lanes.across(own, bit);
                own = upper ? upper_of(own, other) : lower_of(own, other);
            }
        }
        merge_own(x, down);
    }
}

// What lies at a place of the order; each lane may ask for another.
template <class Lanes>
S2V_HD float held_at(const Lanes &lanes, const float (&x)[kHeldEach], int place) {
    float found = 0.0f;
    for (int k = 0; k < kHeldEach; ++k) {
        const float there = lanes.from(x[k], place / kHeldEach);
        found = place % kHeldEach == k ? there : found;
    }
    return found;
}

// Where the value of a rank lies: above `low`, of which `below` values are not, and not above `high`, of which `upto`
// are not. `low` is NaN as long as nothing bounds it.
struct RankRange {
    float low;
    float high;
    int below;
    int upto;

    S2V_HD bool holds(float x) const {
        return !(x <= low) && x <= high;
    }
    S2V_HD bool is_open() const {
        return low != low || high == kInfinity;
    }
    // All that it holds is `high`.
    S2V_HD bool is_one_value() const {
        return to_ordered(float_below(high)) <= to_ordered(low);
    }
    // `count` values are not above `pivot`, which is not above `high`.
    S2V_HD void narrow(float pivot, int count, int k) {
        if (count > k) {
            if (pivot < high) {
                high = pivot;
                upto = count;
            }
        } else if (!(pivot <= low)) {
            low = pivot;
            below = count;
        }
    }
};

// A pivot that a lane tries for rank k after the sample has told what it can: the first what lies just below the range,
// so that ties end the search, the others by turns where the rank lies if the range is even, and places that divide its
// ordered bits, which bounds the number of rounds.
S2V_HD inline float divide_range(const RankRange &range, int k, int lane, bool even) {
    if (lane == 0) return float_below(range.high);
    const std::uint32_t from = to_ordered(range.low);
    const std::uint32_t width = to_ordered(range.high) - from;
    if (!even || range.is_open())
        return from_ordered(from + (width < kPivots ? 1u : width / kPivots) * static_cast<std::uint32_t>(lane));
    const float count = static_cast<float>(range.upto - range.below);
    const float step = 0.5f * square_root(count) + count * (1.0f / 32.0f);
    const float rank = static_cast<float>(k - range.below) + 0.5f + static_cast<float>(lane - kPivots / 2) * step;
    return range.low + (range.high - range.low) * (rank / count);
}

// Gathers the values of a range of at most kHeld, infinity behind them.
template <class Lanes, class F>
S2V_HD void gather(const Lanes &lanes, int n, F f, const RankRange &range, float (&x)[kHeldEach]) {
    for (float &own : x) own = kInfinity;
    const int lane = lanes.index();
    int kept = 0;
    for (int start = 0; start < n; start += kLanes) {
        const int i = start + lane;
        const float value = i < n ? f(i) : quiet_nan();
        for (std::uint32_t found = lanes.ballot(range.holds(value)); found; ++kept) {
            const int source = highest_bit(found);
            found ^= 1u << source;
            const float one = lanes.from(value, source);
            const int place = kept % kLanes;
            if (place == 0) {  // another row
                for (int k = kHeldEach - 1; k > 0; --k) x[k] = x[k - 1];
                x[0] = kInfinity;
            }
            if (place == lane) x[0] = one;
        }
    }
}

// The values of ranks k and k + 1 (0 is the smallest) among the f(i) that are not NaN, i in [0, n), of which there are
// `valid` > k, or twice the first: where it is the last, or the second is not `wanted`. None may be -0 or -inf.
template <class Team, class F>
S2V_PART Ranked search_ranks(const Team &team, F f, int n, int valid, int k, bool wanted) {
    const auto &lanes = team.lanes();
    const int lane = lanes.index();
    const bool few = n <= kHeld;
    const int step = few ? 1 : n / kHeld;
    float held[kHeldEach];
    int own = 0;
    for (int r = 0; r < kHeldEach; ++r) {
        const int place = r * kLanes + lane;
        const float x = !few || place < n ? f(place * step + step / 2) : quiet_nan();
        held[r] = x == x ? x : kInfinity;
        add_if(own, x == x);
    }
    const int sampled = lanes.total(own);
    sort_held(lanes, held);
    const int next = wanted && k + 1 < valid ? k + 1 : k;
    if (few) return {held_at(lanes, held, k), held_at(lanes, held, next)};

    const float share = (static_cast<float>(k) + 0.5f) / static_cast<float>(valid);
    const float guess = share * static_cast<float>(sampled);
    const float deviation = square_root(guess * (1.0f - share));  // of the rank in the sample
    float apart = deviation > 1.5f ? 0.7f * deviation : 1.0f;
    RankRange range = {from_ordered(to_ordered(-kInfinity) - 1u), kInfinity, 0, valid};
    for (int round = 0;; ++round) {
        float pivot;
        if (round == 0 || (round == 1 && range.is_open())) {
            const float rank = guess + (static_cast<float>(lane) - 0.5f * (kPivots - 1)) * apart;
            const bool there = rank >= 0.0f && rank < static_cast<float>(sampled);
            pivot = held_at(lanes, held, there ? static_cast<int>(rank) : kHeld - 1);
            pivot = there ? pivot : kInfinity;
            apart *= 4.0f;
        } else {
            pivot = divide_range(range, k, lane, round % 2);
        }
        pivot += 0.0f;                                                             // -0 would count twice
        pivot = pivot < range.high && !(pivot <= range.low) ? pivot : range.high;  // what tells nothing does no harm
        float at[kPivots];
        int count[kPivots];
        for (int j = 0; j < kPivots; ++j) {
            at[j] = lanes.from(pivot, j);
            count[j] = 0;
        }
        for (int i = lane; i < n; i += kLanes) {
            const float x = f(i);
            for (int j = 0; j < kPivots; ++j) add_if(count[j], x <= at[j]);
        }
        for (int j = 0; j < kPivots; ++j) range.narrow(at[j], lanes.total(count[j]), k);
        if (range.is_one_value() || range.upto - range.below <= kHeld) break;
    }
    Ranked found = {range.high, range.high};
    if (!range.is_one_value()) {
        gather(lanes, n, f, range, held);
        sort_held(lanes, held);
        found.lower = held_at(lanes, held, k - range.below);
        found.upper = held_at(lanes, held, next - range.below < kHeld ? next - range.below : kHeld - 1);
    }
    if (next >= range.upto)
        found.upper = team.min(n, kInfinity, [&](int i) { return f(i) > range.high ? f(i) : kInfinity; });
    return found;
}

}  // namespace
}  // namespace s2v::kernel
