// LACOSMIC: how much the brightest pixel stands out of the fine structure of the stamp.
// Source: Goldstein et al. 2015, after van Dokkum 2001, PASP 113, 1420: F = med3(B) - med7(med3(B)).
#pragma once

#include "absent_pixels.hpp"
#include "bit_planes.hpp"
#include "order.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kHalf = 24;       // of the 49 pixels of the 7x7 filter lie below its median
inline constexpr int kSampleStep = 7;  // every so many rows stand for the plane
inline constexpr int kSampleRows = kWindow / kSampleStep + 1;
inline constexpr int kCorner = kMargin * (kStride + 1);  // from a pixel back to the first of the 7x7 around it

struct SmoothedRows {
    float above[kStride];          // the row above the one that is smoothed, as it was
    float column[3][kStride + 2];  // columns of three in order, from the one to the left of the window on
};

struct LacosmicScratch {
    float values[kStride];  // around one pixel
    std::int32_t count[kLanes];
    union {  // one after the other
        SmoothedRows rows;
        float sample[kSampleRows * kStride];
        std::uint8_t below[(kWindow + 2 * kMargin) * kStride];  // from the corner of the first pixel on
        struct {                                                // of lanes, a bit a pixel
            std::uint32_t below[(kWindow + 2 * kMargin) * kStride / kLanes];
            std::uint32_t bounded[kWindowPixels / kLanes];
        } bits;
    };

    // Whether a pixel is bounded; it lies in `below`, where that is used up.
    S2V_HD std::uint8_t &bounded(int pixel) {
        return below[2 * kMargin * kStride + pixel];
    }
};

template <class Team>
S2V_HD bool is_bounded(LacosmicScratch &s, int pixel) {
    if constexpr (Team::kAlone)
        return s.bounded(pixel) != 0;
    else
        return (s.bits.bounded[pixel / kLanes] >> pixel % kLanes & 1u) != 0;
}

S2V_HD inline float middle_of(float a, float b, float c) {
    return upper_of(lower_of(a, b), lower_of(upper_of(a, b), c));
}

// The median of 3x3 around every pixel, in place; at an edge as SciPy's `reflect`: the edge pixel is mirrored too. The
// columns of three are ordered once, for the three pixels that share them: of nine in ordered columns the median is the
// middle one of the largest of the smallest, the middle of the middle and the smallest of the largest (Smith 1996).
template <class Team>
S2V_HD void smooth_by_9(const Team &team, float *window, LacosmicScratch &s) {
    SmoothedRows &rows = s.rows;
    team.for_each(kStride, [&](int c) { rows.above[c] = window[c]; });
    for (int r = 0; r < kWindow; ++r) {
        float *const row = window + r * kStride;
        const float *const next = r + 1 < kWindow ? row + kStride : row;
        team.for_each(kStride, [&](int c) {
            const float first = rows.above[c];
            const float middle = row[c];
            const float last = next[c];
            const float low = lower_of(first, middle);
            const float high = upper_of(first, middle);
            rows.above[c] = middle;
            rows.column[0][c + 1] = lower_of(low, last);
            rows.column[1][c + 1] = upper_of(low, lower_of(high, last));
            rows.column[2][c + 1] = upper_of(high, last);
        });
        team.sync();
        team.for_each(3, [&](int k) {
            rows.column[k][0] = rows.column[k][1];
            rows.column[k][kWindow + 1] = rows.column[k][kWindow];
        });
        team.sync();
        team.for_each(kStride, [&](int c) {
            const float low = upper_of(upper_of(rows.column[0][c], rows.column[0][c + 1]), rows.column[0][c + 2]);
            const float high = lower_of(lower_of(rows.column[2][c], rows.column[2][c + 1]), rows.column[2][c + 2]);
            const float middle = middle_of(rows.column[1][c], rows.column[1][c + 1], rows.column[1][c + 2]);
            row[c] = middle_of(low, middle, high) + 0.0f;  // + 0 turns an absent -0 into 0
        });
        team.sync();
    }
}

