// How the pixels of a triplet are prepared for a model. The recipes' definitions and sources are in registry.json.
#pragma once

#include "block_means.hpp"
#include "brightness.hpp"
#include "compose.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kLargestSide = 63;  // of a recipe's output

struct RecipeWindow {
    alignas(64) float window[kWindowPixels];
    alignas(64) float r[kBlockPixels];
};

union RecipeScratch {  // a recipe needs one of them
    RecipeWindow cut;
    alignas(64) float rectangle[kLargestSide * kLargestSide + 1];
    StepScratch steps;
};

// The rectangle of a plane that a recipe of 63x63 uses: the plane, or what lies around the candidate of a larger one.
struct Rectangle {
    int top;
    int left;
    int height;
    int width;
};

S2V_HD inline int crop_start(int centre, int length, int wanted) {
    const int last = length - wanted;
    const int start = centre - wanted / 2;
    return last <= 0 || start < 0 ? 0 : start > last ? last : start;
}

S2V_HD inline Rectangle crop(const Triplet &triplet, const Plane &plane, int side) {
    return {crop_start(triplet.row, plane.height, side), crop_start(triplet.column, plane.width, side),
            plane.height < side ? plane.height : side, plane.width < side ? plane.width : side};
}

S2V_HD inline bool is_whole(const Rectangle &part, const Plane &plane) {
    return part.height == plane.height && part.width == plane.width;
}

// A rectangle as contiguous rows, as delivered: the plane itself, or a copy in `space`, which on a device is nearer.
// Raises `constant` where its finite pixels have one value or there are none.
template <class Team>
S2V_HD const float *look_at_rectangle(const Team &team, const Plane &plane, const Rectangle &part, float *space,
                                      std::uint32_t &flags) {
    const float *x = plane.pixels;
    if (!Team::kAlone || !is_whole(part, plane)) {
        S2V_IN_SCRATCH(space);
        S2V_GIVEN(x);
        team.sync();  // `space` may still be read
        S2V_UNROLLED
        for (int y = 0; y < part.height; ++y) {
            const float *const source =
                plane.pixels + static_cast<std::int64_t>(part.top + y) * plane.width + part.left;
            float *const line = space + y * part.width;
            team.for_each(part.width, [&](int i) { line[i] = source[i]; });
        }
        team.sync();
        x = space;
    }
    const int n = part.height * part.width;
    const auto finite = [&](int i) { return is_finite(x[i]) ? x[i] : quiet_nan(); };
    const float largest = team.max(n, -kInfinity, finite);
    const float smallest = team.min(n, kInfinity, finite);
    if (!(largest > smallest)) flags |= flag::constant;
    if (team.count(n, [&](int i) { return !is_finite(x[i]); })) flags |= flag::nan_pixels;
    return x;
}

// NaN -> 0, +-inf -> +-float32 max.
S2V_HD inline float without_bad(float x) {
    if (x != x) return 0.0f;
    return x > kFloatMax ? kFloatMax : x < -kFloatMax ? -kFloatMax : x;
}

// Whether the median of the pixels that are not NaN, as delivered, is a number.
template <class Team>
S2V_HD bool has_finite_median(const Team &team, const Plane &plane) {
    const int n = plane.height * plane.width;
    const int valid = team.count(n, [&](int i) { return plane.pixels[i] == plane.pixels[i]; });
    const int low = team.count(n, [&](int i) { return plane.pixels[i] < -kFloatMax; });
    const int high = team.count(n, [&](int i) { return plane.pixels[i] > kFloatMax; });
    return valid == 0 || ((valid - 1) / 2 >= low && valid / 2 < valid - high);
}

