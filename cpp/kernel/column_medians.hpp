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

// Maximum over columns of the median of the pixels of the column that are not NaN. A column can only beat the best so
// far if at least half of its pixels lie above it, which one pass over the plane tells for all columns; so few medians
// are ever worked out, and the result is the same as if all were.
template <class Team>
S2V_STAGE float largest_column_median(const Team &team, const float *plane, ColumnScratch &scratch) {
    S2V_IN_SCRATCH(plane);
    S2V_IN_SCRATCH(&scratch);
    team.for_each(kStride, [&](int c) { scratch.valid[c] = 0; });
    for (int r = 0; r < kWindow; ++r)
        team.for_each(kStride, [&](int c) {
            const float x = plane[r * kStride + c];
            scratch.valid[c] += x == x ? 1 : 0;
        });
    team.sync();
    float best = -kInfinity;
    for (int column = -1;;) {
        team.for_each(kStride, [&](int c) { scratch.above[c] = 0; });
        for (int r = 0; r < kWindow; ++r)
            team.for_each(kStride, [&](int c) { scratch.above[c] += plane[r * kStride + c] > best ? 1 : 0; });
        team.sync();
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
