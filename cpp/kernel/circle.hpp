// Sums in circles around a pixel of a core, as SEP's sum_circle with subpix=5 and photutils' method "subpixel" give
// them.
#pragma once

#include "aperture.hpp"
#include "noise_plane.hpp"

namespace s2v::kernel {
namespace {

// Furthest that the centre of a circle of `radius` may be from (kCoreRow, kCoreColumn).
S2V_HD constexpr int circle_reach(int radius) {
    return kCoreRow - radius;
}

// How many of the 25 subpixels of each pixel are in the circle; 0 on both sides, so that the rows can be shifted.
template <int kRadius>
struct CircleShares {
    float of_25[(2 * kRadius + 1) * kCoreStride + 2 * circle_reach(kRadius)];
};

template <int kRadius>
S2V_HD constexpr CircleShares<kRadius> circle_shares() {
    CircleShares<kRadius> shares{};
    for (int y = -kRadius; y <= kRadius; ++y)
        for (int x = -kRadius; x <= kRadius; ++x) {
            const int at = (y + kRadius) * kCoreStride + kCoreColumn + x + circle_reach(kRadius);
            shares.of_25[at] = static_cast<float>(subpixels_inside(kRadius, y, x));
        }
    return shares;
}

// The sum of a core in a circle, and the area that was summed; masked pixels count as nothing.
struct CircleSum {
    double flux;
    double area;  // pixels
};

// The sum of n pixels by the shares of each, of 25, that are in a circle.
template <class Team>
S2V_PART CircleSum sum_shares(const Team &team, const float *box, const float *share, int n) {
    S2V_IN_SCRATCH(box);
    double total[2];
    team.template sums<2>(n, total, [&](int i, auto add) {
        const bool usable = box[i] == box[i];
        const double weight = static_cast<double>(usable ? share[i] : 0.0f);
        add(0, weight * static_cast<double>(usable ? box[i] : 0.0f));
        add(1, weight);
    });
    return {total[0] / 25.0, total[1] / 25.0};
}

template <int kRadius, class Team>
S2V_STAGE CircleSum sum_circle(const Team &team, const float *core, int row, int column) {
    S2V_IN_SCRATCH(core);
    static constexpr CircleShares<kRadius> shares = circle_shares<kRadius>();
    const float *const box = core + (row - kRadius) * kCoreStride;
    const float *const share = shares.of_25 + circle_reach(kRadius) + kCoreColumn - column;
    return sum_shares(team, box, share, (2 * kRadius + 1) * kCoreStride);
}

// The circles at the candidate in one plane.
struct Circles {
    CircleSum of_2;
    CircleSum of_3;
    CircleSum of_5;
    CircleSum of_8;
};

template <class Team>
S2V_PART Circles sum_circles(const Team &team, const float *core) {
    return {sum_circle<2>(team, core, kCoreRow, kCoreColumn), sum_circle<3>(team, core, kCoreRow, kCoreColumn),
            sum_circle<5>(team, core, kCoreRow, kCoreColumn), sum_circle<8>(team, core, kCoreRow, kCoreColumn)};
}

// The mean in the ring between two circles.
S2V_HD inline double ring_mean(const CircleSum &inner, const CircleSum &outer) {
    return (outer.flux - inner.flux) / (outer.area - inner.area);
}

// The groups aperture (but for polarity and the peak) and profile, from the circles in the difference.
S2V_HD inline void circle_features(const Circles &circles, double (&value)[kStampFeatures]) {
    value[feature::snr_2] = circles.of_2.flux / square_root(circles.of_2.area);
    value[feature::snr_3] = circles.of_3.flux / square_root(circles.of_3.area);
    value[feature::snr_5] = circles.of_5.flux / square_root(circles.of_5.area);
    value[feature::snr_8] = circles.of_8.flux / square_root(circles.of_8.area);
    value[feature::concentration] = circles.of_2.flux / circles.of_5.flux;
    const double inner = circles.of_2.flux / circles.of_2.area;
    value[feature::profile_3] = ring_mean(circles.of_2, circles.of_3) / inner;
    value[feature::profile_5] = ring_mean(circles.of_3, circles.of_5) / inner;
    value[feature::profile_8] = ring_mean(circles.of_5, circles.of_8) / inner;
}

}  // namespace
}  // namespace s2v::kernel