// x / l2norm(x), set at (down, right) into a square of `fill`. The order of the sum is that of the rectangle.
template <class Team>
S2V_HD void scale_by_norm(const Team &team, const float *x, const Rectangle &part, int down, int right, float fill,
                          float *out) {
    const double square = team.sum(part.height * part.width, [&](int i) {
        const double value = static_cast<double>(without_bad(x[i]));
        return value * value;
    });
    const double norm = square_root(square);
    // The norm of large pixels may exceed float32: both are shrunk by a power of two then, which costs no bits.
    const double shrink = norm > 3e38 ? 0x1p-8 : 1.0;
    const float by = static_cast<float>(shrink);
    const float divisor = static_cast<float>(norm * shrink);
    if (part.height == kLargestSide && part.width == kLargestSide) {
        team.for_each(kLargestSide * kLargestSide, [&](int i) { out[i] = without_bad(x[i]) * by / divisor; });
        return;
    }
    for (int y = 0; y < kLargestSide; ++y) {
        float *const line = out + y * kLargestSide;
        const bool inside = y >= down && y < down + part.height;
        const float *const source = x + (y - down) * part.width - right;
        team.for_each(kLargestSide, [&](int column) {
            const bool there = inside && column >= right && column < right + part.width;
            line[column] = there ? without_bad(source[column]) * by / divisor : fill;
        });
    }
}

template <class Team>
S2V_STAGE void prepare_by_norm(const Team &team, const Triplet &triplet, int which, const Plane &plane, float *out,
                               RecipeScratch &s, std::uint32_t &flags) {
    const Rectangle part = crop(triplet, plane, kLargestSide);
    const float *const x = look_at_rectangle(team, plane, part, s.rectangle, flags);
    if (!is_whole(part, plane)) flags |= flag::cropped;
    if (flags & kRefused) return;
    if (part.height < kLargestSide || part.width < kLargestSide) flags |= flag::padded;
    const bool all_finite = is_whole(part, plane) && !(flags & flag::nan_pixels);
    if (which == recipe::btsbot && !all_finite && !has_finite_median(team, plane)) flags |= flag::bad_stamp;
    const bool centred = which == recipe::boom;
    scale_by_norm(team, x, part, centred ? (kLargestSide - part.height + 1) / 2 : 0,
                  centred ? (kLargestSide - part.width + 1) / 2 : 0, centred ? 0.0f : 1e-9f, out);
    team.sync();
}

// The stamp classifier's central crop, each channel stretched to [0, 1].
template <class Team>
S2V_STAGE void prepare_by_range(const Team &team, const Plane &plane, float *out, RecipeScratch &s,
                                std::uint32_t &flags) {
    constexpr int side = 21;
    if (plane.height != kLargestSide || plane.width != kLargestSide) {
        flags |= flag::off_shape;
        return;
    }
    constexpr int start = (kLargestSide - side) / 2;
    const float *const crop = look_at_rectangle(team, plane, {start, start, side, side}, s.rectangle, flags);
    if (flags & kRefused) return;
    const auto finite = [&](int i) { return is_finite(crop[i]) ? crop[i] : quiet_nan(); };
    // In double: the range may exceed float32. + 0 turns -0 into 0, or the sign of 0 would depend on the order.
    const double smallest = static_cast<double>(team.min(side * side, kInfinity, finite)) + 0.0;
    const double range = static_cast<double>(team.max(side * side, -kInfinity, finite)) - smallest;
    team.for_each(side * side, [&](int i) {
        const float x = crop[i];
        out[i] = is_finite(x) ? static_cast<float>((static_cast<double>(x) - smallest) / range) : 0.0f;
    });
    team.sync();
}

// To float32; what overflows there becomes +-float32 max.
S2V_HD inline float saturate(double x) {
    return x > static_cast<double>(kFloatMax)    ? kFloatMax
           : x < -static_cast<double>(kFloatMax) ? -kFloatMax
                                                 : static_cast<float>(x);
}

// Writes a window row by row, `scaled` where a pixel is usable and 0 where not.
template <class Team, class F>
S2V_STAGE void write_window(const Team &team, const float *window, float *out, F scaled) {
    S2V_IN_SCRATCH(window);
    for (int r = 0; r < kWindow; ++r)
        team.for_each(kWindow, [&](int c) {
            const float x = window[r * kStride + c];
            out[r * kWindow + c] = x == x ? scaled(x) : 0.0f;
        });
    team.sync();
}

// Whether the pixels of a window that are not NaN have one value, or are none.
template <class Team>
S2V_HD bool is_constant(const Team &team, const float *window) {
    const float largest = team.max(kWindowPixels, -kInfinity, [&](int i) { return window[i]; });
    const float smallest = team.min(kWindowPixels, kInfinity, [&](int i) { return window[i]; });
    return !(largest > smallest);
}

