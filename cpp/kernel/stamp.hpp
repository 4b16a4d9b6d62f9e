// A stamp as the kernels see it, and the window that is cut from it.
#pragma once

#include "kernel/registry_table.hpp"
#include "math.hpp"
#include "register_array.hpp"

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

// With one of these a row is not prepared by a recipe.
inline constexpr std::uint32_t kRefused = kUnscorable | flag::zero_scale;

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

// The part of a window of 51x51 around a position that lies inside a plane, in coordinates of the window.
struct Overlap {
    int top;
    int bottom;
    int left;
    int right;
};

S2V_HD inline int within_window(int x) {
    return x < 0 ? 0 : x < kWindow ? x : kWindow;
}

S2V_HD inline Overlap overlap_of(const Plane &plane, int row, int column) {
    const int top = row - kWindow / 2;
    const int left = column - kWindow / 2;
    return {within_window(-top), within_window(plane.height - top), within_window(-left),
            within_window(plane.width - left)};
}

// What write_cut does, by lanes: what a lane reads of some rows is on its way at a time. `corner` is where the pixel in
// the corner of the window would lie. Instead of a pixel that is not there the nearest is read.
template <class Team, class F>
S2V_HD void write_rows(const Team &team, const Overlap &part, const float *corner, int width, int stride, float outside,
                       float *out, F f) {
    constexpr int rows = kWindow / 3;
    constexpr int columns = kStride / kLanes;
    const int lane = team.lanes().index();
    if (part.bottom <= part.top || part.right <= part.left)
        return team.for_each(kWindow * stride, [&](int i) { out[i] = outside; });
    bool within[columns];
    const float *from[columns];
    each_of<columns>([&](auto k) {
        const int c = lane + k.value * kLanes;
        within[k.value] = c >= part.left && c < part.right;
        from[k.value] = corner + (c < part.left ? part.left : c < part.right ? c : part.right - 1);
    });
    S2V_ROLLED
    for (int first = 0; first < kWindow; first += rows) {
        float held[rows][columns];
        each_of<rows>([&](auto r) {
            const int y = first + r.value;
            const int near = y < part.top ? part.top : y < part.bottom ? y : part.bottom - 1;
            const std::int64_t offset = static_cast<std::int64_t>(near) * width;
            each_of<columns>([&](auto k) { held[r.value][k.value] = from[k.value][offset]; });
        });
        each_of<rows>([&](auto r) {
            const int y = first + r.value;
            const bool there = y >= part.top && y < part.bottom;
            each_of<columns>([&](auto k) {
                const int c = lane + k.value * kLanes;
                const float x = f(held[r.value][k.value]);
                if (c < stride) out[y * stride + c] = there && within[k.value] ? x : outside;
            });
        });
    }
}

// Writes the window around a position with `stride` columns a row: f(pixel) inside the plane, `outside` elsewhere.
template <class Team, class F>
S2V_HD void write_cut(const Team &team, const Plane &plane, int row, int column, int stride, float outside, float *out,
                      F f) {
    const Overlap part = overlap_of(plane, row, column);
    const std::int64_t corner = static_cast<std::int64_t>(row - kWindow / 2) * plane.width + column - kWindow / 2;
    const float *const pixels = plane.pixels;
    S2V_GIVEN(pixels);
    if constexpr (!Team::kAlone) return write_rows(team, part, pixels + corner, plane.width, stride, outside, out, f);
    if (part.top == 0 && part.bottom == kWindow && part.left == 0 && part.right == kWindow) {
        for (int r = 0; r < kWindow; ++r) {  // loops of a length that is known
            float *const line = out + r * stride;
            const std::int64_t source = corner + static_cast<std::int64_t>(r) * plane.width;
            team.for_each(kWindow, [&](int c) { line[c] = f(pixels[source + c]); });
            team.for_each(stride - kWindow, [&](int c) { line[kWindow + c] = outside; });
        }
        return;
    }
    for (int r = 0; r < kWindow; ++r) {
        float *const line = out + r * stride;
        const std::int64_t source = corner + static_cast<std::int64_t>(r) * plane.width;
        const bool there = r >= part.top && r < part.bottom && part.right > part.left;
        const int left = there ? part.left : stride;
        const int right = there ? part.right : stride;
        team.for_each(left, [&](int c) { line[c] = outside; });
        team.for_each(right - left, [&](int c) { line[left + c] = f(pixels[source + left + c]); });
        team.for_each(stride - right, [&](int c) { line[right + c] = outside; });
    }
}

// Cuts a window of 51x51 around the candidate, which lands on (25, 25). Pixels that are not finite or outside the
// stamp become NaN, nulls stay. Adds to `flags` what it meets.
template <class Team>
S2V_STAGE void cut_window(const Team &team, const Plane &plane, int row, int column, float *out, std::uint32_t &flags) {
    S2V_IN_SCRATCH(out);
    team.sync();  // `out` may still be read
    write_cut(team, plane, row, column, kStride, quiet_nan(), out, [](float x) {
        return is_finite(x) ? x + 0.0f : quiet_nan();  // + 0 turns -0 into 0
    });
    team.sync();
    const Overlap part = overlap_of(plane, row, column);
    const int rows = part.bottom > part.top ? part.bottom - part.top : 0;
    const int columns = part.right > part.left ? part.right - part.left : 0;
    const int outside = kWindowPixels - rows * columns;
    const int masked = team.count(kWindowPixels, [&](int i) { return is_masked(out[i]); });
    if (masked > outside) {
        const int nans = team.count(kWindowPixels, [&](int i) { return out[i] != out[i]; });
        if (nans > outside) flags |= flag::nan_pixels;
        if (masked > nans) flags |= flag::masked_pixels;
    }
    const int top = row - kWindow / 2;
    const int left = column - kWindow / 2;
    if (top < 0 || left < 0 || top + kWindow > plane.height || left + kWindow > plane.width) flags |= flag::padded;
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
    if constexpr (!Team::kAlone) {  // several rows are on their way at a time
        const float *const pixels = plane.pixels;
        S2V_GIVEN(pixels);
        return team.count((bottom - top) * kStride, [&](int i) {
            const std::int64_t row = top + i / kStride;
            const int x = left + i % kStride;
            return x < right && pixels[row * plane.width + x] >= triplet.saturation;
        }) > 0;
    }
    int hits = 0;
    for (int y = top; y < bottom; ++y) {
        const float *const line = plane.pixels + static_cast<std::int64_t>(y) * plane.width;
        if (right > left) hits += team.count(right - left, [&](int i) { return line[left + i] >= triplet.saturation; });
    }
    return hits > 0;
}

}  // namespace
}  // namespace s2v::kernel
