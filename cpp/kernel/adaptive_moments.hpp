// Adaptive second moments of a source: those under an elliptical Gaussian weight of the source's own shape.
// Source: Bernstein & Jarvis 2002, AJ 123, 583; Hirata & Seljak 2003, MNRAS 343, 459.
#pragma once

#include "noise_plane.hpp"

namespace s2v::kernel {
namespace {

// Second moments, in square pixels.
struct Moments {
    double xx;
    double xy;
    double yy;
};

// The fixed point M = 2 <xx w> / <w>, w = exp(-x M^-1 x / 2), x from the centroid under w.
struct AdaptiveMoments {
    bool converged;
    double x;  // the centroid, in columns and rows from the candidate's pixel
    double y;
    Moments m;
};

inline constexpr double kMomentsStart = 2.0;       // sigma of the first weight, in pixels
inline constexpr double kMomentsNarrowest = 0.3;   // sigma below which a source is one pixel
inline constexpr double kMomentsWidest = 10.0;     // and above which it fills the core
inline constexpr double kMomentsFarthest = 6.0;    // of the centroid from the start, in pixels
inline constexpr double kMomentsReach = 5.5;       // rows beyond so many sigma have weights below 3e-7
inline constexpr double kMomentsTolerance = 1e-6;  // of the last step, as a share of the size
inline constexpr int kMomentsRounds = 50;

S2V_HD inline double determinant(const Moments &m) {
    return m.xx * m.yy - m.xy * m.xy;
}

S2V_HD inline bool is_positive(const Moments &m) {
    return m.xx > 0.0 && m.yy > 0.0 && determinant(m) > 0.0;
}

// sqrt(a b) of the ellipse with semi-axes a and b.
S2V_HD inline double moments_sigma(const Moments &m) {
    return square_root(square_root(determinant(m)));
}

S2V_HD inline Moments inverse(const Moments &m) {
    const double d = determinant(m);
    return {m.yy / d, -m.xy / d, m.xx / d};
}

// An elliptical Gaussian of height 1 on the pixels of a core, in float32.
struct EllipticalGaussian {
    float x;
    float y;
    float xx;  // of -M^-1 / 2
    float xy;  // twice
    float yy;

