// LACOSMIC: how much the brightest pixel stands out of the fine structure of the stamp.
// Source: Goldstein et al. 2015, after van Dokkum 2001, PASP 113, 1420: F = med3(B) - med7(med3(B)).
#pragma once

#include "order.hpp"
#include "stamp.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kMargin = 3;  // of the 7x7 filter
inline constexpr int kPaddedRows = kWindow + 2 * kMargin;
inline constexpr int kHalf = 24;       // of the 49 pixels of the 7x7 filter lie below its median
inline constexpr int kSampleStep = 7;  // every so many rows stand for the plane
inline constexpr int kSampleRows = kWindow / kSampleStep + 1;

inline constexpr int kOrdered = kWindowPixels / 3;  // pixels whose columns are ordered at a time

struct LacosmicScratch {
    float padded[kPaddedRows * kStride + 2 * kStride];  // the slack is read, never used
    float smooth[kWindowPixels];
    float column[3][kOrdered + 2];  // three rows in order; the last two are read, never used
    std::uint8_t below[kPaddedRows * kStride + kStride];
    std::uint8_t column_sum[kWindowPixels + kStride];
    float values[kSampleRows * kStride];
    std::int32_t above[kLanes];
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

S2V_HD inline float smaller(float a, float b) {
    return b < a ? b : a;
}
S2V_HD inline float larger(float a, float b) {
    return a < b ? b : a;
}
S2V_HD inline float middle_of(float a, float b, float c) {
    return larger(smaller(a, b), smaller(larger(a, b), c));
}

// The median of 3x3 around every pixel of a padded window. The columns of three are ordered once, for the three pixels
// that share them: of nine in ordered columns the median is the middle one of the largest of the smallest, the middle
// of the middle and the smallest of the largest (Smith 1996).
template <class Team>
S2V_HD void smooth_by_9(const Team &team, LacosmicScratch &s) {
    for (int begin = 0; begin < kWindowPixels; begin += kOrdered) {
        const float *const p = s.padded + begin;
        float *const smooth = s.smooth + begin;
        team.for_each(kOrdered, [&](int i) {
            const float low = smaller(p[i], p[kStride + i]);
            const float high = larger(p[i], p[kStride + i]);
            const float last = p[2 * kStride + i];
            s.column[0][i] = smaller(low, last);
            s.column[1][i] = larger(low, smaller(high, last));
            s.column[2][i] = larger(high, last);
        });
        team.sync();
        team.for_each(kOrdered, [&](int i) {
            const float low = larger(larger(s.column[0][i], s.column[0][i + 1]), s.column[0][i + 2]);
            const float high = smaller(smaller(s.column[2][i], s.column[2][i + 1]), s.column[2][i + 2]);
            smooth[i] = middle_of(low, middle_of(s.column[1][i], s.column[1][i + 1], s.column[1][i + 2]), high);
        });
        team.sync();
    }
    for (int r = 0; r < kWindow; ++r)
        team.for_each(kStride - kWindow, [&](int c) { s.smooth[r * kStride + kWindow + c] = quiet_nan(); });
}

// F at a pixel: its smooth value less the median of the 7x7 around it.
template <class Team>
S2V_HD float fine_structure(const Team &team, LacosmicScratch &s, int pixel) {
    const float *const corner = s.padded + pixel;
    team.for_each(kStride, [&](int i) { s.values[i] = i < 49 ? corner[i / 7 * kStride + i % 7] : quiet_nan(); });
    team.sync();
    const float middle = select(team, kStride, 49, kHalf, [&](int i) { return s.values[i]; });
    team.sync();
    return s.smooth[pixel] - middle;
}

// For each of the pixels from `begin` on, one a lane, how many of the 7x7 around it F would be above `best` with. More
// than kHalf of them, and F itself is: the median is the one in the middle, and rounding is monotonic.
template <class Team>
S2V_HD void count_exceeding(const Team &team, LacosmicScratch &s, int begin, float best) {
    team.sync();  // the last counts may still be read
    team.for_each(kLanes, [&](int l) { s.above[l] = 0; });
    for (int dy = 0; dy < 7; ++dy) {
        const float *const line = s.padded + begin + dy * kStride;
        team.for_each(kLanes, [&](int l) {
            const float centre = s.smooth[begin + l];
            int above = s.above[l];
            for (int dx = 0; dx < 7; ++dx) above += centre - line[l + dx] > best ? 1 : 0;
            s.above[l] = above;
        });
    }
    team.sync();
}

// max over pixels of F = med3(b) - med7(med3(b)); NaN in b enters the filters as 0.
//
// Only the maximum is asked for, and F(p) <= med3(p) - v wherever at most 24 of the 49 values around p lie below v. One
// cheap count with a low v rules out most pixels, a count for each of the others nearly all of those; the few that are
// left get their exact median. Rounding is monotonic, so bounds hold in floating point and the result is that of the
// full filter.
template <class Team>
S2V_STAGE float largest_fine_structure(const Team &team, const float *b, LacosmicScratch &s) {
    pad_by_reflection(team, s.padded, 1, [&](int i) { return b[i] == b[i] ? b[i] : 0.0f; });
    smooth_by_9(team, s);
    pad_by_reflection(team, s.padded, kMargin, [&](int i) { return s.smooth[i]; });

    // A low quantile of a sample of rows is a good v; any v is a correct one.
    const float lowest = team.min(kWindowPixels, kInfinity, [&](int i) { return s.smooth[i]; });
    for (int r = 0; r < kSampleRows; ++r)
        team.for_each(kStride, [&](int c) { s.values[r * kStride + c] = s.smooth[r * kSampleStep * kStride + c]; });
    team.sync();
    const float v = select(team, kSampleRows * kStride, kSampleRows * kWindow, kSampleRows * kWindow / 4,
                           [&](int i) { return s.values[i]; });
    team.sync();
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
        s.below[i] = sum <= kHalf ? 1 : 0;  // now: v is a bound at this pixel
    });
    team.sync();

    const float brightest = team.max(kWindowPixels, -kInfinity, [&](int i) { return s.smooth[i]; });
    float best = fine_structure(team, s, team.first(0, kWindowPixels, [&](int i) { return s.smooth[i] == brightest; }));
    for (int begin = 0;;) {
        const int pixel =
            team.first(begin, kWindowPixels, [&](int i) { return s.smooth[i] - (s.below[i] ? v : lowest) > best; });
        if (pixel == kWindowPixels) return best;
        begin = pixel / kLanes * kLanes;
        count_exceeding(team, s, begin, best);
        for (int lane = -1;;) {
            lane = team.first(lane + 1, kLanes, [&](int l) { return s.above[l] > kHalf; });
            if (lane == kLanes) break;
            const float f = fine_structure(team, s, begin + lane);
            best = f > best ? f : best;
        }
        begin += kLanes;
    }
}

}  // namespace
}  // namespace s2v::kernel
