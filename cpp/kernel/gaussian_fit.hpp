// AMP, SCALE, GAUSS: least squares fit of a round Gaussian A exp(-((x-x0)^2 + (y-y0)^2) / (2 s^2)) to B.
// Source of the model and its bounds: Goldstein et al. 2015, section 3.3, and the released code.
#pragma once

#include "fit_moments.hpp"

namespace s2v::kernel {
namespace {

struct GaussianFit {
    float amplitude;
    float scale;
    float residual;  // sum of squared residuals
    bool converged;
};

// A is linear: with g the unit Gaussian, the best A is <B,g>/<g,g>, and the sum of squares left is
// <B,B> - <B,g>^2/<g,g>. So only (x0, y0, s) are searched, for the largest `gain` = <B,g>^2/<g,g> (variable projection,
// Golub & Pereyra 1973). The model is separable, which makes every sum over the stamp one pass down the columns and one
// along the row.
//
// With t = (dx, dy, dx^2 + dy^2), the derivatives of g by (x0, y0, s) are g t_i times (1/s^2, 1/s^2, 1/s^3); slope and
// curvature below are in units of A times these. r = B - A g.
struct FitSums {
    double gain;
    double amplitude;
    double norm;          // <g, g>
    double slope[3];      // <r, g t_i>
    double gauss[3];      // diagonal of J^T J with A projected out
    double curvature[6];  // second derivatives of half the sum of squares, A projected out: 00, 01, 02, 11, 12, 22
};

inline constexpr double kFitBox = 0.5;        // x0 and y0 stay within this of the centre of the window
inline constexpr double kFitNarrowest = 0.2;  // below, the model is one pixel
inline constexpr double kFitWidest = 500.0;   // above, it is a constant to 0.3 %
inline constexpr double kFitReach = 0.25;     // longest step, in pixels of position and as a share of s
inline constexpr int kFitRounds = 60;
inline constexpr int kFitFewest = 5;  // one more pixel than parameters

// A <g, g> below this share of a whole model's: what is not masked is the far wing of g, where float32 has lost it.
S2V_HD inline double fit_least_norm(double s) {
    return 1e-10 * s * s;
}

// Everything that a step needs, at a point.
template <class Team>
S2V_PART FitSums fit_sums(const Team &team, const float *b, bool whole, const FitPoint &at, FitScratch &scratch) {
    const FitMoments m = fit_moments(team, b, whole, at, scratch);
    FitSums sums{};
    const double norm = m.g[k00];
    const double a = norm > fit_least_norm(at.s) ? m.b[kB] / norm : 0.0;
    if (a == 0.0) return sums;
    sums.amplitude = a;
    sums.gain = m.b[kB] * a;
    sums.norm = norm;
    const double rr = m.g[k20] + m.g[k02];
    const double xrr = m.g[k30] + m.g[k12];
    const double yrr = m.g[k21] + m.g[k03];
    const double rrrr = m.g[k40] + 2.0 * m.g[k22] + m.g[k04];
    sums.slope[0] = m.b[kBx] - a * m.g[k10];
    sums.slope[1] = m.b[kBy] - a * m.g[k01];
    sums.slope[2] = m.b[kBxx] + m.b[kByy] - a * rr;
    sums.gauss[0] = m.g[k20] - m.g[k10] * m.g[k10] / norm;
    sums.gauss[1] = m.g[k02] - m.g[k01] * m.g[k01] / norm;
    sums.gauss[2] = rrrr - rr * rr / norm;
    // <g t_i, g t_j> - <r, second derivative of g> / A, and the same with A for one of the two.
    const double s2 = at.s * at.s;
    const double with_a[3] = {m.g[k10] - sums.slope[0] / a, m.g[k01] - sums.slope[1] / a, rr - sums.slope[2] / a};
    sums.curvature[0] = m.g[k20] - (m.b[kBxx] - a * m.g[k20]) / a - with_a[0] * with_a[0] / norm;
    sums.curvature[1] = m.g[k11] - (m.b[kBxy] - a * m.g[k11]) / a - with_a[0] * with_a[1] / norm;
    sums.curvature[2] = xrr - (m.b[kBxrr] - a * xrr - 2.0 * s2 * sums.slope[0]) / a - with_a[0] * with_a[2] / norm;
    sums.curvature[3] = m.g[k02] - (m.b[kByy] - a * m.g[k02]) / a - with_a[1] * with_a[1] / norm;
    sums.curvature[4] = yrr - (m.b[kByrr] - a * yrr - 2.0 * s2 * sums.slope[1]) / a - with_a[1] * with_a[2] / norm;
    sums.curvature[5] = rrrr - (m.b[kBrrrr] - a * rrrr - 3.0 * s2 * sums.slope[2]) / a - with_a[2] * with_a[2] / norm;
    return sums;
}

// Solves for the Newton step of the unknowns that are free, the diagonal raised by `damping`. False where the matrix
// is not positive definite.
S2V_PART inline bool solve_step(const FitSums &sums, double damping, const bool (&free)[3], double (&step)[3]) {
    double m[3][3] = {{sums.curvature[0] + damping * sums.gauss[0], sums.curvature[1], sums.curvature[2]},
                      {sums.curvature[1], sums.curvature[3] + damping * sums.gauss[1], sums.curvature[4]},
                      {sums.curvature[2], sums.curvature[4], sums.curvature[5] + damping * sums.gauss[2]}};
    double v[3] = {sums.slope[0], sums.slope[1], sums.slope[2]};
    for (int i = 0; i < 3; ++i)
        if (!free[i]) {
            for (int j = 0; j < 3; ++j) m[i][j] = m[j][i] = 0.0;
            m[i][i] = 1.0;
            v[i] = 0.0;
        }
    for (int i = 0; i < 3; ++i) {
        if (!(m[i][i] > 0.0)) return false;
        for (int j = i + 1; j < 3; ++j) {
            const double f = m[j][i] / m[i][i];
            for (int k = i; k < 3; ++k) m[j][k] -= f * m[i][k];
            v[j] -= f * v[i];
        }
    }
    step[2] = v[2] / m[2][2];
    step[1] = (v[1] - m[1][2] * step[2]) / m[1][1];
    step[0] = (v[0] - m[0][1] * step[1] - m[0][2] * step[2]) / m[0][0];
    return true;
}

S2V_HD inline double largest(double a, double b, double c) {
    const double ab = a > b ? a : b;
    return ab > c ? ab : c;
}

S2V_HD inline double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

// Whether a coordinate may move: it is not held by the edge of its range, and the data depend on it.
S2V_HD inline bool is_free(double x, double low, double high, double slope, double gauss, double least) {
    return gauss > least && !(x <= low && slope < 0.0) && !(x >= high && slope > 0.0);
}

// Damped Newton steps from one start; `at` and `sums` end at the best point.
template <class Team>
S2V_PART void fit_from(const Team &team, const float *b, bool whole, FitPoint &at, FitSums &sums, FitScratch &scratch) {
    constexpr double low = kWindow / 2 - kFitBox;
    constexpr double high = kWindow / 2 + kFitBox;
    sums = fit_sums(team, b, whole, at, scratch);
    double damping = 1e-3;
    for (int round = 0; round < kFitRounds && damping < 1e6 && sums.gain > 0.0; ++round) {
        const double per_offset = at.s * at.s / sums.amplitude;
        const double per_width = at.s * per_offset;
        const double least = 1e-9 * sums.norm * at.s * at.s;
        const bool free[3] = {
            is_free(at.x0, low, high, sums.slope[0] * per_offset, sums.gauss[0], least),
            is_free(at.y0, low, high, sums.slope[1] * per_offset, sums.gauss[1], least),
            is_free(at.s, kFitNarrowest, kFitWidest, sums.slope[2] * per_width, sums.gauss[2], least * at.s * at.s),
        };
        double step[3];
        if (!solve_step(sums, damping, free, step)) {
            damping = damping * 10.0;
            continue;
        }
        // Narrow models make curved valleys: a step that leaves the hill is shortened, not turned.
        const double dx = step[0] * per_offset;
        const double dy = step[1] * per_offset;
        const double ds = step[2] * per_width;
        const double reach =
            largest(absolute(dx) / kFitReach, absolute(dy) / kFitReach, absolute(ds) / (kFitReach * at.s));
        const double part = reach > 1.0 ? 1.0 / reach : 1.0;
        const FitPoint next = {clamp(at.x0 + part * dx, low, high), clamp(at.y0 + part * dy, low, high),
                               clamp(at.s + part * ds, kFitNarrowest, kFitWidest)};
        const double tolerance = 1e-3 * at.s;
        const bool last = damping < 1.0 && absolute(next.x0 - at.x0) < tolerance &&
                          absolute(next.y0 - at.y0) < tolerance && absolute(next.s - at.s) < tolerance;
        const FitSums there = fit_sums(team, b, whole, next, scratch);
        if (there.gain > sums.gain) {
            at = next;
            sums = there;
            damping = damping * 0.1;
        } else {
            damping = damping * 10.0;
        }
        if (last) return;  // convergence is quadratic: nothing is left to gain
    }
}

// Where the search looks first: narrow widths each at the centre, corners and edges of the box, the others, to which
// half a pixel matters little, at the centre. The best of each band of widths is climbed.
inline constexpr int kFitNarrow = 4;
inline constexpr int kFitWide = 5;
inline constexpr int kFitBands = 3;
inline constexpr double kFitWorth = 0.5;  // a start this far below the best hill is not climbed

struct FitStarts {
    FitPoint at[kFitBands];
    double gain[kFitBands];
};

// A point's gain, if it is the best of its band so far.
S2V_HD inline void offer_start(FitStarts &starts, int band, const FitPoint &at, double along, double norm) {
    const double gain = norm > fit_least_norm(at.s) ? along * along / norm : 0.0;
    if (gain > starts.gain[band]) {
        starts.gain[band] = gain;
        starts.at[band] = at;
    }
}

// Sums along the row each of three narrow profiles, or its `square`, times each of three rows of `values`.
template <class Team>
S2V_PART void sum_narrow(const Team &team, FitScratch &scratch, const float (&values)[kFitTerms][kStride], bool square,
                         double (&total)[9]) {
    S2V_IN_SCRATCH(&scratch);
    S2V_IN_SCRATCH(&values);
    team.template sums<9>(kLanes, total, [&](int i, auto add) {
        const int c = fit_left(kLanes) + i;
        double g[3];
        for (int k = 0; k < 3; ++k) {
            g[k] = static_cast<double>(scratch.narrow_profile(k)[c]);
            if (square) g[k] = g[k] * g[k];
        }
        for (int k = 0; k < 9; ++k) add(k, g[k % 3] * static_cast<double>(values[k / 3][c]));
    });
}

// The nine points of the narrow widths. The three profiles of a width serve both axes.
template <class Team>
S2V_STAGE void try_narrow(const Team &team, const float *b, bool whole, FitScratch &scratch, FitStarts &starts) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    constexpr double centre = kWindow / 2;
    constexpr int left = fit_left(kLanes);
    constexpr double widths[kFitNarrow] = {0.3, 0.5, 0.75, 1.1};
    constexpr int bands[kFitNarrow] = {0, 0, 1, 1};
    S2V_ROLLED
    for (int width = 0; width < kFitNarrow; ++width) {
        const double s = widths[width];
        team.for_each(kLanes, [&](int column) {
            const int i = left + column;
            for (int k = 0; k < 3; ++k) {
                const float middle = static_cast<float>(centre + (k - 1) * kFitBox);
                const float g = fit_profile(static_cast<float>(i) - middle, s);
                scratch.narrow_profile(k)[i] = g;
                scratch.term[k][i] = g;
                scratch.weight[k][i] = g * g;
            }
        });
        team.sync();
        sum_data<kLanes, 3>(team, b, fit_reach(s), scratch);
        double y[3];  // <g, g> along one axis
        sum_weights(team, b, whole, fit_reach(s), scratch, fit_columns<kLanes>(team), y);
        double along[9];  // <B, g> and <g, g> of point k = 3 (index of y) + (index of x)
        double norm[9];
        sum_narrow(team, scratch, scratch.data, false, along);
        if (whole)
            for (int k = 0; k < 9; ++k) norm[k] = y[k % 3] * y[k / 3];
        else
            sum_narrow(team, scratch, scratch.weight, true, norm);
        team.sync();
        for (int k = 0; k < 9; ++k)
            offer_start(starts, bands[width], {centre + (k % 3 - 1) * kFitBox, centre + (k / 3 - 1) * kFitBox, s},
                        along[k], norm[k]);
    }
}

// The wide widths, all at once.
template <class Team>
S2V_STAGE void try_wide(const Team &team, const float *b, bool whole, FitScratch &scratch, FitStarts &starts) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    constexpr double centre = kWindow / 2;
    constexpr double widths[kFitWide] = {1.7, 3.0, 6.0, 15.0, 60.0};
    constexpr int bands[kFitWide] = {1, 1, 2, 2, 2};
    team.for_each(kStride, [&](int i) {
        for (int k = 0; k < kFitWide; ++k) {
            const float inside = i < kWindow ? 1.0f : 0.0f;
            const float g = inside * fit_profile(static_cast<float>(i) - static_cast<float>(centre), widths[k]);
            scratch.term[k][i] = g;
            scratch.weight[k][i] = g * g;
        }
    });
    team.sync();
    sum_data<kStride, kFitWide>(team, b, kWindow / 2, scratch);
    double along[kFitWide];
    team.template sums<kFitWide>(kStride, along, [&](int c, auto add) {
        for (int k = 0; k < kFitWide; ++k)
            add(k, static_cast<double>(scratch.term[k][c]) * static_cast<double>(scratch.data[k][c]));
    });
    double norm[kFitWide];
    sum_weights(team, b, whole, kWindow / 2, scratch, fit_columns<kStride>(team), norm);
    if (whole)
        for (double &x : norm) x = x * x;
    else
        team.template sums<kFitWide>(kStride, norm, [&](int c, auto add) {
            for (int k = 0; k < kFitWide; ++k)
                add(k, static_cast<double>(scratch.term[k][c]) * static_cast<double>(scratch.weight[k][c]));
        });
    team.sync();
    for (int k = 0; k < kFitWide; ++k) offer_start(starts, bands[k], {centre, centre, widths[k]}, along[k], norm[k]);
}