// Cuts the window of a stamp that is meant to be used whole, and masks it; raises `cropped` where the stamp reaches
// beyond the window and `constant` where nothing varies. Returns the number of usable pixels.
template <class Team>
S2V_STAGE int cut_masked(const Team &team, const Triplet &triplet, const Plane &plane, float *window,
                         std::uint32_t &flags) {
    S2V_IN_SCRATCH(window);
    cut_window(team, plane, triplet.row, triplet.column, window, flags);
    const int top = triplet.row - kWindow / 2;
    const int left = triplet.column - kWindow / 2;
    if (top > 0 || left > 0 || top + kWindow < plane.height || left + kWindow < plane.width) flags |= flag::cropped;
    team.for_each(kWindowPixels, [&](int i) { window[i] = is_masked(window[i]) ? quiet_nan() : window[i]; });
    team.sync();
    if (is_constant(team, window)) flags |= flag::constant;
    return team.count(kWindowPixels, [&](int i) { return window[i] == window[i]; });
}

// (x - mean) / std for the difference, (x - (mean - 3 std)) / (6 std) for the others.
template <class Team>
S2V_STAGE void prepare_by_3sigma(const Team &team, const float *window, int valid, bool difference, float *out,
                                 std::uint32_t &flags) {
    S2V_IN_SCRATCH(window);
    const double mean = team.sum(kWindowPixels, [&](int i) {
        return window[i] == window[i] ? static_cast<double>(window[i]) : 0.0;
    }) / valid;
    const double variance = team.sum(kWindowPixels, [&](int i) {
        const double x = window[i] == window[i] ? static_cast<double>(window[i]) - mean : 0.0;
        return x * x;
    });
    const double sigma = square_root(variance / valid);
    if (!(sigma > 0.0)) {
        flags |= flag::zero_scale;
        return;
    }
    const double offset = difference ? mean : mean - 3.0 * sigma;
    const double divisor = difference ? sigma : 6.0 * sigma;
    write_window(team, window, out, [&](float x) { return saturate((static_cast<double>(x) - offset) / divisor); });
}

// The window with only what is not finite replaced, 0 outside the stamp.
template <class Team>
S2V_STAGE void prepare_as_is(const Team &team, const Triplet &triplet, const Plane &plane, float *out, RecipeScratch &s,
                             std::uint32_t &flags) {
    std::uint32_t met = 0;
    cut_window(team, plane, triplet.row, triplet.column, s.cut.window, met);
    flags |= met & ~flag::masked_pixels;  // the null value of DES is a number like any other here
    if (is_constant(team, s.cut.window)) flags |= flag::constant;
    if (flags & kRefused) return;
    write_cut(team, plane, triplet.row, triplet.column, kWindow, 0.0f, out, [](float x) { return without_bad(x); });
    team.sync();
}

// R or B of a window, 0 where masked.
template <class Team>
S2V_STAGE void prepare_by_autoscan(const Team &team, const Triplet &triplet, const Plane &plane, bool blocks,
                                   float *out, RecipeScratch &s, std::uint32_t &flags) {
    cut_window(team, plane, triplet.row, triplet.column, s.cut.window, flags);
    if (!blocks) {
        if (normalise_b(team, s.cut.window).level.constant)
            flags |= flag::constant;
        else
            write_window(team, s.cut.window, out, [](float x) { return saturate(static_cast<double>(x)); });
        return;
    }
    const bool scaled = normalise_r(team, s.cut.window, s.cut.r);
    mask_nulls(team, s.cut.window);
    if (is_constant(team, s.cut.window)) {
        flags |= flag::constant;
    } else if (scaled) {
        for (int y = 0; y < kBlocks; ++y)
            team.for_each(kBlocks, [&](int x) {
                const float value = s.cut.r[y * kBlockStride + x];
                out[y * kBlocks + x] = value == value ? saturate(static_cast<double>(value)) : 0.0f;
            });
        team.sync();
    } else {
        flags |= flag::zero_scale;
    }
}

