// LACOSMIC: how much the brightest pixel stands out of the fine structure of the stamp.
// Source: Goldstein et al. 2015, after van Dokkum 2001, PASP 113, 1420: F = med3(B) - med7(med3(B)).
#pragma once

#include "order.hpp"
#include "stamp.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kMargin = 3;  // of the 7x7 filter
inline constexpr int kPaddedRows = kWindow + 2 * kMargin;

struct LacosmicScratch {
    float padded[kPaddedRows * kStride + 2 * kStride];  // the slack is read, never used
    float smooth[kWindowPixels];
    std::uint8_t below[kPaddedRows * kStride + kStride];
    std::uint8_t column_sum[kWindowPixels + kStride];
    float values[kStride];
};

// SciPy's `reflect`: the edge pixel is mirrored too.
S2V_HD inline int reflect(int i, int n) {
    return i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i;
}

// Copies a window into `padded` with `margin` mirrored pixels on each side.
template <class Team, class F>
S2V_HD void pad_by_reflection(const Team &team, float *padded, int margin, F pixel) {
    for (int r = 0; r < kWindow + 2 * margin; ++r) {
        const int source = reflect(r - margin, kWindow) * kStride;
        float *const line = padded + r * kStride;
        team.for_each(kWindow, [&](int c) { line[margin + c] = pixel(source + c); });
        team.for_each(margin, [&](int c) {
            line[c] = pixel(source + margin - 1 - c);
            line[margin + kWindow + c] = pixel(source + kWindow - 1 - c);
        });
    }
    team.sync();
}

S2V_HD inline void order_pair(float &a, float &b) {
    const float low = b < a ? b : a;
    b = b < a ? a : b;
    a = low;
}

// Median of nine by the 19 exchanges of Paeth 1990 (Graphics Gems, p. 171).
S2V_HD inline float median_of_9(float a, float b, float c, float d, float e, float f, float g, float h, float i) {
    order_pair(b, c);
    order_pair(e, f);
    order_pair(h, i);
    order_pair(a, b);
    order_pair(d, e);
    order_pair(g, h);
    order_pair(b, c);
    order_pair(e, f);
    order_pair(h, i);
    d = d < a ? a : d;
    f = i < f ? i : f;
    order_pair(e, h);
    g = g < d ? d : g;
    e = e < b ? b : e;
    c = f < c ? f : c;
    e = h < e ? h : e;
    order_pair(e, c);
    e = e < g ? g : e;
    return c < e ? c : e;
}

// Exact median of the 7x7 pixels whose upper left corner is `corner` in the padded plane.
template <class Team>
S2V_HD float median_of_49(const Team &team, const float *corner, float *values) {
    team.for_each(kStride, [&](int i) { values[i] = i < 49 ? corner[i / 7 * kStride + i % 7] : quiet_nan(); });
    team.sync();
    const float middle = select(team, kStride, 24, [&](int i) { return values[i]; });
    team.sync();
    return middle;
}

// max over pixels of F = med3(b) - med7(med3(b)); NaN in b enters the filters as 0.
//
// Only the maximum is asked for, and F(p) <= med3(p) - v wherever at most 24 of the 49 values around p lie below v. One
// cheap count with a low v rules out nearly every pixel; the few that are left get their exact median. Rounding is
// monotonic, so the bound holds in floating point and the result is that of the full filter.
template <class Team>
S2V_HD float largest_fine_structure(const Team &team, const float *b, LacosmicScratch &s) {
    pad_by_reflection(team, s.padded, 1, [&](int i) { return b[i] == b[i] ? b[i] : 0.0f; });
    team.for_each(kWindowPixels, [&](int i) {
        const float *const p = s.padded + i;
        s.smooth[i] = median_of_9(p[0], p[1], p[2], p[kStride], p[kStride + 1], p[kStride + 2], p[2 * kStride],
                                  p[2 * kStride + 1], p[2 * kStride + 2]);
    });
    team.sync();
    for (int r = 0; r < kWindow; ++r)
        team.for_each(kStride - kWindow, [&](int c) { s.smooth[r * kStride + kWindow + c] = quiet_nan(); });
    pad_by_reflection(team, s.padded, kMargin, [&](int i) { return s.smooth[i]; });

    // A low quantile of a sample of rows is a good v; any v is a correct one.
    constexpr int step = 7;
    constexpr int sample_rows = kWindow / step + 1;
    const float lowest = team.min(kWindowPixels, kInfinity, [&](int i) { return s.smooth[i]; });
    const float v = select(team, sample_rows * kStride, sample_rows * kWindow / 4,
                           [&](int i) { return s.smooth[(i / kStride) * (step - 1) * kStride + i]; });
    team.for_each(kPaddedRows * kStride, [&](int i) { s.below[i] = s.padded[i] < v ? 1 : 0; });
    team.sync();
    team.for_each(kWindowPixels, [&](int i) {
        int sum = 0;
        for (int dy = 0; dy < 7; ++dy) sum += s.below[i + dy * kStride];
        s.column_sum[i] = static_cast<std::uint8_t>(sum);
    });
    team.sync();
    team.for_each(kWindowPixels, [&](int i) {
        int sum = 0;
        for (int dx = 0; dx < 7; ++dx) sum += s.column_sum[i + dx];
        s.below[i] = sum <= 24 ? 1 : 0;  // now: v is a bound at this pixel
    });
    team.sync();

    const float brightest = team.max(kWindowPixels, -kInfinity, [&](int i) { return s.smooth[i]; });
    int pixel = team.first(0, kWindowPixels, [&](int i) { return s.smooth[i] == brightest; });
    float best = s.smooth[pixel] - median_of_49(team, s.padded + pixel, s.values);
    for (pixel = -1;;) {
        pixel =
            team.first(pixel + 1, kWindowPixels, [&](int i) { return s.smooth[i] - (s.below[i] ? v : lowest) > best; });
        if (pixel == kWindowPixels) return best;
        const float f = s.smooth[pixel] - median_of_49(team, s.padded + pixel, s.values);
        best = f > best ? f : best;
    }
}

}  // namespace
}  // namespace s2v::kernel
