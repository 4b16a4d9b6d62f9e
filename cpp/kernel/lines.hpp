// The medians of the difference along the row and the column of its peak: trails, bad columns, bleeding.
#pragma once

#include "peak.hpp"

namespace s2v::kernel {
namespace {

struct LineScratch {
    alignas(64) float values[kStride];
};

// Median of D over the line of the window that begins at `first`, its pixels `step` apart; NaN where all are masked.
template <class Team>
S2V_STAGE float line_median(const Team &team, const MeasuredDifference &difference, int first, int step,
                            LineScratch &scratch) {
    const float *const window = difference.window;
    S2V_IN_SCRATCH(window);
    S2V_IN_SCRATCH(&scratch);
    const float centre = difference.noise.median;
    const float divisor = difference.noise.sigma * difference.polarity;
    team.sync();  // the scratch may still be read
    team.for_each(kStride, [&](int i) {
        const float x = i < kWindow ? (window[first + i * step] - centre) / divisor + 0.0f : quiet_nan();
        scratch.values[i] = is_finite(x) ? x : quiet_nan();
    });
    team.sync();
    const ScratchValues value = {scratch.values};
    const int valid = team.count(kStride, [&](int i) { return value(i) == value(i); });
    return valid > 0 ? median(team, kStride, valid, value) : quiet_nan();
}

template <class Team>
S2V_HD void line_features(const Team &team, const MeasuredDifference &difference, const Peak &peak,
                          LineScratch &scratch, double (&value)[kStampFeatures]) {
    const int row = kWindow / 2 - kCoreRow + peak.row;
    const int column = kWindow / 2 - kCoreColumn + peak.column;
    value[feature::row_median] = static_cast<double>(line_median(team, difference, row * kStride, 1, scratch));
    value[feature::column_median] = static_cast<double>(line_median(team, difference, column, kStride, scratch));
}

}  // namespace
}  // namespace s2v::kernel