// The sum of the squares that a model leaves of b; scratch.profile has the model's profiles along x and y.
template <class Team>
S2V_STAGE double squares_left(const Team &team, const float *b, float amplitude, const FitScratch &scratch) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    const auto left = [&](int i, float height, int c) {
        return is_absent(b[i]) ? 0.0f : b[i] - amplitude * (height * scratch.profile[0][c]);
    };
    if constexpr (Team::kAlone) {  // row by row first: then no loop has to find the row of a pixel
        alignas(64) float kept[kWindowPixels];
        for (int r = 0; r < kWindow; ++r) {
            const float height = scratch.profile[1][r];
            team.for_each(kStride, [&](int c) { kept[r * kStride + c] = left(r * kStride + c, height, c); });
        }
        return team.sum(kWindowPixels,
                        [&](int i) { return static_cast<double>(kept[i]) * static_cast<double>(kept[i]); });
    } else {
        return team.sum(kWindowPixels, [&](int i) {
            const double x = static_cast<double>(left(i, scratch.profile[1][i / kStride], i % kStride));
            return x * x;
        });
    }
}

// Fits b, a plane B with kAbsent where masked, of which `valid` pixels are not.
template <class Team>
S2V_STAGE GaussianFit fit_gaussian(const Team &team, const float *b, int valid, FitScratch &scratch) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    GaussianFit fit = {quiet_nan(), quiet_nan(), quiet_nan(), false};
    if (valid < kFitFewest) return fit;
    const bool whole = valid == kWindow * kWindow;
    team.sync();         // what shares its memory with the scratch may still be read
    FitStarts starts{};  // the surface has several hills
    try_narrow(team, b, whole, scratch, starts);
    try_wide(team, b, whole, scratch, starts);
    FitPoint best_at{};
    FitSums best{};
    for (;;) {
        int top = 0;
        for (int i = 1; i < kFitBands; ++i) top = starts.gain[i] > starts.gain[top] ? i : top;
        if (!(starts.gain[top] > kFitWorth * best.gain)) break;  // after the last, no gain is left
        FitPoint at = starts.at[top];
        FitSums sums;
        fit_from(team, b, whole, at, sums, scratch);
        if (sums.gain > best.gain) {
            best = sums;
            best_at = at;
        }
        starts.gain[top] = 0.0;
    }
    if (!(best.gain > 0.0)) return fit;
    const float a = static_cast<float>(best.amplitude);
    const float x0 = static_cast<float>(best_at.x0);
    const float y0 = static_cast<float>(best_at.y0);
    team.for_each(kStride, [&](int i) {
        scratch.profile[0][i] = fit_profile(static_cast<float>(i) - x0, best_at.s);
        scratch.profile[1][i] = fit_profile(static_cast<float>(i) - y0, best_at.s);
    });
    team.sync();
    fit.amplitude = a;
    fit.scale = static_cast<float>(best_at.s);
    fit.residual = static_cast<float>(squares_left(team, b, a, scratch));
    fit.converged = is_finite(fit.amplitude) && is_finite(fit.residual);
    return fit;
}

}  // namespace
}  // namespace s2v::kernel
