// An exact sort of 1,024 floats by Batcher's bitonic network: on a lane array in memory, on a warp in registers.
//
// In memory, position e of the sorted order lies at (e mod 32) * 32 + e / 32: a run of 32 positions is a column of a
// square, which one lane holds, and three comparisons of four are between whole rows.
#pragma once

#include "rank_by_pivots.hpp"
#include "register_array.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kSorted = kLanes * kLanes;

// Values of a lane that a warp sorts at a time.
inline constexpr int kHalfSorted = kLanes / 2;

// Where a position of the sorted order lies.
template <class Team>
S2V_HD int sorted_place(const Team &, int position) {
    if constexpr (Team::kAlone) return position % kLanes * kLanes + position / kLanes;
    const int half = position / (kHalfSorted * kLanes);
    return (half * kHalfSorted + position % kHalfSorted) * kLanes + position / kHalfSorted % kLanes;
}

S2V_HD inline void ascend(float &low, float &high) {
    const float a = low;
    const float b = high;
    low = a < b ? a : b;
    high = a < b ? b : a;
}

// Orders rows r and r + Half of every 2 Half rows; downwards where r has the bit `down`.
template <int Half, class Team>
S2V_HD void merge_rows(const Team &team, float *x, int down) {
    for (int r = 0; r < kLanes; r += r % Half == Half - 1 ? Half + 1 : 1) {
        float *const low = x + (r & down ? r + Half : r) * kLanes;
        float *const high = x + (r & down ? r : r + Half) * kLanes;
        team.for_each(kLanes, [&](int l) { ascend(low[l], high[l]); });
    }
    if constexpr (Half > 1) merge_rows<Half / 2>(team, x, down);
}

template <int Size, class Team>
S2V_HD void sort_within_columns(const Team &team, float *x) {
    merge_rows<Size / 2>(team, x, Size);
    if constexpr (2 * Size < kLanes) sort_within_columns<2 * Size>(team, x);
}

// Orders columns l and l + Half of every 2 Half columns.
template <int Half, class Team>
S2V_HD void merge_columns(const Team &team, float *x) {
    team.sync();
    team.for_each(kSorted / (2 * Half), [&](int block) {
        float *const left = x + 2 * Half * block;
        float low[Half];
        float high[Half];
        for (int l = 0; l < Half; ++l) {
            low[l] = left[l];
            high[l] = left[Half + l];
        }
        for (int l = 0; l < Half; ++l) ascend(low[l], high[l]);
        for (int l = 0; l < Half; ++l) {
            left[l] = low[l];
            left[Half + l] = high[l];
        }
    });
    if constexpr (Half > 1) merge_columns<Half / 2>(team, x);
}

// Merges columns into runs of Size. Every second run is turned around by its sign, so that all comparisons ascend.
template <int Size, class Team>
S2V_HD void sort_columns(const Team &team, float *x) {
    team.sync();
    team.for_each(kSorted, [&](int i) { x[i] = ((i & Size / 2) != 0) != ((i & Size) % kLanes != 0) ? -x[i] : x[i]; });
    if constexpr (Size > 1) merge_columns<Size / 2>(team, x);
    team.sync();
    merge_rows<kLanes / 2>(team, x, 0);
    if constexpr (Size < kLanes) sort_columns<2 * Size>(team, x);
}

// Merges every `Run` values that a lane holds, of which the first half rises and the other falls; every second run then
// falls, but for one of all.
template <int Run, int Half, int Each>
S2V_HD void merge_held(float (&x)[Each]) {
    each_of<Each>([&](auto place) {
        constexpr int k = decltype(place)::value;
        if constexpr (k % (2 * Half) < Half) {
            constexpr bool falls = Run < Each && (k & Run) != 0;
            const float low = lower_of(x[k], x[k + Half]);
            const float high = upper_of(x[k], x[k + Half]);
            x[k] = falls ? high : low;
            x[k + Half] = falls ? low : high;
        }
    });
    if constexpr (Half > 1) merge_held<Run, Half / 2>(x);
}

template <int Run, int Each>
S2V_HD void sort_own(float (&x)[Each]) {
    merge_held<Run, Run / 2>(x);
    if constexpr (Run < Each) sort_own<2 * Run>(x);
}

// Turns the order around.
template <int Each>
S2V_HD void negate_where(float (&x)[Each], bool where) {
    each_of<Each>([&](auto k) { x[k.value] = where ? -x[k.value] : x[k.value]; });
}

// Merges runs of what the lanes hold, from those of `run` lanes on, of which every second falls; of one lane they need
// no order. Place p of the result is value p % Each of lane p / Each.
template <int Each, class Lanes>
S2V_HD void merge_lanes(const Lanes &lanes, float (&x)[Each], int run) {
    const int lane = lanes.index();
    S2V_ROLLED
    for (; run <= kLanes; run *= 2) {
        const bool falls = (lane & run) != 0;
        negate_where(x, falls);
        S2V_ROLLED
        for (int bit = run / 2; bit > 0; bit /= 2) {
            const bool upper = (lane & bit) != 0;
            each_of<Each>([&](auto k) {
                const float own = x[k.value];
                const float other = lanes.across(own, bit);
                x[k.value] = upper ? upper_of(own, other) : lower_of(own, other);
            });
        }
        if (run == 1)
            sort_own<2>(x);
        else
            merge_held<Each, Each / 2>(x);
        negate_where(x, falls);
    }
}

// Sorts x[0, 1024), without NaN and -0, into the places that sorted_place() tells. A warp sorts each half in registers,
// the second downwards, then what is lower and what is higher of both: all at once would take more registers than there
// are.
template <class Team>
S2V_STAGE void sort(const Team &team, float *x) {
    if constexpr (Team::kAlone) {
        sort_within_columns<2>(team, x);
        sort_columns<1>(team, x);
    } else {
        S2V_IN_SCRATCH(x);
        team.sync();
        float *const column = x + team.lanes().index();
        S2V_ROLLED
        for (int pass = 0; pass < 4; ++pass) {
            if (pass == 2)
                each_of<kHalfSorted>(
                    [&](auto k) { ascend(column[k.value * kLanes], column[(kHalfSorted + k.value) * kLanes]); });
            float *const half = column + pass % 2 * kHalfSorted * kLanes;
            float held[kHalfSorted];
            each_of<kHalfSorted>([&](auto k) { held[k.value] = half[k.value * kLanes]; });
            negate_where(held, pass == 1);
            merge_lanes(team.lanes(), held, pass < 2 ? 1 : kLanes);
            negate_where(held, pass == 1);
            each_of<kHalfSorted>([&](auto k) { half[k.value * kLanes] = held[k.value]; });
        }
    }
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
