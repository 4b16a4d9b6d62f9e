// How the lanes of a warp find order statistics: they count what lies below pivots out of a sorted sample, then gather
// the values between two pivots and sort them in registers. The results are elements, whatever the guesses were.
#pragma once

#include "lane_team.hpp"
#include "math.hpp"

namespace s2v::kernel {
namespace {

// The values of two ranks, one after the other.
struct RankPair {
    float lower;
    float upper;
};

inline constexpr int kPivots = 2;        // counted at a time
inline constexpr int kGathered = kRoom;  // values that a search ends with, at most

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

S2V_HD inline void order_pair(float &a, float &b, bool down) {
    const float low = lower_of(a, b);
    const float high = upper_of(a, b);
    a = down ? high : low;
    b = down ? low : high;
}

// Merges what a lane holds, which rises and then falls.
template <int Each>
S2V_HD void merge_own(float (&x)[Each], bool down) {
    for (int half = Each / 2; half > 0; half /= 2)
        for (int k = 0; k < Each; ++k)
            if (k % (2 * half) < half) order_pair(x[k], x[k + half], down);
}

// Sorts `Each` values a lane, 1 or 2, by Batcher's bitonic network. Place p of the order is value p % Each of lane p /
// Each.
template <int Each, class Lanes>
S2V_HD void sort_held(const Lanes &lanes, float (&x)[Each]) {
    const int lane = lanes.index();
    merge_own(x, lane & 1);
    S2V_ROLLED
    for (int run = 2; run <= kLanes; run *= 2) {  // lanes of a run that is merged
        const bool down = lane & run;
        S2V_UNROLLED
        for (int bit = kLanes / 2; bit > 0; bit /= 2) {
            if (bit >= run) continue;
            const bool upper = ((lane & bit) != 0) != down;
            for (float &own : x) {
                const float other = lanes.across(own, bit);
                own = upper ? upper_of(own, other) : lower_of(own, other);
            }
        }
        merge_own(x, down);
    }
}

// Sorts what a search ends with. On a device one function of all searches.
template <class Lanes>
S2V_PART void sort_gathered(const Lanes &lanes, float (&x)[kGathered / kLanes]) {
    sort_held(lanes, x);
}

// What lies at a place of the order; each lane may ask for another.
template <int Each, class Lanes>
S2V_HD float held_at(const Lanes &lanes, const float (&x)[Each], int place) {
    float found = 0.0f;
    for (int k = 0; k < Each; ++k) {
        const float there = lanes.from(x[k], place / Each);
        found = place % Each == k ? there : found;
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

    // Of `valid` values.
    S2V_HD static RankRange of_all(int valid) {
        return {from_ordered(to_ordered(-kInfinity) - 1u), kInfinity, 0, valid};
    }
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

// A pivot that a lane, the first or the second, tries for rank k after the sample has told what it can. By turns they
// are: where the rank lies if the range is even, from below and from above; what lies just below the range, so that
// ties end the search, and the middle of its ordered bits, which bounds the number of rounds.
S2V_HD inline float divide_range(const RankRange &range, int k, int lane, bool even) {
    if (even && !range.is_open()) {
        const float count = static_cast<float>(range.upto - range.below);
        const float off = 0.75f * square_root(count) + count * (1.0f / 64.0f);
        const float rank = static_cast<float>(k - range.below) + 0.5f + (lane == 0 ? -off : off);
        return range.low + (range.high - range.low) * (rank / count);
    }
    if (lane == 0) return float_below(range.high);
    const std::uint32_t from = to_ordered(range.low);
    return from_ordered(from + (to_ordered(range.high) - from) / 2);
}

// Takes values `step` apart, infinity for those that are NaN or not there. Returns how many are numbers.
template <int Each, class Lanes, class F>
S2V_HD int take_some(const Lanes &lanes, int n, int step, F f, float (&x)[Each]) {
    int own = 0;
    for (int r = 0; r < Each; ++r) {
        const int i = (r * kLanes + lanes.index()) * step + step / 2;
        const float value = i < n ? f(i) : quiet_nan();
        x[r] = value == value ? value : kInfinity;
        add_if(own, value == value);
    }
    return lanes.total(own);
}

// Gathers the values of a range of at most kGathered, infinity behind them.
template <class Lanes, class F>
S2V_HD void gather(const Lanes &lanes, int n, F f, const RankRange &range, float (&x)[kGathered / kLanes]) {
    float *const room = lanes.room();
    S2V_IN_SCRATCH(room);
    const int lane = lanes.index();
    const std::uint32_t before = (1u << lane) - 1u;
    int kept = 0;
    lanes.sync();  // it may still be read
    const auto keep = [&](float value, bool there) {
        const bool within = there && range.holds(value);
        const std::uint32_t found = lanes.ballot(within);
        if (!found) return;
        if (within) room[kept + count_bits(found & before)] = value;
        kept += count_bits(found);
    };
    int start = 0;
    for (; start + kLanes <= n; start += kLanes) keep(f(start + lane), true);
    if (start < n) keep(start + lane < n ? f(start + lane) : 0.0f, start + lane < n);
    lanes.sync();
    for (int r = 0; r < kGathered / kLanes; ++r) x[r] = r * kLanes + lane < kept ? room[r * kLanes + lane] : kInfinity;
}

// What holds the value of rank k and kGathered values at most, or one value, however often. The path depends on
// guesses.
template <class Team, class F>
S2V_HD RankRange narrow_range(const Team &team, F f, int n, int valid, int k) {
    const auto &lanes = team.lanes();
    const int lane = lanes.index();
    float sample[1];
    lanes.sync();  // a lane samples what others have written, and may overwrite
    const int sampled = take_some(lanes, n, n / kLanes, f, sample);
    lanes.sync();
    sort_held(lanes, sample);
    const float share = (static_cast<float>(k) + 0.5f) / static_cast<float>(valid);
    const float guess = share * static_cast<float>(sampled);
    const float deviation = square_root(guess * (1.0f - share));  // of the rank in the sample
    float off = deviation > 0.8f ? 1.2f * deviation : 1.0f;
    RankRange range = RankRange::of_all(valid);
    for (int round = 0;; ++round) {
        float pivot;
        if (round == 0 || (round == 1 && range.is_open())) {
            const float rank = guess + (lane == 0 ? -off : off);
            const bool there = rank >= 0.0f && rank < static_cast<float>(sampled);
            pivot = held_at(lanes, sample, there ? static_cast<int>(rank) : 0);
            pivot = there ? pivot : kInfinity;
            off *= 3.0f;
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
        if (range.is_one_value() || range.upto - range.below <= kGathered) return range;
    }
}

// The values of ranks k and k + 1 (0 is the smallest) among the f(i) that are not NaN, i in [0, n), of which there are
// `valid` > k, or twice the first: where it is the last, or the second is not `wanted`. None may be -0 or -inf.
template <class Team, class F>
S2V_PART RankPair search_ranks(const Team &team, F f, int n, int valid, int k, bool wanted) {
    const auto &lanes = team.lanes();
    const int next = wanted && k + 1 < valid ? k + 1 : k;
    const bool few = n <= kGathered;
    const RankRange range = few ? RankRange::of_all(valid) : narrow_range(team, f, n, valid, k);
    RankPair found = {range.high, range.high};
    if (!range.is_one_value()) {
        float held[kGathered / kLanes];
        if (few)
            take_some(lanes, n, 1, f, held);
        else
            gather(lanes, n, f, range, held);
        sort_gathered(lanes, held);
        found.lower = held_at(lanes, held, k - range.below);
        found.upper = held_at(lanes, held, next < range.upto ? next - range.below : 0);
    }
    if (next >= range.upto)
        found.upper = team.min(n, kInfinity, [&](int i) { return f(i) > range.high ? f(i) : kInfinity; });
    return found;
}

}  // namespace
}  // namespace s2v::kernel
