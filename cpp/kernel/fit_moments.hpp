// The sums over a stamp that a fit of a round Gaussian needs, as passes down the columns and along the row.
#pragma once

#include "absent_pixels.hpp"
#include "register_array.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kFitTerms = 5;  // powers 0 to 4 of the distance from the middle

struct FitScratch {
    float profile[2][kStride];         // of g along x
    float term[kFitTerms][kStride];    // by row: what B is multiplied by
    float data[kFitTerms][kStride];    // by column: the sum over the rows of B times its term
    float weight[kFitTerms][kStride];  // by row: what a usable pixel counts; then, by column, the sum of these

    // The profile of the k-th of three narrow models, whose sums leave the last of the data free.
    S2V_HD float *narrow_profile(int k) {
        return k < 2 ? profile[k] : data[kFitTerms - 1];
    }
};

struct FitPoint {
    double x0;
    double y0;
    double s;
};

// The rows and columns from the middle that a model of width s reaches: beyond, g is below 2e-8.
S2V_HD inline int fit_reach(double s) {
    const int reach = static_cast<int>(6.0 * s) + 2;
    return reach < kWindow / 2 ? reach : kWindow / 2;
}

// The sums take kStride columns, or kLanes in the middle where those are all in reach, and then a lane has one.
S2V_HD inline bool fit_is_narrow(double s) {
    return fit_reach(s) < kLanes / 2;
}
S2V_HD constexpr int fit_left(int columns) {
    return columns == kLanes ? kWindow / 2 - kLanes / 2 : 0;
}

S2V_HD inline float fit_profile(float distance, double s) {
    return exp_nonpositive(distance * distance * static_cast<float>(-0.5 / (s * s)));
}

// Sums down the columns, over the rows in reach, of B times K terms.
template <int Columns, int K, class Team>
S2V_PART void sum_data(const Team &team, const float *b, int reach, FitScratch &scratch) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    constexpr int left = fit_left(Columns);
    const int begin = kWindow / 2 - reach;
    const int end = kWindow / 2 + reach + 1;
    team.template for_shares<Columns>([&](auto own) {
        float sum[own.count][K] = {};
        int r = begin;
        S2V_FEW_STEPS
        do {
            for (int i = 0; i < own.count; ++i) {
                const float x = b[r * kStride + left + own[i]];
                for (int k = 0; k < K; ++k) sum[i][k] += x * scratch.term[k][r];
            }
        } while (++r < end);
        for (int k = 0; k < K; ++k)
            for (int i = 0; i < own.count; ++i) scratch.data[k][left + own[i]] = sum[i][k];
    });
    team.sync();
}

// How many columns are summed: on a device a number, so that the code is that of either width, for a kernel has to fit
// into the instruction cache.
struct FitColumns {
    int value;
};
template <int Columns, class Team>
S2V_HD auto fit_columns(const Team &) {
    if constexpr (Team::kAlone)
        return Constant<Columns>();
    else
        return FitColumns{Columns};
}

template <class Team, class Columns>
S2V_HD void sum_data_of(const Team &team, const float *b, int reach, FitScratch &scratch, Columns columns) {
    if (columns.value == kLanes)
        sum_data<kLanes, kFitTerms>(team, b, reach, scratch);
    else
        sum_data<kStride, kFitTerms>(team, b, reach, scratch);
}

// Sums down the columns, over the rows in reach, of K weights of the usable pixels; the weights of the rows are left in
// scratch.term. Where no pixel of b is masked (`whole`) every column has the same sums: those of `total`, and nothing
// is overwritten.
template <int K, class Team, class Columns>
S2V_PART void sum_weights(const Team &team, const float *b, bool whole, int reach, FitScratch &scratch, Columns columns,
                          double (&total)[K]) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    const int left = fit_left(columns.value);
    const int begin = kWindow / 2 - reach;
    const int end = kWindow / 2 + reach + 1;
    if (whole) {
        team.template sums<K>(columns.value, total, [&](int i, auto add) {
            for (int k = 0; k < K; ++k) add(k, static_cast<double>(scratch.weight[k][left + i]));
        });
        return;
    }
    team.for_each(columns.value, [&](int i) {
        for (int k = 0; k < K; ++k) scratch.term[k][left + i] = scratch.weight[k][left + i];
    });
    team.sync();
    team.for_each(columns.value, [&](int i) {
        float sum[K] = {};
        int r = begin;
        S2V_FEW_STEPS
        do {
            const float there = is_absent(b[r * kStride + left + i]) ? 0.0f : 1.0f;
            for (int k = 0; k < K; ++k) sum[k] += there * scratch.term[k][r];
        } while (++r < end);
        for (int k = 0; k < K; ++k) scratch.weight[k][left + i] = sum[k];
    });
    team.sync();
}

