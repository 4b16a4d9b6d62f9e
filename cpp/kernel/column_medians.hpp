// COLMEDS: the largest of the medians of the columns.
#pragma once

#include "order.hpp"
#include "stamp.hpp"

namespace s2v::kernel {
namespace {

struct ColumnScratch {
    float values[kStride];
    std::int32_t valid[kStride];
    std::int32_t above[kStride];
};

// Counts for every column the pixels for which something holds. A thread of several has its columns in registers.
template <class Team, class F>
S2V_HD void count_down(const Team &team, const float *plane, std::int32_t (&count)[kStride], F holds) {
    if constexpr (Team::kAlone) {
        team.for_each(kStride, [&](int c) { count[c] = 0; });
        for (int r = 0; r < kWindow; ++r)
            team.for_each(kStride, [&](int c) { count[c] += holds(plane[r * kStride + c]) ? 1 : 0; });
    } else {
        team.template for_shares<kStride>([&](auto own) {
            int total[own.count] = {};
            S2V_STEPS
            for (int r = 0; r < kWindow; ++r)
                for (int i = 0; i < own.count; ++i) add_if(total[i], holds(plane[r * kStride + own[i]]));
            for (int i = 0; i < own.count; ++i) count[own[i]] = total[i];
        });
    }
    team.sync();
}

// Maximum over columns of the median of the pixels of the column that are not NaN. A column can only beat the best so
// far if at least half of its pixels lie above it, which one pass over the plane tells for all columns; so few medians
// are ever worked out, and the result is the same as if all were.
template <class Team>
S2V_STAGE float largest_column_median(const Team &team, const float *plane, ColumnScratch &scratch) {
    S2V_IN_SCRATCH(plane);
    S2V_IN_SCRATCH(&scratch);
    count_down(team, plane, scratch.valid, [](float x) { return x == x; });
    float best = -kInfinity;
    for (int column = -1;;) {
        count_down(team, plane, scratch.above, [&](float x) { return x > best; });
        column = team.first(column + 1, kWindow,
                            [&](int c) { return scratch.valid[c] > 0 && 2 * scratch.above[c] >= scratch.valid[c]; });
        if (column == kWindow) return best;
        team.for_each(kStride,
                      [&](int r) { scratch.values[r] = r < kWindow ? plane[r * kStride + column] : quiet_nan(); });
        team.sync();
        const float middle = median(team, kStride, scratch.valid[column], ScratchValues{scratch.values});
        best = middle > best ? middle : best;
        team.sync();
    }
}

}  // namespace
}  // namespace s2v::kernel
