// A plane of one candidate in units of its noise, and its core: the box around the candidate that most features of the
// set s2v look at.
#pragma once

#include "brightness.hpp"
#include "order.hpp"
#include "stamp.hpp"

namespace s2v::kernel {
namespace {

// A core has the candidate at (kCoreRow, kCoreColumn); the lane of a pixel is its column.
inline constexpr int kCoreRows = 25;
inline constexpr int kCoreStride = 32;
inline constexpr int kCorePixels = kCoreRows * kCoreStride;
inline constexpr int kCoreRow = kCoreRows / 2;
inline constexpr int kCoreColumn = kCoreStride / 2;

// The level and the noise of a window; sigma is 0 where it has none.
struct PlaneNoise {
    int valid;      // usable pixels
    bool constant;  // they all have one value, or there is none
    float median;
    float sigma;  // 1.4826 MAD
};

// The difference, which has noise.
struct MeasuredDifference {
    PlaneNoise noise;
    const float *window;  // as delivered, NaN where masked
    const float *core;    // (I - median) / sigma times the polarity, NaN where masked
    float polarity;       // 1 or -1
};

// The noise of a window of a level, whose masked pixels are NaN.
template <class Team>
S2V_STAGE PlaneNoise measure_noise(const Team &team, const float *window, const PlaneLevel &level) {
    S2V_IN_SCRATCH(window);
    PlaneNoise noise = {level.valid, level.constant, level.median, 0.0f};
    if (level.constant) return noise;
    const float centre = level.median;
    const float sigma = kMadToSigma * median(team, kWindowPixels, level.valid, ScratchDeviations{window, centre});
    if (is_finite(sigma)) noise.sigma = sigma;
    return noise;
}

// The core of a window around (row, column), times `sign`; NaN where masked or outside the window. The column may be at
// most kStride - kCoreColumn.
template <class Team>
S2V_STAGE void cut_core(const Team &team, const float *window, const PlaneNoise &noise, float sign, int row, int column,
                        float *core) {
    S2V_IN_SCRATCH(window);
    S2V_IN_SCRATCH(core);
    const int top = row - kCoreRow;
    const int left = column - kCoreColumn;
    const int begin = left < 0 ? -left : 0;  // a window goes on to the right, with NaN
    const float divisor = noise.sigma * sign;
    team.sync();  // `core` may still be read
    for (int r = 0; r < kCoreRows; ++r) {
        float *const out = core + r * kCoreStride;
        if (top + r < 0 || top + r >= kWindow) {
            team.for_each(kCoreStride, [&](int c) { out[c] = quiet_nan(); });
            continue;
        }
        const float *const line = window + (top + r) * kStride + left;
        if (begin) team.for_each(begin, [&](int c) { out[c] = quiet_nan(); });
        team.for_each(kCoreStride - begin, [&](int i) {
            const float x = (line[begin + i] - noise.median) / divisor + 0.0f;
            out[begin + i] = is_finite(x) ? x : quiet_nan();
        });
    }
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