// 1.4826 MAD of the difference, by which a recipe divides all planes.
template <class Team>
S2V_STAGE float difference_scale(const Team &team, const Triplet &triplet, RecipeScratch &s, std::uint32_t &flags) {
    const int valid = cut_masked(team, triplet, triplet.plane[kDifference], s.cut.window, flags);
    if (flags & flag::constant) return 0.0f;
    const float centre = median(team, kWindowPixels, valid, ScratchValues{s.cut.window});
    return kMadToSigma * median(team, kWindowPixels, valid, ScratchDeviations{s.cut.window, centre});
}

// One channel of a recipe. Writes nothing where a flag says that the row is refused.
template <class Team>
S2V_PART void prepare_channel(const Team &team, const Triplet &triplet, int which, int channel, float scale, float *out,
                              RecipeScratch &s, std::uint32_t &flags) {
    const Plane &plane = triplet.plane[channel];
    switch (which) {
        case recipe::braai:
        case recipe::boom:
        case recipe::btsbot:
            prepare_by_norm(team, triplet, which, plane, out, s, flags);
            return;
        case recipe::alerce_stamp:
            prepare_by_range(team, plane, out, s, flags);
            return;
        case recipe::transinet:
            prepare_as_is(team, triplet, plane, out, s, flags);
            return;
        case recipe::autoscan_r:
        case recipe::autoscan_b:
            prepare_by_autoscan(team, triplet, plane, which == recipe::autoscan_r, out, s, flags);
            return;
        case recipe::ayyar:
            cut_masked(team, triplet, plane, s.cut.window, flags);
            write_window(team, s.cut.window, out, [&](float x) { return saturate(static_cast<double>(x / scale)); });
            return;
        default: {  // acero-3sigma
            const int valid = cut_masked(team, triplet, plane, s.cut.window, flags);
            if (!(flags & kRefused)) prepare_by_3sigma(team, s.cut.window, valid, channel == kDifference, out, flags);
            return;
        }
    }
}

// A recipe as a composition; one without steps where it is none.
S2V_HD inline Composition recipe_composition(int which) {
    const RecipeShape shape = recipe_shape(which);
    return {shape.height, 3, {shape.channel[0], shape.channel[1], shape.channel[2]}, recipe_chain(which)};
}

// Writes every plane of a recipe that is no composition, or NaN throughout where the row is refused, and returns the
// flags. Every plane is looked at even so: the flags tell all that is wrong. flags_measured: as of ModelNeeds.
template <class Team>
S2V_HD std::uint32_t prepare_planes(const Team &team, const Triplet &triplet, int which, bool flags_measured,
                                    float *out, RecipeScratch &s) {
    const RecipeShape shape = recipe_shape(which);
    const int pixels = shape.height * shape.width;
    std::uint32_t flags = 0;
    if (!flags_measured) flags = flag_stamp(team, triplet, plane_bits(shape.channel, 3));
    for (int k = 0; k < 3; ++k)
        if (!triplet.plane[k].pixels) flags |= flag::missing;
    if (!(flags & flag::missing)) {
        float scale = 0.0f;
        if (which == recipe::ayyar) scale = difference_scale(team, triplet, s, flags);
        for (int k = 0; k < 3; ++k) {
            std::uint32_t met = 0;
            prepare_channel(team, triplet, which, shape.channel[k], scale, out + k * pixels, s, met);
            flags |= met;
        }
        if (which == recipe::ayyar && !(flags & flag::constant) && !(scale > 0.0f)) flags |= flag::zero_scale;
    }
    if (flags & kRefused) team.for_each(3 * pixels, [&](int i) { out[i] = quiet_nan(); });
    return flags;
}

// The planes of any recipe. flags_measured: as of ModelNeeds; a model's recipe that is a chain is prepared as views.
template <class Team>
S2V_HD std::uint32_t prepare(const Team &team, const Triplet &triplet, int which, bool flags_measured, float *out,
                             RecipeScratch &s) {
    const Composition how = recipe_composition(which);
    return how.chain.count > 0 ? prepare_composition(team, triplet, how, out, s.steps)
                               : prepare_planes(team, triplet, which, flags_measured, out, s);
}

}  // namespace
}  // namespace s2v::kernel
