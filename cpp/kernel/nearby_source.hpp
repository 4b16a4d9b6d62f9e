// What the template has where the difference is, and near it.
#pragma once

#include "circle.hpp"
#include "peak.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kNearbyReach = 9;

// The brightest pixel q of the template near the candidate.
template <class Team>
S2V_STAGE Peak brightest_nearby(const Team &team, const float *core) {
    S2V_IN_SCRATCH(core);
    return find_peak(team, core, kNearbyReach,
                     [](int dy, int dx) { return dy * dy + dx * dx <= kNearbyReach * kNearbyReach; });
}

// Length of the gradient at the candidate by Sobel's filter / 8; masked pixels count as 0.
S2V_PART inline double sobel_gradient(const float *core) {
    const auto pixel = [&](int dy, int dx) {
        const float x = core[(kCoreRow + dy) * kCoreStride + kCoreColumn + dx];
        return static_cast<double>(x == x ? x : 0.0f);
    };
    const auto side = [](double a, double b, double c) { return (a + c) + 2.0 * b; };
    const double right = side(pixel(-1, 1), pixel(0, 1), pixel(1, 1));
    const double left = side(pixel(-1, -1), pixel(0, -1), pixel(1, -1));
    const double below = side(pixel(1, -1), pixel(1, 0), pixel(1, 1));
    const double above = side(pixel(-1, -1), pixel(-1, 0), pixel(-1, 1));
    const double x = (right - left) / 8.0;
    const double y = (below - above) / 8.0;
    return square_root(x * x + y * y);
}

// The group template; `flux` is that of the difference in 3 px, in units of its noise.
template <class Team>
S2V_PART void nearby_source_features(const Team &team, const MeasuredPlanes &planes, double flux,
                                     double (&value)[kStampFeatures]) {
    const float *const reference = planes.core[kTemplate];
    const double science_sigma = static_cast<double>(planes.noise[kScience].sigma);
    const double reference_sigma = static_cast<double>(planes.noise[kTemplate].sigma);
    if (!(reference_sigma > 0.0)) return;
    const double sign = static_cast<double>(planes.polarity);
    const double change = sign * (flux * static_cast<double>(planes.noise[kDifference].sigma));
    value[feature::template_gradient] = sobel_gradient(reference);
    const Peak peak = brightest_nearby(team, reference);
    if (peak.value == peak.value) {
        const int dy = peak.row - kCoreRow;
        const int dx = peak.column - kCoreColumn;
        value[feature::template_snr] = static_cast<double>(peak.value);
        value[feature::template_distance] = square_root(static_cast<double>(dy * dy + dx * dx));
        const CircleSum nearby = sum_circle<3>(team, reference, peak.row, peak.column);
        value[feature::template_flux_ratio] = change / (nearby.flux * reference_sigma);
    }
    if (!(science_sigma > 0.0)) return;
    const double after = sum_circle<3>(team, planes.core[kScience], kCoreRow, kCoreColumn).flux * science_sigma;
    const double before = sum_circle<3>(team, reference, kCoreRow, kCoreColumn).flux * reference_sigma;
    value[feature::flux_balance] = absolute(after - before) / absolute(change);
}

}  // namespace
}  // namespace s2v::kernel