// Mirrors a window into its margin, and into the columns beyond that it leaves.
template <class Team>
S2V_HD void mirror_margin(const Team &team, float *window) {
    S2V_FEW_STEPS
    for (int r = 0; r < kWindow; ++r) {
        float *const row = window + r * kStride;
        team.for_each(kStride - kWindow - kMargin, [&](int i) { row[kWindow + i] = row[kWindow - 1 - i]; });
        team.for_each(kMargin, [&](int i) { row[-1 - i] = row[i]; });
    }
    team.sync();
    S2V_ROLLED
    for (int r = 0; r < kMargin; ++r) {
        float *const top = window + r * kStride - kMargin;
        float *const bottom = window + (kWindow - 1 - r) * kStride - kMargin;
        team.for_each(kStride, [&](int i) {
            top[i - (2 * r + 1) * kStride] = top[i];
            bottom[i + (2 * r + 1) * kStride] = bottom[i];
        });
    }
    team.sync();
}

// F at a pixel: its smooth value less the median of the 7x7 around it.
template <class Team>
S2V_PART float fine_structure(const Team &team, const float *smooth, LacosmicScratch &s, int pixel) {
    S2V_IN_SCRATCH(smooth);
    S2V_IN_SCRATCH(&s);
    const float *const corner = smooth + pixel - kCorner;
    team.for_each(kStride, [&](int i) { s.values[i] = i < 49 ? corner[i / 7 * kStride + i % 7] : quiet_nan(); });
    team.sync();
    const float middle = select(team, kStride, 49, kHalf, ScratchValues{s.values});
    team.sync();
    return smooth[pixel] - middle;
}

// For each of the pixels from `begin` on, one a lane, how many of the 7x7 around it F would be above `best` with. More
// than kHalf of them, and F itself is: the median is the one in the middle, and rounding is monotonic.
template <class Team>
S2V_HD void count_exceeding(const Team &team, const float *smooth, LacosmicScratch &s, int begin, float best) {
    team.sync();  // the last counts may still be read
    team.for_each(kLanes, [&](int l) { s.count[l] = 0; });
    for (int dy = 0; dy < 7; ++dy) {
        const float *const line = smooth + begin - kCorner + dy * kStride;
        team.for_each(kLanes, [&](int l) {
            const float centre = smooth[begin + l];
            int above = s.count[l];
            for (int dx = 0; dx < 7; ++dx) above += centre - line[l + dx] > best ? 1 : 0;
            s.count[l] = above;
        });
    }
    team.sync();
}

// What find_bounded does, by lanes that have a row of the window as bits each.
template <class Team>
S2V_HD void find_bounded_bits(const Team &team, const float *smooth, float v, LacosmicScratch &s) {
    constexpr int words = kStride / kLanes;
    static_assert(words == 2);
    const auto &lanes = team.lanes();
    const float *const corner = smooth - kCorner;
    for (int word = 0; word < (kWindow + 2 * kMargin) * words; ++word) {
        const std::uint32_t below = lanes.ballot(corner[word * kLanes + lanes.index()] < v);
        if (lanes.index() == 0) s.bits.below[word] = below;
    }
    team.sync();
    team.for_each(kWindow, [&](int r) {
        const std::uint32_t *const row = s.bits.below + r * words;
        std::uint64_t below[7];
        for (int dy = 0; dy < 7; ++dy) below[dy] = row[2 * dy] | std::uint64_t{row[2 * dy + 1]} << kLanes;
        const BitPlanes<6> sum = add_seven_columns(count_seven(below));
        static_assert(kHalf == 24);
        const std::uint64_t over_24 =
            sum.plane[5] | (sum.plane[4] & sum.plane[3] & (sum.plane[2] | sum.plane[1] | sum.plane[0]));
        s.bits.bounded[r * words] = static_cast<std::uint32_t>(~over_24);
        s.bits.bounded[r * words + 1] = static_cast<std::uint32_t>(~over_24 >> kLanes);
    });
    team.sync();
}

