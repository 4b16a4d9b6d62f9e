// The table that turns what a model gives into a probability: straight lines between knots.
#pragma once

#include "macros.hpp"
#include "math.hpp"

#include <cstdint>

namespace s2v::kernel {

inline constexpr std::int32_t kMostKnots = 1024;

// x rises strictly, y never falls, both within 0 to 1; it owns nothing. knots: 2 to kMostKnots; 0: no table.
struct CalibrationView {
    const float *x;
    const float *y;
    std::int32_t knots;
};

namespace {

// What a table makes of a score; NaN stays NaN. In double, rounded once. Every step of the arithmetic rises with the
// score or stays, and no value is above the next knot's: a higher score never becomes a lower probability.
S2V_HD inline float apply_calibration(const CalibrationView &table, float score) {
    if (score != score) return quiet_nan();
    std::int32_t knot = 0;  // the last one that is not above the score, else the first
    std::int32_t end = table.knots;
    while (end - knot > 1) {
        const std::int32_t middle = knot + (end - knot) / 2;
        if (table.x[middle] <= score)
            knot = middle;
        else
            end = middle;
    }
    const double from = static_cast<double>(table.y[knot]);
    if (score <= table.x[knot] || end == table.knots) return static_cast<float>(from + 0.0);  // + 0 turns -0 into 0
    const double begin = static_cast<double>(table.x[knot]);
    const double to = static_cast<double>(table.y[end]);
    const double along = (static_cast<double>(score) - begin) * (to - from);
    const double value = from + along / (static_cast<double>(table.x[end]) - begin);
    return static_cast<float>((value < to ? value : to) + 0.0);
}

}  // namespace
}  // namespace s2v::kernel
