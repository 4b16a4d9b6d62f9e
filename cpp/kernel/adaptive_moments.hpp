// The adaptive moments of a core: the centroid and the second moments of its pixels under an elliptical Gaussian that
// has that centre and these moments. Sources: Bernstein & Jarvis 2002, AJ 123, 583; Hirata & Seljak 2003, MNRAS 343,
// 459.
//
// The rounds end where GalSim's do, but there are fewer of them: a round takes the pixels for a Gaussian, for which it
// is exact, and the next is extrapolated from the last three (Anderson 1965, J. ACM 12, 547).
#pragma once

#include "noise_plane.hpp"

namespace s2v::kernel {
namespace {

inline constexpr double kFirstMoment = 4.0;      // the first weight is round, of 2 px
inline constexpr double kSmallestMoment = 0.09;  // axes are between 0.3 and 10 px
inline constexpr double kLargestMoment = 100.0;
inline constexpr double kCentroidReach = 6.0;  // from the middle of the core
inline constexpr double kMomentTolerance = 1e-7;
inline constexpr double kBoldestStep = 0.25;  // of the minor axis, where pixels are unlike a Gaussian
inline constexpr double kBoldestGrowth = 16.0;
inline constexpr double kLinearResidual = 1.0;  // steps are extrapolated below
inline constexpr int kMomentRounds = 30;
inline constexpr double kWeightReach = 6.0;  // rows further from the centroid than that many sigma count for nothing

// Moments are measured on the middle columns of a core. Its rows have rows of 0 above and below them, so that a weight
// may reach as far to either side.
inline constexpr int kMomentReach = 12;
inline constexpr int kMomentMargin = 12;
inline constexpr int kMomentPowers = 5;  // of a distance: 0 to 4
inline constexpr int kMomentRows = kCoreRows + 2 * kMomentMargin;

// Second moments, in square pixels.
struct Moments {
    double xx;
    double xy;
    double yy;
};

// A weight: its centre, in columns and rows from the candidate's pixel, and its second moments.
struct MomentState {
    double x;
    double y;
    Moments m;
};

// The fixed point M = 2 <xx w> / <w>, w = exp(-x M^-1 x / 2), x from the centroid under w.
struct AdaptiveMoments {
    bool converged;
    MomentState at;
};

struct MomentScratch {
    alignas(64) float pixel[kMomentRows * kCoreStride];  // 0 where masked
    // By column: the weight in the middle row, the factors from there to the next row below and above, and the sums
    // over the rows of the weighted pixels times the powers of the distance from the middle row.
    alignas(64) double middle[kCoreStride];
    alignas(64) double below[kCoreStride];
    alignas(64) double above[kCoreStride];
    alignas(64) double sum[kMomentPowers][kCoreStride];
};

S2V_HD inline double determinant(const Moments &m) {
    return m.xx * m.yy - m.xy * m.xy;
}
S2V_HD inline Moments inverse(const Moments &m) {
    const double d = determinant(m);
    return {m.yy / d, -m.xy / d, m.xx / d};
}
S2V_HD inline bool is_positive(const Moments &m) {
    return m.xx > 0.0 && determinant(m) > 0.0;
}

// sqrt(a b) of the ellipse with semi-axes a and b.
S2V_PART inline double moments_sigma(const Moments &m) {
    return square_root(square_root(determinant(m)));
}

// The squares of the semi-axes.
struct MomentAxes {
    double major;
    double minor;
};

S2V_HD inline MomentAxes moment_axes(const Moments &m) {
    const double skew = 0.5 * (m.xx - m.yy);
    const double major = 0.5 * (m.xx + m.yy) + square_root(skew * skew + m.xy * m.xy);
    const double minor = determinant(m) / major;
    return {major, minor < major ? minor : major};
}

// True where the state may be that of a source; NaN is not.
S2V_HD inline bool in_bounds(const MomentState &state) {
    const MomentAxes axes = moment_axes(state.m);
    return state.x * state.x + state.y * state.y <= kCentroidReach * kCentroidReach && axes.major <= kLargestMoment &&
           axes.minor >= kSmallestMoment;
}

template <class Team>
S2V_STAGE void fill_moment_pixels(const Team &team, const float *core, MomentScratch &scratch) {
    S2V_IN_SCRATCH(core);
    S2V_IN_SCRATCH(&scratch);
    team.sync();  // the scratch may still be read
    team.for_each(kMomentMargin * kCoreStride, [&](int i) {
        scratch.pixel[i] = 0.0f;
        scratch.pixel[(kMomentMargin + kCoreRows) * kCoreStride + i] = 0.0f;
    });
    for (int r = 0; r < kCoreRows; ++r)
        team.for_each(kCoreStride, [&](int c) {
            const float x = core[r * kCoreStride + c];
            const bool usable = x == x && c >= kCoreColumn - kMomentReach && c <= kCoreColumn + kMomentReach;
            scratch.pixel[(kMomentMargin + r) * kCoreStride + c] = usable ? x : 0.0f;
        });
    team.sync();
}

// Sums down the columns the pixels under the weight, times the first K powers of the distance from the row in the
// middle, and returns how far that is from the centre. From row to row the weight changes by a factor, and that by
// another, which is the same everywhere.
template <int K, class Team>
S2V_STAGE double sum_weighted_columns(const Team &team, const MomentState &state, MomentScratch &scratch) {
    S2V_IN_SCRATCH(&scratch);
    const Moments i = inverse(state.m);
    const double x0 = kCoreColumn + state.x;
    const double y0 = kCoreRow + state.y;
    const int middle = static_cast<int>(y0 + 0.5);
    const double offset = middle - y0;
    const double change = exponential(-i.yy);
    const double half_change = exponential(-0.5 * i.yy);
    team.for_each(kCoreStride, [&](int c) {
        const double dx = c - x0;
        const double slope = i.xy * dx + i.yy * offset;
        const double square = i.xx * dx * dx + (i.xy * dx + slope) * offset;
        const double factor = exponential(-slope);
        scratch.middle[c] = exponential(-0.5 * square);
        scratch.below[c] = factor * half_change;
        scratch.above[c] = half_change / factor;
    });
    const int reach = static_cast<int>(kWeightReach * square_root(state.m.yy)) + 1;
    const int furthest = middle > kCoreRow ? middle : kCoreRows - 1 - middle;
    const int rows = reach < furthest ? reach : furthest;
    const float *const line = scratch.pixel + (kMomentMargin + middle) * kCoreStride;
    team.for_each(kCoreStride, [&](int c) {
        double low = scratch.middle[c];
        double high = low;
        double to_lower = scratch.below[c];
        double to_higher = scratch.above[c];
        double sum[K] = {low * static_cast<double>(line[c])};
        int k = 1;
        do {
            low *= to_lower;
            high *= to_higher;
            to_lower *= change;
            to_higher *= change;
            const double lower = low * static_cast<double>(line[k * kCoreStride + c]);
            const double higher = high * static_cast<double>(line[c - k * kCoreStride]);
            const double even = lower + higher;
            const double odd = lower - higher;
            const double distance = k;
            double power = 1.0;
            for (int n = 0; n < K; ++n) {
                sum[n] += (n % 2 ? odd : even) * power;
                power *= distance;
            }
        } while (++k <= rows);
        for (int n = 0; n < K; ++n) scratch.sum[n][c] = sum[n];
    });
    return offset;
}

// The sums of the pixels under a weight: of themselves, and times the distances from its centre.
struct WeightedSums {
    double flux;
    double x;
    double y;
    double xx;
    double xy;
    double yy;
};

template <class Team>
S2V_STAGE WeightedSums weighted_sums(const Team &team, const MomentState &state, MomentScratch &scratch) {
    S2V_IN_SCRATCH(&scratch);
    const double offset = sum_weighted_columns<3>(team, state, scratch);
    const double x0 = kCoreColumn + state.x;
    double total[6];
    team.template sums<6>(kCoreStride, total, [&](int c, auto add) {
        const double dx = c - x0;
        const double x = scratch.sum[0][c] * dx;
        add(0, scratch.sum[0][c]);
        add(1, x);
        add(2, x * dx);
        add(3, scratch.sum[1][c]);
        add(4, scratch.sum[1][c] * dx);
        add(5, scratch.sum[2][c]);
    });
    const double y = total[3] + offset * total[0];
    return {total[0], total[1], y, total[2], total[4] + offset * total[1], total[5] + offset * (total[3] + y)};
}

S2V_HD inline double bounded(double x, double bound) {
    return x > bound ? bound : x < -bound ? -bound : x;
}

struct MomentStep {
    MomentState next;
    double residual;  // how far the state is from a fixed point, relative
    bool trusted;     // the pixels were taken for a Gaussian
};

// The state after one under which the sums were taken: the Gaussian that would give these sums, or a short step towards
// the fixed point where there is none near.
S2V_PART inline MomentStep moment_step(const MomentState &state, const WeightedSums &sums) {
    const Moments &m = state.m;
    const double size = m.xx + m.yy;
    const double x = sums.x / sums.flux;
    const double y = sums.y / sums.flux;
    const Moments measured = {sums.xx / sums.flux, sums.xy / sums.flux, sums.yy / sums.flux};
    const Moments rise = {2.0 * measured.xx - m.xx, 2.0 * measured.xy - m.xy, 2.0 * measured.yy - m.yy};
    const double residual =
        square_root((x * x + y * y) / size) + (absolute(rise.xx) + absolute(rise.xy) + absolute(rise.yy)) / size;

    // Both a Gaussian source and the weight give a Gaussian product, from which the weight is taken out again.
    const Moments product = {measured.xx - x * x, measured.xy - x * y, measured.yy - y * y};
    const Moments a = inverse(product);
    const Moments b = inverse(m);
    const Moments rest = {a.xx - b.xx, a.xy - b.xy, a.yy - b.yy};
    const Moments source = inverse(rest);
    const double pull_x = a.xx * x + a.xy * y;
    const double pull_y = a.xy * x + a.yy * y;
    const double shift_x = source.xx * pull_x + source.xy * pull_y;
    const double shift_y = source.xy * pull_x + source.yy * pull_y;
    const double growth = determinant(source) / determinant(m);
    if (is_positive(product) && is_positive(rest) && growth < kBoldestGrowth && growth * kBoldestGrowth > 1.0 &&
        shift_x * shift_x + shift_y * shift_y < size)
        return {{state.x + shift_x, state.y + shift_y, source}, residual, true};

    const double minor = moment_axes(m).minor;
    const double bound = kBoldestStep * minor;
    const double bound_of_shift = kBoldestStep * square_root(minor);
    return {{state.x + bounded(2.0 * x, bound_of_shift),
             state.y + bounded(2.0 * y, bound_of_shift),
             {m.xx + bounded(2.0 * rise.xx, bound), m.xy + bounded(2.0 * rise.xy, bound),
              m.yy + bounded(2.0 * rise.yy, bound)}},
            residual,
            false};
}

// The last states and steps, as differences from each to the next.
struct MomentHistory {
    int differences;  // how many are known, at most 2
    bool known;       // step and next are
    MomentState step;
    MomentState next;
    MomentState step_change[2];  // the latest first
    MomentState next_change[2];
};

S2V_HD inline double dot(const MomentState &a, const MomentState &b) {
    return (a.x * b.x + a.y * b.y) + ((a.m.xx * b.m.xx + a.m.yy * b.m.yy) + a.m.xy * b.m.xy);
}
// a - factor * b
S2V_HD inline MomentState subtract(const MomentState &a, double factor, const MomentState &b) {
    return {a.x - factor * b.x,
            a.y - factor * b.y,
            {a.m.xx - factor * b.m.xx, a.m.xy - factor * b.m.xy, a.m.yy - factor * b.m.yy}};
}

// The state at which the steps so far would vanish, were they linear.
S2V_HD inline MomentState extrapolate(const MomentHistory &history) {
    const MomentState &last = history.step_change[0];
    const double a = dot(last, last);
    const double p = dot(last, history.step);
    if (history.differences > 1) {
        const MomentState &first = history.step_change[1];
        const double b = dot(last, first);
        const double c = dot(first, first);
        const double q = dot(first, history.step);
        const double d = a * c - b * b;
        if (d > 1e-12 * (a * c))
            return subtract(subtract(history.next, (p * c - q * b) / d, history.next_change[0]), (a * q - b * p) / d,
                            history.next_change[1]);
    }
    return subtract(history.next, p / a, history.next_change[0]);
}

// The state of the next round.
S2V_PART inline MomentState next_moments(const MomentState &state, const MomentStep &step, MomentHistory &history) {
    if (!step.trusted) {
        history = MomentHistory{};
        return step.next;
    }
    const MomentState own = subtract(step.next, 1.0, state);
    if (history.known) {
        history.step_change[1] = history.step_change[0];
        history.next_change[1] = history.next_change[0];
        history.step_change[0] = subtract(own, 1.0, history.step);
        history.next_change[0] = subtract(step.next, 1.0, history.next);
        if (history.differences < 2) ++history.differences;
    }
    history.known = true;
    history.step = own;
    history.next = step.next;
    if (history.differences == 0 || !(step.residual < kLinearResidual)) return step.next;
    const MomentState far = extrapolate(history);
    const MomentState leap = subtract(far, 1.0, step.next);
    const double growth = determinant(far.m) / determinant(state.m);
    if (in_bounds(far) && growth < 4.0 && growth > 0.25 && leap.x * leap.x + leap.y * leap.y < state.m.xx + state.m.yy)
        return far;
    history.differences = 0;
    return step.next;
}

// Of the source in the middle of a core; masked pixels count nowhere.
template <class Team>
S2V_PART AdaptiveMoments adaptive_moments(const Team &team, const float *core, MomentScratch &scratch) {
    fill_moment_pixels(team, core, scratch);
    MomentState state{0.0, 0.0, {kFirstMoment, 0.0, kFirstMoment}};
    MomentHistory history{};
    for (int round = 0; round < kMomentRounds; ++round) {
        const WeightedSums sums = weighted_sums(team, state, scratch);
        if (!(sums.flux > 0.0)) break;
        const MomentStep step = moment_step(state, sums);
        state = next_moments(state, step, history);
        if (!in_bounds(state)) break;
        if (step.residual < kMomentTolerance) return {true, state};
    }
    return {false, state};
}

// <rho^4 w> / <w>, rho^2 = x M^-1 x, of the core whose moments were measured last; 2 for a Gaussian.
template <class Team>
S2V_STAGE double moments_kurtosis(const Team &team, const MomentState &state, MomentScratch &scratch) {
    S2V_IN_SCRATCH(&scratch);
    const double offset = sum_weighted_columns<5>(team, state, scratch);
    const Moments i = inverse(state.m);
    const double x0 = kCoreColumn + state.x;
    double total[2];
    team.template sums<2>(kCoreStride, total, [&](int c, auto add) {
        const double dx = c - x0;
        // rho^2 of a column is a + b k + c k^2, k the distance from the middle row
        const double slope = i.xy * dx + i.yy * offset;
        const double at = i.xx * dx * dx + (i.xy * dx + slope) * offset;
        const double rise = 2.0 * slope;
        const double fourth =
            (at * at * scratch.sum[0][c] + 2.0 * at * rise * scratch.sum[1][c]) +
            ((rise * rise + 2.0 * at * i.yy) * scratch.sum[2][c] + 2.0 * rise * i.yy * scratch.sum[3][c]) +
            i.yy * i.yy * scratch.sum[4][c];
        add(0, scratch.sum[0][c]);
        add(1, fourth);
    });
    return total[1] / total[0];
}

}  // namespace
}  // namespace s2v::kernel