// For each pixel whether v bounds the median of the 7x7 around it from below: at most kHalf of them lie below v.
template <class Team>
S2V_HD void find_bounded(const Team &team, const float *smooth, float v, LacosmicScratch &s) {
    if constexpr (!Team::kAlone) return find_bounded_bits(team, smooth, v, s);
    const float *const corner = smooth - kCorner;
    team.for_each((kWindow + 2 * kMargin) * kStride, [&](int i) { s.below[i] = corner[i] < v ? 1 : 0; });
    team.sync();
    // Down the columns, in place: what is overwritten was read by the same lane.
    team.for_each(kWindowPixels, [&](int i) {
        int sum = 0;
        for (int dy = 0; dy < 7; ++dy) sum += s.below[i + dy * kStride];
        s.below[i] = static_cast<std::uint8_t>(sum);
    });
    team.sync();
    // From the last row on: what is written lies where rows were that have been read.
    for (int r = kWindow - 1; r >= 0; --r) {
        team.for_each(kStride, [&](int c) {
            int sum = 0;
            for (int dx = 0; dx < 7; ++dx) sum += s.below[r * kStride + c + dx];
            s.bounded(r * kStride + c) = sum <= kHalf ? 1 : 0;
        });
        team.sync();
    }
}

// max over pixels of F = med3(b) - med7(med3(b)). `b` has its margin, and kAbsent where a pixel enters the filters as
// 0; it is overwritten.
//
// Only the maximum is asked for, and F(p) <= med3(p) - v wherever at most 24 of the 49 values around p lie below v. One
// cheap count with a low v rules out most pixels, a count for each of the others nearly all of those; the few that are
// left get their exact median. Rounding is monotonic, so bounds hold in floating point and the result is that of the
// full filter.
template <class Team>
S2V_STAGE float largest_fine_structure(const Team &team, float *b, LacosmicScratch &s) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&s);
    team.sync();  // what shares its memory with the scratch may still be read
    smooth_by_9(team, b, s);
    mirror_margin(team, b);
    const float *const smooth = b;
    const auto inside = [](int i) { return i % kStride < kWindow; };  // beyond are mirrored pixels

    // A low quantile of a sample of rows is a good v; any v is a correct one.
    const float lowest = team.min(kWindowPixels, kInfinity, [&](int i) { return smooth[i]; });
    S2V_FEW_STEPS
    for (int r = 0; r < kSampleRows; ++r)
        team.for_each(kStride, [&](int c) { s.sample[r * kStride + c] = smooth[r * kSampleStep * kStride + c]; });
    team.sync();
    const float v =
        select(team, kSampleRows * kStride, kSampleRows * kStride, kSampleRows * kStride / 4, ScratchValues{s.sample});
    team.sync();
    find_bounded(team, smooth, v, s);

    const float brightest = team.max(kWindowPixels, -kInfinity, [&](int i) { return smooth[i]; });
    float best = fine_structure(
        team, smooth, s, team.first(0, kWindowPixels, [&](int i) { return (smooth[i] == brightest) & inside(i); }));
    for (int begin = 0;;) {
        const int pixel = team.first(begin, kWindowPixels, [&](int i) {
            return (smooth[i] - (is_bounded<Team>(s, i) ? v : lowest) > best) & inside(i);
        });
        if (pixel == kWindowPixels) return best;
        begin = pixel / kLanes * kLanes;
        count_exceeding(team, smooth, s, begin, best);
        for (int lane = -1;;) {
            lane = team.first(lane + 1, kLanes, [&](int l) { return (s.count[l] > kHalf) & inside(begin + l); });
            if (lane == kLanes) break;
            const float f = fine_structure(team, smooth, s, begin + lane);
            best = f > best ? f : best;
        }
        begin += kLanes;
    }
}

}  // namespace
}  // namespace s2v::kernel
