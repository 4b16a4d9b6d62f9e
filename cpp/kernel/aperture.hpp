// Flux in a circular aperture of 5 px at the centre of a window, as SEP's sum_circle with subpix=5 gives it.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kApertureRadius = 5;
inline constexpr int kApertureBox = 2 * kApertureRadius + 1;

// For each pixel of the box, how many of its 5x5 subpixels have their centre inside the circle.
struct ApertureShares {
    signed char of_25[kApertureBox * kApertureBox];
};

// How many of the 5x5 subpixels of the pixel (y, x) have their centre inside a circle at the centre of the pixel (0,
// 0).
S2V_HD constexpr int subpixels_inside(int radius, int y, int x) {
    int inside = 0;
    // Subpixel centres are multiples of 1/5 px: in fifths, all of it is integers.
    for (int s = 0; s < 25; ++s) {
        const int v = 5 * y + s / 5 - 2;
        const int u = 5 * x + s % 5 - 2;
        inside += u * u + v * v < 25 * radius * radius ? 1 : 0;
    }
    return inside;
}

S2V_HD constexpr ApertureShares aperture_shares() {
    ApertureShares shares{};
    for (int i = 0; i < kApertureBox * kApertureBox; ++i)
        shares.of_25[i] = static_cast<signed char>(
            subpixels_inside(kApertureRadius, i / kApertureBox - kApertureRadius, i % kApertureBox - kApertureRadius));
    return shares;
}

// Sum of the window's pixels times their share; masked pixels count as 0.
template <class Team>
S2V_STAGE double aperture_flux(const Team &team, const float *window) {
    S2V_IN_SCRATCH(window);
    static constexpr ApertureShares shares = aperture_shares();
    const float *const box = window + (kWindow / 2 - kApertureRadius) * (kStride + 1);
    return team.sum(kApertureBox * kApertureBox, [&](int i) {
        const float pixel = box[i / kApertureBox * kStride + i % kApertureBox];
        return is_masked(pixel) ? 0.0 : shares.of_25[i] / 25.0 * static_cast<double>(pixel);
    });
}

}  // namespace
}  // namespace s2v::kernel
