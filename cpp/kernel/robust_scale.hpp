// The scales of a plane that need no rejection: the median and the MAD, the extremes, and the norm.
#pragma once

#include "order.hpp"
#include "quantile.hpp"

namespace s2v::kernel {
namespace {

// The median, and 1.4826 times the median absolute deviation from it.
template <class Team>
S2V_STAGE Scaling median_mad_scaling(const Team &team, const float *x, int n, int valid) {
    const double centre = exact_median(team, n, valid, 0, valid, PlaneValues{x});
    // In two parts: under a bright sky, half a unit in the last place of the median is much of the noise.
    const float most = static_cast<float>(centre);
    const float rest = static_cast<float>(centre - static_cast<double>(most));
    const double mad = exact_median(team, n, valid, 0, valid, PlaneDeviations{x, most, rest});
    return {centre, static_cast<double>(kMadToSigma) * mad};
}

// The smallest value and the range.
template <class Team>
S2V_STAGE Scaling min_max_scaling(const Team &team, const float *x, int n) {
    const double smallest = static_cast<double>(team.min(n, kInfinity, [&](int i) { return x[i]; })) + 0.0;
    return {smallest, static_cast<double>(team.max(n, -kInfinity, [&](int i) { return x[i]; })) - smallest};
}

// The norm.
template <class Team>
S2V_STAGE Scaling l2_scaling(const Team &team, const float *x, int n, int usable) {
    if (usable == n)
        return {0.0,
                square_root(team.sum(n, [&](int i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); }))};
    const double square = team.sum(n, [&](int i) {
        const double value = x[i] == x[i] ? static_cast<double>(x[i]) : 0.0;
        return value * value;
    });
    return {0.0, square_root(square)};
}

}  // namespace
}  // namespace s2v::kernel
