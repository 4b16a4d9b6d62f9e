// A stamp as the kernels see it, and the window that is cut from it.
#pragma once

#include "kernel/registry_table.hpp"
#include "math.hpp"

namespace s2v::kernel {
namespace {

// One plane of one candidate; no pixels: the plane is missing.
struct Plane {
    const float *pixels;
    int height;
    int width;
};

// The planes of one candidate in the order science, template, difference, and where the candidate is in them.
struct Triplet {
    Plane plane[3];
    int row;
    int column;
    float saturation;  // NaN: none
};

enum Channel { kScience = 0, kTemplate = 1, kDifference = 2 };

// DES writes this value where a pixel is null.
inline constexpr float kNull = 1e-30f;

// Square windows are held with this many columns a row, NaN beyond the window: loops have no tails, and the lane of a
// pixel is its column mod 32.
inline constexpr int kStride = 64;
inline constexpr int kWindow = 51;
inline constexpr int kWindowPixels = kWindow * kStride;

S2V_HD inline bool is_masked(float x) {
    return !(is_finite(x) && absolute(x) != kNull);
}

// Cuts a window of 51x51 around the candidate, which lands on (25, 25). Pixels that are not finite or outside the
// stamp become NaN, nulls stay. Adds to `flags` what it meets.
template <class Team>
S2V_STAGE void cut_window(const Team &team, const Plane &plane, int row, int column, float *out, std::uint32_t &flags) {
    const int top = row - kWindow / 2;
    const int left = column - kWindow / 2;
    int nans = 0;
    int nulls = 0;
    team.sync();  // `out` may still be read
    for (int r = 0; r < kWindow; ++r) {
        const int y = top + r;
        float *const line = out + r * kStride;
        if (y < 0 || y >= plane.height) {
            team.for_each(kStride, [&](int c) { line[c] = quiet_nan(); });
            continue;
        }
        const float *const source = plane.pixels + static_cast<std::int64_t>(y) * plane.width;
        const int begin = left < 0 ? -left : 0;
        const int end = plane.width - left < kWindow ? plane.width - left : kWindow;
        if (begin > 0) team.for_each(begin < kWindow ? begin : kWindow, [&](int c) { line[c] = quiet_nan(); });
        if (end > begin)
            team.for_each(end - begin, [&](int i) {
                const float x = source[left + begin + i];
                line[begin + i] = is_finite(x) ? x + 0.0f : quiet_nan();  // + 0 turns -0 into 0
            });
        const int rest = end > 0 ? end : 0;
        team.for_each(kStride - rest, [&](int i) { line[rest + i] = quiet_nan(); });
        if (end > begin) {
            nans += team.count(end - begin, [&](int i) { return !is_finite(source[left + begin + i]); });
            nulls += team.count(end - begin, [&](int i) { return absolute(source[left + begin + i]) == kNull; });
        }
    }
    team.sync();
    if (nans) flags |= flag::nan_pixels;
    if (nulls) flags |= flag::masked_pixels;
    if (top < 0 || left < 0 || top + kWindow > plane.height || left + kWindow > plane.width) flags |= flag::padded;
    if (top > 0 || left > 0 || top + kWindow < plane.height || left + kWindow < plane.width) flags |= flag::cropped;
}

// True where the science plane reaches the saturation level inside the window.
template <class Team>
S2V_STAGE bool is_saturated(const Team &team, const Triplet &triplet) {
    const Plane &plane = triplet.plane[kScience];
    if (!plane.pixels || triplet.saturation != triplet.saturation) return false;
    const int top = triplet.row - kWindow / 2 > 0 ? triplet.row - kWindow / 2 : 0;
    const int left = triplet.column - kWindow / 2 > 0 ? triplet.column - kWindow / 2 : 0;
    const int bottom = triplet.row + kWindow / 2 < plane.height ? triplet.row + kWindow / 2 + 1 : plane.height;
    const int right = triplet.column + kWindow / 2 < plane.width ? triplet.column + kWindow / 2 + 1 : plane.width;
    int hits = 0;
    for (int y = top; y < bottom; ++y) {
        const float *const line = plane.pixels + static_cast<std::int64_t>(y) * plane.width;
        if (right > left) hits += team.count(right - left, [&](int i) { return line[left + i] >= triplet.saturation; });
    }
    return hits > 0;
}

}  // namespace
}  // namespace s2v::kernel
