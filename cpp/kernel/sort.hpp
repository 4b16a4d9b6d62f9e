// An exact sort of 1,024 floats by Batcher's bitonic network, the same on a lane array and on a warp.
//
// Position e of the sorted order lies at (e mod 32) * 32 + e / 32: a run of 32 positions is a column of a square, which
// one lane holds, and three comparisons of four are between whole rows.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kSorted = kLanes * kLanes;

S2V_HD inline int sorted_place(int position) {
    return position % kLanes * kLanes + position / kLanes;
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

// Sorts x[0, 1024), without NaN, into the places that sorted_place() tells.
template <class Team>
S2V_STAGE void sort(const Team &team, float *x) {
    sort_within_columns<2>(team, x);
    sort_columns<1>(team, x);
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
