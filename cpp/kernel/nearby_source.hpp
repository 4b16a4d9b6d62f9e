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

// What is kept of the core of the template, and of that of the science plane: fluxes in 3 px, in units of the noise.
struct NearbySource {
    double sigma;  // of the template; 0: there is none, and nothing else is known
    double gradient;
    Peak peak;
    double peak_flux;
    double flux;  // at the candidate
};

template <class Team>
S2V_PART NearbySource measure_nearby(const Team &team, const float *core, const PlaneNoise &noise) {
    NearbySource nearby{};
    nearby.sigma = static_cast<double>(noise.sigma);
    nearby.gradient = sobel_gradient(core);
    nearby.peak = brightest_nearby(team, core);
    if (nearby.peak.value == nearby.peak.value)
        nearby.peak_flux = sum_circle<3>(team, core, nearby.peak.row, nearby.peak.column).flux;
    nearby.flux = sum_circle<3>(team, core, kCoreRow, kCoreColumn).flux;
    return nearby;
}

// The group template. `after` is the flux at the candidate in the science plane and `change` that in the difference, as
// they came; after is NaN where it is not known.
S2V_PART inline void nearby_source_features(const NearbySource &nearby, double after, double change,
                                            double (&value)[kStampFeatures]) {
    if (!(nearby.sigma > 0.0)) return;
    value[feature::template_gradient] = nearby.gradient;
    const Peak &peak = nearby.peak;
    if (peak.value == peak.value) {
        const int dy = peak.row - kCoreRow;
        const int dx = peak.column - kCoreColumn;
        value[feature::template_snr] = static_cast<double>(peak.value);
        value[feature::template_distance] = square_root(static_cast<double>(dy * dy + dx * dx));
        value[feature::template_flux_ratio] = change / (nearby.peak_flux * nearby.sigma);
    }
    if (after == after) value[feature::flux_balance] = absolute(after - nearby.flux * nearby.sigma) / absolute(change);
}

}  // namespace
}  // namespace s2v::kernel