    S2V_HD EllipticalGaussian(double x0, double y0, const Moments &m) {
        const Moments i = inverse(m);
        x = static_cast<float>(x0 + kCoreColumn);
        y = static_cast<float>(y0 + kCoreRow);
        xx = static_cast<float>(-0.5 * i.xx);
        xy = static_cast<float>(-i.xy);
        yy = static_cast<float>(-0.5 * i.yy);
    }
    // -rho^2 / 2, rho the distance in units of the ellipse.
    S2V_HD float exponent(float dx, float dy) const {
        return (xx * dx + xy * dy) * dx + yy * dy * dy;
    }
};

// The rows of a core that a weight reaches.
struct Rows {
    int begin;
    int end;
};

S2V_HD inline Rows reached_rows(double y, const Moments &m) {
    const double reach = kMomentsReach * square_root(m.yy) + 1.0;
    const int begin = static_cast<int>(kCoreRow + y - reach);  // both are far below 2^31, and above 0 where it matters
    const int end = static_cast<int>(kCoreRow + y + reach) + 1;
    return {begin > 0 ? begin : 0, end < kCoreRows ? end : kCoreRows};
}

// sum of w I times 1, x, y, xx, xy, yy.
template <class Team>
S2V_STAGE void weighted_sums(const Team &team, const float *core, const AdaptiveMoments &at, double (&total)[6]) {
    const EllipticalGaussian g(at.x, at.y, at.m);
    const Rows rows = reached_rows(at.y, at.m);
    const float *const part = core + rows.begin * kCoreStride;
    team.template sums<6>((rows.end - rows.begin) * kCoreStride, total, [&](int i, auto add) {
        const float dx = static_cast<float>(i % kCoreStride) - g.x;
        const float dy = static_cast<float>(rows.begin + i / kCoreStride) - g.y;
        const float pixel = part[i] == part[i] ? part[i] : 0.0f;
        const double x = static_cast<double>(dx);
        const double y = static_cast<double>(dy);
        const double value = static_cast<double>(exp_nonpositive(g.exponent(dx, dy)) * pixel);
        const double value_x = value * x;
        const double value_y = value * y;
        add(0, value);
        add(1, value_x);
        add(2, value_y);
        add(3, value_x * x);
        add(4, value_x * y);
        add(5, value_y * y);
    });
}

// The next M. Where both the source and the weight w are Gaussian, so is their product, and taking w out of what was
// measured gives the source at once; elsewhere it converges far sooner than M = 2 measured, its safe substitute.
S2V_HD inline Moments next_moments(const Moments &measured, const Moments &weight) {
    const Moments doubled = {2.0 * measured.xx, 2.0 * measured.xy, 2.0 * measured.yy};
    if (!is_positive(measured)) return doubled;
    const Moments a = inverse(measured);
    const Moments b = inverse(weight);
    const Moments rest = {a.xx - b.xx, a.xy - b.xy, a.yy - b.yy};
    if (!is_positive(rest)) return doubled;
    const Moments next = inverse(rest);
    const double growth = determinant(next) / determinant(weight);
    return growth > 1.0 / 16.0 && growth < 16.0 ? next : doubled;
}

S2V_HD inline bool is_close(double a, double b, double tolerance) {
    return absolute(a - b) < tolerance;
}

// Of the source in the middle of a core; masked pixels count nowhere.
template <class Team>
S2V_HD AdaptiveMoments adaptive_moments(const Team &team, const float *core) {
    constexpr double start = kMomentsStart * kMomentsStart;
    AdaptiveMoments at = {false, 0.0, 0.0, {start, 0.0, start}};
    for (int round = 0; round < kMomentsRounds; ++round) {
        double total[6];
        weighted_sums(team, core, at, total);
        if (!(total[0] > 0.0)) return at;
        const double x = total[1] / total[0];
        const double y = total[2] / total[0];
        const Moments measured = {total[3] / total[0] - x * x, total[4] / total[0] - x * y,
                                  total[5] / total[0] - y * y};
        AdaptiveMoments next = {false, at.x + 2.0 * x, at.y + 2.0 * y, next_moments(measured, at.m)};
        if (!is_positive(next.m)) return at;
        const double sigma = moments_sigma(next.m);
        if (!(sigma > kMomentsNarrowest && sigma < kMomentsWidest)) return at;
        if (!(next.x * next.x + next.y * next.y < kMomentsFarthest * kMomentsFarthest)) return at;
        const double size = kMomentsTolerance * sigma;
        const double area = kMomentsTolerance * (next.m.xx + next.m.yy);
        next.converged = is_close(next.x, at.x, size) && is_close(next.y, at.y, size) &&
                         is_close(next.m.xx, at.m.xx, area) && is_close(next.m.xy, at.m.xy, area) &&
                         is_close(next.m.yy, at.m.yy, area);
        at = next;
        if (at.converged) return at;
    }
    return at;
}

// <rho^4 w> / <w>; 2 for a Gaussian.
template <class Team>
S2V_STAGE double moments_kurtosis(const Team &team, const float *core, const AdaptiveMoments &at) {
    const EllipticalGaussian g(at.x, at.y, at.m);
    const Rows rows = reached_rows(at.y, at.m);
    const float *const part = core + rows.begin * kCoreStride;
    double total[2];
    team.template sums<2>((rows.end - rows.begin) * kCoreStride, total, [&](int i, auto add) {
        const float dx = static_cast<float>(i % kCoreStride) - g.x;
        const float dy = static_cast<float>(rows.begin + i / kCoreStride) - g.y;
        const float exponent = g.exponent(dx, dy);
        const double value = static_cast<double>(exp_nonpositive(exponent) * (part[i] == part[i] ? part[i] : 0.0f));
        const double rho2 = -2.0 * static_cast<double>(exponent);
        add(0, value);
        add(1, value * rho2 * rho2);
    });
    return total[1] / total[0];
}

}  // namespace
}  // namespace s2v::kernel
