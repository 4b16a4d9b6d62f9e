// The point spread function, measured on a star of the science stamp, and how like it the difference is.
#pragma once

#include "adaptive_moments.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kStarApart = 5;           // pixels from the candidate within which no star is looked for
inline constexpr int kStarInside = 6;          // pixels from the edge of the window
inline constexpr float kStarBrightest = 5.0f;  // least S of its brightest pixel
inline constexpr int kLikenessReach = 5;       // pixels on each side of the candidate
inline constexpr int kLikenessSide = 2 * kLikenessReach + 1;
// The box is held with this many columns a row, and one row more: loops have no tails.
inline constexpr int kLikenessStride = 16;
inline constexpr int kLikenessBox = (kLikenessSide + 1) * kLikenessStride;

// Pixel i of a window; none where it lies beyond the search for a star, too near the candidate, or is saturated.
S2V_HD inline float star_pixel(const float *window, float saturation, int i) {
    const int dy = i / kStride - kWindow / 2;
    const int dx = i % kStride - kWindow / 2;
    constexpr int reach = kWindow / 2 - kStarInside;
    const bool there = dx >= -reach && dx <= reach && dx * dx + dy * dy > kStarApart * kStarApart;
    return there && !(window[i] >= saturation) ? window[i] : quiet_nan();
}

// The brightest pixel of the science window that may be a star, row * kStride + column; -1 where there is none. A pixel
// of `saturation` or above is none; NaN: all may be.
template <class Team>
S2V_STAGE int find_star(const Team &team, const float *window, const PlaneNoise &noise, float saturation) {
    S2V_IN_SCRATCH(window);
    constexpr int begin = kStarInside * kStride;
    constexpr int n = (kWindow - 2 * kStarInside) * kStride;
    const auto pixel = [&](int i) { return star_pixel(window, saturation, begin + i); };
    const float brightest = team.max(n, -kInfinity, pixel);
    if (!((brightest - noise.median) / noise.sigma >= kStarBrightest)) return -1;
    return begin + team.first(0, n, [&](int i) { return pixel(i) == brightest; });
}

// Of the star of the science window; not converged where there is none. `core` is for its pixels.
template <class Team>
S2V_HD AdaptiveMoments star_moments(const Team &team, const float *window, const PlaneNoise &noise, float saturation,
                                    float *core, MomentScratch &scratch) {
    const int star = find_star(team, window, noise, saturation);
    if (star < 0) return {};
    cut_core(team, window, noise, 1.0f, star / kStride, star % kStride, core);
    return adaptive_moments(team, core, scratch);
}

// The rows of a core that the box lies in.
inline constexpr int kLikenessFirst = (kCoreRow - kLikenessReach) * kCoreStride;
inline constexpr int kLikenessPixels = (kLikenessSide + 1) * kCoreStride;

// Pixel i of the box around the candidate; NaN beside it.
S2V_HD inline float likeness_pixel(const float *core, int i) {
    const int y = i / kLikenessStride;
    const int x = i % kLikenessStride;
    const float pixel = core[kLikenessFirst + y * kCoreStride + kCoreColumn - kLikenessReach + x];
    return y < kLikenessSide && x < kLikenessSide ? pixel : quiet_nan();
}

// <D, P> / sqrt(<D, D> <P, P>), P the Gaussian of moments m at (x, y) from the candidate.
template <class Team>
S2V_STAGE double gaussian_likeness(const Team &team, const float *core, double x, double y, const Moments &m) {
    S2V_IN_SCRATCH(core);
    const Moments a = inverse(m);
    double total[3];
    team.template sums<3>(kLikenessBox, total, [&](int i, auto add) {
        const float pixel = likeness_pixel(core, i);
        const double dx = i % kLikenessStride - kLikenessReach - x;
        const double dy = i / kLikenessStride - kLikenessReach - y;
        const double square = a.xx * dx * dx + (2.0 * a.xy * dx + a.yy * dy) * dy;
        const bool there = pixel == pixel;
        const double model = there ? exponential(-0.5 * square) : 0.0;
        const double value = there ? static_cast<double>(pixel) : 0.0;
        add(0, value * model);
        add(1, value * value);
        add(2, model * model);
    });
    return total[0] / (square_root(total[1]) * square_root(total[2]));
}

// Pearson's correlation coefficient of two cores over the box, where both are usable. Of the second, `rows` has those
// that the box lies in.
template <class Team>
S2V_STAGE double core_correlation(const Team &team, const float *a, const float *rows) {
    S2V_IN_SCRATCH(a);
    S2V_IN_SCRATCH(rows);
    const float *const b = rows - kLikenessFirst;
    const auto both = [&](int i) {
        const float x = likeness_pixel(a, i);
        const float y = likeness_pixel(b, i);
        return x == x && y == y;
    };
    double total[3];
    team.template sums<3>(kLikenessBox, total, [&](int i, auto add) {
        const bool there = both(i);
        add(0, there ? 1.0 : 0.0);
        add(1, there ? static_cast<double>(likeness_pixel(a, i)) : 0.0);
        add(2, there ? static_cast<double>(likeness_pixel(b, i)) : 0.0);
    });
    const double mean_a = total[1] / total[0];
    const double mean_b = total[2] / total[0];
    double spread[3];
    team.template sums<3>(kLikenessBox, spread, [&](int i, auto add) {
        const bool there = both(i);
        const double x = there ? static_cast<double>(likeness_pixel(a, i)) - mean_a : 0.0;
        const double y = there ? static_cast<double>(likeness_pixel(b, i)) - mean_b : 0.0;
        add(0, x * y);
        add(1, x * x);
        add(2, y * y);
    });
    return spread[0] / (square_root(spread[1]) * square_root(spread[2]));
}

}  // namespace
}  // namespace s2v::kernel
