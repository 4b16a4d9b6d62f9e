// AMP, SCALE, GAUSS: least squares fit of a round Gaussian A exp(-((x-x0)^2 + (y-y0)^2) / (2 s^2)) to B.
// Source of the model and its bounds: Goldstein et al. 2015, section 3.3, and the released code.
#pragma once

#include "math.hpp"
#include "stamp.hpp"

namespace s2v::kernel {
namespace {

struct GaussianFit {
    float amplitude;
    float scale;
    float residual;  // sum of squared residuals
    bool converged;
};

struct FitScratch {
    float filled[kWindowPixels];  // B, 0 where masked
    float gx[kStride];            // profile along x at the columns, and its distance from x0
    float dx[kStride];
    float gy[kStride];
    float dy[kStride];
    float profile[3][kStride];  // of the first search
    float data[5][kStride];     // per column: sum over y of B gy dy^k
    float weight[5][kStride];   // per column: sum over y of gy^2 dy^k, over the pixels that are not masked
};

struct FitPoint {
    double x0;
    double y0;
    double s;
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

template <class Team>
S2V_HD void fit_profiles(const Team &team, const FitPoint &at, FitScratch &scratch) {
    const float x0 = static_cast<float>(at.x0);
    const float y0 = static_cast<float>(at.y0);
    const float falloff = static_cast<float>(-0.5 / (at.s * at.s));
    team.for_each(kStride, [&](int i) {
        const float dx = static_cast<float>(i) - x0;
        const float dy = static_cast<float>(i) - y0;
        const float inside = i < kWindow ? 1.0f : 0.0f;
        scratch.dx[i] = dx;
        scratch.dy[i] = dy;
        scratch.gx[i] = inside * exp_nonpositive(dx * dx * falloff);
        scratch.gy[i] = inside * exp_nonpositive(dy * dy * falloff);
    });
    team.sync();
}

// Everything that a step needs, at a point.
template <class Team>
S2V_HD FitSums fit_sums(const Team &team, const float *b, bool whole, const FitPoint &at, FitScratch &scratch) {
    fit_profiles(team, at, scratch);
    team.for_each(kStride, [&](int c) {
        for (int k = 0; k < 5; ++k) scratch.data[k][c] = scratch.weight[k][c] = 0.0f;
    });
    for (int r = 0; r < kWindow; ++r) {
        const float *const line = scratch.filled + r * kStride;
        const float dy = scratch.dy[r];
        const float g0 = scratch.gy[r];
        const float g1 = g0 * dy;
        const float g2 = g1 * dy;
        const float g3 = g2 * dy;
        const float g4 = g3 * dy;
        const float w0 = g0 * g0;
        const float w1 = w0 * dy;
        const float w2 = w1 * dy;
        const float w3 = w2 * dy;
        const float w4 = w3 * dy;
        team.for_each(kStride, [&](int c) {
            scratch.data[0][c] += line[c] * g0;
            scratch.data[1][c] += line[c] * g1;
            scratch.data[2][c] += line[c] * g2;
            scratch.data[3][c] += line[c] * g3;
            scratch.data[4][c] += line[c] * g4;
        });
        if (whole)
            team.for_each(kStride, [&](int c) {
                scratch.weight[0][c] += w0;
                scratch.weight[1][c] += w1;
                scratch.weight[2][c] += w2;
                scratch.weight[3][c] += w3;
                scratch.weight[4][c] += w4;
            });
        else
            team.for_each(kStride, [&](int c) {
                const float x = b[r * kStride + c];
                const float there = x == x ? 1.0f : 0.0f;
                scratch.weight[0][c] += there * w0;
                scratch.weight[1][c] += there * w1;
                scratch.weight[2][c] += there * w2;
                scratch.weight[3][c] += there * w3;
                scratch.weight[4][c] += there * w4;
            });
    }
    team.sync();
    // kB and so on: <B, g dx^i dy^j>; k00 and so on: <g dx^i, g dy^j>.
    enum {
        kB,
        kBx,
        kBy,
        kBxx,
        kBxy,
        kByy,
        kBxrr,
        kByrr,
        kBrrrr,
        k00,
        k10,
        k01,
        k20,
        k11,
        k02,
        k30,
        k21,
        k12,
        k03,
        k40,
        k22,
        k04,
        kSums
    };
    double t[kSums];
    team.template sums<kSums>(kStride, t, [&](int c, auto add) {
        const double dx = static_cast<double>(scratch.dx[c]);
        const double g0 = static_cast<double>(scratch.gx[c]);
        const double g1 = g0 * dx;
        const double g2 = g1 * dx;
        const double d0 = static_cast<double>(scratch.data[0][c]);
        const double d1 = static_cast<double>(scratch.data[1][c]);
        const double d2 = static_cast<double>(scratch.data[2][c]);
        add(kB, g0 * d0);
        add(kBx, g1 * d0);
        add(kBy, g0 * d1);
        add(kBxx, g2 * d0);
        add(kBxy, g1 * d1);
        add(kByy, g0 * d2);
        add(kBxrr, g2 * dx * d0 + g1 * d2);
        add(kByrr, g2 * d1 + g0 * static_cast<double>(scratch.data[3][c]));
        add(kBrrrr, g2 * (dx * dx * d0 + 2.0 * d2) + g0 * static_cast<double>(scratch.data[4][c]));
        const double v0 = g0 * g0;
        const double v1 = v0 * dx;
        const double v2 = v1 * dx;
        const double v3 = v2 * dx;
        const double w0 = static_cast<double>(scratch.weight[0][c]);
        const double w1 = static_cast<double>(scratch.weight[1][c]);
        const double w2 = static_cast<double>(scratch.weight[2][c]);
        add(k00, v0 * w0);
        add(k10, v1 * w0);
        add(k01, v0 * w1);
        add(k20, v2 * w0);
        add(k11, v1 * w1);
        add(k02, v0 * w2);
        add(k30, v3 * w0);
        add(k21, v2 * w1);
        add(k12, v1 * w2);
        add(k03, v0 * static_cast<double>(scratch.weight[3][c]));
        add(k40, v3 * dx * w0);
        add(k22, v2 * w2);
        add(k04, v0 * static_cast<double>(scratch.weight[4][c]));
    });
    FitSums sums{};
    const double norm = t[k00];
    const double a = norm > 0.0 ? t[kB] / norm : 0.0;
    if (a == 0.0) return sums;
    sums.amplitude = a;
    sums.gain = t[kB] * a;
    sums.norm = norm;
    const double rr = t[k20] + t[k02];
    const double xrr = t[k30] + t[k12];
    const double yrr = t[k21] + t[k03];
    const double rrrr = t[k40] + 2.0 * t[k22] + t[k04];
    sums.slope[0] = t[kBx] - a * t[k10];
    sums.slope[1] = t[kBy] - a * t[k01];
    sums.slope[2] = t[kBxx] + t[kByy] - a * rr;
    sums.gauss[0] = t[k20] - t[k10] * t[k10] / norm;
    sums.gauss[1] = t[k02] - t[k01] * t[k01] / norm;
    sums.gauss[2] = rrrr - rr * rr / norm;
    // <g t_i, g t_j> - <r, second derivative of g> / A, and the same with A for one of the two.
    const double s2 = at.s * at.s;
    const double with_a[3] = {t[k10] - sums.slope[0] / a, t[k01] - sums.slope[1] / a, rr - sums.slope[2] / a};
    sums.curvature[0] = t[k20] - (t[kBxx] - a * t[k20]) / a - with_a[0] * with_a[0] / norm;
    sums.curvature[1] = t[k11] - (t[kBxy] - a * t[k11]) / a - with_a[0] * with_a[1] / norm;
    sums.curvature[2] = xrr - (t[kBxrr] - a * xrr - 2.0 * s2 * sums.slope[0]) / a - with_a[0] * with_a[2] / norm;
    sums.curvature[3] = t[k02] - (t[kByy] - a * t[k02]) / a - with_a[1] * with_a[1] / norm;
    sums.curvature[4] = yrr - (t[kByrr] - a * yrr - 2.0 * s2 * sums.slope[1]) / a - with_a[1] * with_a[2] / norm;
    sums.curvature[5] = rrrr - (t[kBrrrr] - a * rrrr - 3.0 * s2 * sums.slope[2]) / a - with_a[2] * with_a[2] / norm;
    return sums;
}

// Solves for the Newton step of the unknowns that are free, the diagonal raised by `damping`. False where the matrix
// is not positive definite.
S2V_HD inline bool solve_step(const FitSums &sums, double damping, const bool (&free)[3], double (&step)[3]) {
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
S2V_HD void fit_from(const Team &team, const float *b, bool whole, FitPoint &at, FitSums &sums, FitScratch &scratch) {
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

// Where the search looks first: these widths in pixels, each at nine points, the centre of the window among them.
inline constexpr int kFitWidths = 14;

S2V_HD inline double fit_width(int i) {
    constexpr double widths[kFitWidths] = {0.25, 0.25, 0.4, 0.55, 0.75, 1.0, 1.4, 2.0, 3.0, 5.0, 8.0, 14.0, 25.0, 60.0};
    return widths[i];
}

// The narrowest is tried at two distances: near the edge of the box it straddles pixels.
S2V_HD inline double fit_aside(int i) {
    return i == 0 ? 0.45 : 0.25;
}

// The best of the nine points of a width, and its gain. The three profiles serve both axes. `whole`: no pixel of b is
// masked, so every column has the same weights.
template <class Team>
S2V_HD double best_of_nine(const Team &team, const float *b, bool whole, int width, FitPoint &at, FitScratch &scratch) {
    constexpr double centre = kWindow / 2;
    const double s = fit_width(width);
    const double aside = fit_aside(width);
    const float falloff = static_cast<float>(-0.5 / (s * s));
    for (int k = 0; k < 3; ++k) {
        const float middle = static_cast<float>(centre + (k - 1) * aside);
        team.for_each(kStride, [&](int i) {
            const float d = static_cast<float>(i) - middle;
            scratch.profile[k][i] = (i < kWindow ? 1.0f : 0.0f) * exp_nonpositive(d * d * falloff);
            scratch.data[k][i] = scratch.weight[k][i] = 0.0f;
        });
    }
    team.sync();
    for (int r = 0; r < kWindow; ++r) {
        const float *const line = scratch.filled + r * kStride;
        const float g0 = scratch.profile[0][r];
        const float g1 = scratch.profile[1][r];
        const float g2 = scratch.profile[2][r];
        team.for_each(kStride, [&](int c) {
            scratch.data[0][c] += line[c] * g0;
            scratch.data[1][c] += line[c] * g1;
            scratch.data[2][c] += line[c] * g2;
        });
        if (whole)
            team.for_each(kStride, [&](int c) {
                scratch.weight[0][c] += g0 * g0;
                scratch.weight[1][c] += g1 * g1;
                scratch.weight[2][c] += g2 * g2;
            });
        else
            team.for_each(kStride, [&](int c) {
                const float x = b[r * kStride + c];
                const float there = x == x ? 1.0f : 0.0f;
                scratch.weight[0][c] += there * (g0 * g0);
                scratch.weight[1][c] += there * (g1 * g1);
                scratch.weight[2][c] += there * (g2 * g2);
            });
    }
    team.sync();
    double total[18];
    team.template sums<18>(kStride, total, [&](int c, auto add) {
        for (int k = 0; k < 9; ++k) {
            const double g = static_cast<double>(scratch.profile[k % 3][c]);
            add(2 * k, g * static_cast<double>(scratch.data[k / 3][c]));
            add(2 * k + 1, g * g * static_cast<double>(scratch.weight[k / 3][c]));
        }
    });
    double best = 0.0;
    for (int k = 0; k < 9; ++k) {
        const double gain = total[2 * k + 1] > 0.0 ? total[2 * k] * total[2 * k] / total[2 * k + 1] : 0.0;
        if (gain > best) {
            best = gain;
            at = {centre + (k % 3 - 1) * aside, centre + (k / 3 - 1) * aside, s};
        }
    }
    return best;
}

// Fits b, a plane B with NaN where masked, of which `valid` pixels are not.
template <class Team>
S2V_HD GaussianFit fit_gaussian(const Team &team, const float *b, int valid, FitScratch &scratch) {
    GaussianFit fit = {quiet_nan(), quiet_nan(), quiet_nan(), false};
    if (valid < kFitFewest) return fit;
    const bool whole = valid == kWindow * kWindow;
    team.for_each(kWindowPixels, [&](int i) { scratch.filled[i] = b[i] == b[i] ? b[i] : 0.0f; });
    team.sync();
    // The surface has several hills. Those along the width are climbed from the best of the points around the centre.
    FitPoint start[kFitWidths];
    double gain[kFitWidths];
    for (int i = 0; i < kFitWidths; ++i) gain[i] = best_of_nine(team, b, whole, i, start[i], scratch);
    FitPoint best_at{};
    FitSums best{};
    for (int i = 0; i < kFitWidths; ++i) {
        const bool hill = gain[i] > (i > 0 ? gain[i - 1] : 0.0) && (i + 1 == kFitWidths || gain[i] >= gain[i + 1]);
        if (!hill) continue;
        FitPoint at = start[i];
        FitSums sums;
        fit_from(team, b, whole, at, sums, scratch);
        if (sums.gain > best.gain) {
            best = sums;
            best_at = at;
        }
    }
    if (!(best.gain > 0.0)) return fit;
    fit_profiles(team, best_at, scratch);
    const float a = static_cast<float>(best.amplitude);
    const double residual = team.sum(kWindowPixels, [&](int i) {
        const float model = a * (scratch.gy[i / kStride] * scratch.gx[i % kStride]);
        const float left = b[i] == b[i] ? b[i] - model : 0.0f;
        return static_cast<double>(left) * static_cast<double>(left);
    });
    fit.amplitude = a;
    fit.scale = static_cast<float>(best_at.s);
    fit.residual = static_cast<float>(residual);
    fit.converged = is_finite(fit.amplitude) && is_finite(fit.residual);
    return fit;
}

}  // namespace
}  // namespace s2v::kernel