// The moments of B and of g itself that a step needs: <B, g dx^i dy^j>, and <g dx^i, g dy^j>, named by their
// powers of dx and dy.
enum BMoment { kB, kBx, kBy, kBxx, kBxy, kByy, kBxrr, kByrr, kBrrrr, kBMoments };
enum GMoment { k00, k10, k01, k20, k11, k02, k30, k21, k12, k03, k40, k22, k04, kGMoments };

struct FitMoments {
    double b[kBMoments];
    double g[kGMoments];
};

template <class Team, class Columns>
S2V_STAGE FitMoments sum_moments(const Team &team, const float *b, bool whole, const FitPoint &at, FitScratch &scratch,
                                 Columns columns) {
    S2V_IN_SCRATCH(b);
    S2V_IN_SCRATCH(&scratch);
    const int left = fit_left(columns.value);
    constexpr int power_x[kGMoments] = {0, 1, 0, 2, 1, 0, 3, 2, 1, 0, 4, 2, 0};
    constexpr int power_y[kGMoments] = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 2, 4};
    const float x0 = static_cast<float>(at.x0);
    const float y0 = static_cast<float>(at.y0);
    const int reach = fit_reach(at.s);
    float *const gx = scratch.profile[0];
    float *const distance = scratch.profile[1];  // from x0
    team.for_each(columns.value, [&](int column) {
        const int i = left + column;
        const float inside = i < kWindow ? 1.0f : 0.0f;
        const float dx = static_cast<float>(i) - x0;
        const float dy = static_cast<float>(i) - y0;
        distance[i] = dx;
        gx[i] = inside * fit_profile(dx, at.s);
        float g = inside * fit_profile(dy, at.s);
        float w = g * g;
        for (int k = 0; k < kFitTerms; ++k) {
            scratch.term[k][i] = g;
            scratch.weight[k][i] = w;
            g = g * dy;
            w = w * dy;
        }
    });
    team.sync();
    sum_data_of(team, b, reach, scratch, columns);
    double y[kFitTerms];
    sum_weights(team, b, whole, reach, scratch, columns, y);
    FitMoments m;
    team.template sums<kBMoments>(columns.value, m.b, [&](int i, auto add) {
        const int c = left + i;
        const double dx = static_cast<double>(distance[c]);
        const double g0 = static_cast<double>(gx[c]);
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
    });
    if (whole) {  // the sums over x and over y part
        double x[kFitTerms];
        team.template sums<kFitTerms>(columns.value, x, [&](int i, auto add) {
            const int c = left + i;
            const double dx = static_cast<double>(distance[c]);
            const double g = static_cast<double>(gx[c]);
            double v = g * g;
            for (int k = 0; k < kFitTerms; ++k) {
                add(k, v);
                v = v * dx;
            }
        });
        for (int k = 0; k < kGMoments; ++k) m.g[k] = x[power_x[k]] * y[power_y[k]];
    } else {
        team.template sums<kGMoments>(columns.value, m.g, [&](int i, auto add) {
            const int c = left + i;
            const double dx = static_cast<double>(distance[c]);
            const double g = static_cast<double>(gx[c]);
            double v[kFitTerms];
            double w[kFitTerms];
            v[0] = g * g;
            for (int k = 1; k < kFitTerms; ++k) v[k] = v[k - 1] * dx;
            for (int k = 0; k < kFitTerms; ++k) w[k] = static_cast<double>(scratch.weight[k][c]);
            for (int k = 0; k < kGMoments; ++k) add(k, v[power_x[k]] * w[power_y[k]]);
        });
    }
    team.sync();
    return m;
}

template <class Team>
S2V_HD FitMoments fit_moments(const Team &team, const float *b, bool whole, const FitPoint &at, FitScratch &scratch) {
    return fit_is_narrow(at.s) ? sum_moments(team, b, whole, at, scratch, fit_columns<kLanes>(team))
                               : sum_moments(team, b, whole, at, scratch, fit_columns<kStride>(team));
}

}  // namespace
}  // namespace s2v::kernel
