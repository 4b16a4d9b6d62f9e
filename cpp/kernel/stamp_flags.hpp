// The flags of a stamp as it came, whatever is computed of it. Two of them mark stamps unlike any that the packaged
// models learned from: a score of such a stamp says little. They are tests of pixels alone, comparisons and counts, so
// that every backend gives the same bits; docs/decisions.md has what they find.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {
namespace {

S2V_HD inline std::uint32_t plane_bits(const int *channel, int count) {
    std::uint32_t bits = 0;
    for (int k = 0; k < count; ++k) bits |= 1u << channel[k];
    return bits;
}

// The core of a plane is so many pixels a side around the candidate: there a star's image is brightest.
inline constexpr int kCoreSide = 3;

// How far a scale may be from 1 that was made 1 in single precision, or in half of it.
inline constexpr double kUnitTolerance = 1e-3;

// By so many pixels most planes of another scale are told.
inline constexpr int kFirst = 256;

// Whether more of the core is masked, or outside the plane, than one line of its pixels. A bad row or column of a
// detector goes through many a good candidate; where more is missing, so is the star's image.
S2V_STAGE inline bool is_core_masked(const Plane &plane, int row, int column) {
    int missing = 0;
    for (int y = row - kCoreSide / 2; y <= row + kCoreSide / 2; ++y)
        for (int x = column - kCoreSide / 2; x <= column + kCoreSide / 2; ++x) {
            const bool inside = y >= 0 && x >= 0 && y < plane.height && x < plane.width;
            missing += !inside || is_masked(plane.pixels[static_cast<std::int64_t>(y) * plane.width + x]);
        }
    return missing > kCoreSide;
}

struct Range {
    float low;
    float high;
};

// The lowest and the highest value of n pixels; NaN is passed over, and of nothing but NaN low is above high.
template <class Team>
S2V_HD Range range_of(const Team &team, const float *x, int n) {
    if constexpr (Team::kAlone) {
        // As integers in the order of floats, for which there are instructions; NaN lies beyond both ends.
        std::int32_t low = 0x7fffffff;
        std::int32_t high = -0x7fffffff - 1;
        for (int i = 0; i < n; ++i) {
            const auto bits = __builtin_bit_cast(std::int32_t, x[i]);
            const std::int32_t value = bits ^ (bits >> 31 & 0x7fffffff);
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
        const auto back = [](std::int32_t value) {
            return __builtin_bit_cast(float, value ^ (value >> 31 & 0x7fffffff));
        };
        if (back(low) == back(low) && back(high) == back(high)) return {back(low), back(high)};
    }
    S2V_GIVEN(x);
    return {team.min(n, kInfinity, [&](int i) { return x[i]; }), team.max(n, -kInfinity, [&](int i) { return x[i]; })};
}

// Whether the pixels of a plane have exactly this lowest and highest value; NaN is passed over. Most planes have a
// pixel outside of them among their first.
template <class Team>
S2V_STAGE bool has_range(const Team &team, const Plane &plane, float low, float high) {
    const int n = plane.height * plane.width;
    const float *const x = plane.pixels;
    S2V_GIVEN(x);
    return team.first(0, n, [&](int i) { return x[i] < low || x[i] > high; }) == n &&
           team.first(0, n, [&](int i) { return x[i] == low; }) < n &&
           team.first(0, n, [&](int i) { return x[i] == high; }) < n;
}

// The sum of the squares of the first n pixels that are finite.
template <class Team>
S2V_STAGE double sum_of_squares(const Team &team, const float *x, int n) {
    S2V_GIVEN(x);
    return team.sum(n, [&](int i) {
        const double value = is_finite(x[i]) ? static_cast<double>(x[i]) : 0.0;
        return value * value;
    });
}

// Whether the usable pixels of a plane have the mean square 1, as z-scores have, or the sum of squares 1, as planes
// that were divided by their l2 norm have; to a part in a thousand.
template <class Team>
S2V_STAGE bool is_of_unit_scale(const Team &team, const Plane &plane) {
    const int n = plane.height * plane.width;
    const float *const pixels = plane.pixels;
    S2V_GIVEN(pixels);
    const int usable = team.count(n, [&](int i) { return is_finite(pixels[i]); });
    const double total = sum_of_squares(team, pixels, n);
    const auto is_near = [&](double target) {
        return total >= target * (1.0 - kUnitTolerance) && total <= target * (1.0 + kUnitTolerance);
    };
    return usable > 0 && (is_near(1.0) || is_near(static_cast<double>(usable)));
}

// Whether the difference, or the template of a stamp without one, was normalised on its own, and another plane too:
// both have exactly the same lowest and highest value, which differ, or both are of unit scale. Planes in one unit of
// flux are not so, but a plane that was given twice is.
template <class Team>
S2V_HD bool lacks_flux_scale(const Team &team, const Triplet &triplet) {
    const int last = triplet.plane[kDifference].pixels ? kDifference : kTemplate;
    const Plane &plane = triplet.plane[last];
    bool others = false;
    for (int c = 0; c < last; ++c) others = others || triplet.plane[c].pixels;
    if (!plane.pixels || !others) return false;
    const int n = plane.height * plane.width;
    const auto [low, high] = range_of(team, plane.pixels, n);
    if (!(low < high) || !is_finite(low) || !is_finite(high)) return false;
    for (int c = 0; c < last; ++c)
        if (triplet.plane[c].pixels && has_range(team, triplet.plane[c], low, high)) return true;
    // Where one value has a larger square than all would have, or some have, the sum is not needed.
    const double most = n * (1.0 + kUnitTolerance);
    const double largest = static_cast<double>(high > -low ? high : -low);
    if (largest * largest > most || sum_of_squares(team, plane.pixels, n < kFirst ? n : kFirst) > most) return false;
    if (!is_of_unit_scale(team, plane)) return false;
    for (int c = 0; c < last; ++c)
        if (triplet.plane[c].pixels && is_of_unit_scale(team, triplet.plane[c])) return true;
    return false;
}

// The flags of a stamp of which only some planes are looked at (bits). Saturation is that of the science plane, whether
// it is looked at or not. A masked core of the template alone makes scores no worse.
template <class Team>
S2V_STAGE std::uint32_t flag_stamp(const Team &team, const Triplet &given, std::uint32_t planes) {
    std::uint32_t flags = is_saturated(team, given) ? flag::saturated : 0u;
    Triplet triplet = given;
    for (int c = 0; c < 3; ++c) {
        Plane &plane = triplet.plane[c];
        if (!(planes >> c & 1u)) plane.pixels = nullptr;
        if (plane.pixels && c != kTemplate && is_core_masked(plane, given.row, given.column))
            flags |= flag::masked_core;
    }
    if (lacks_flux_scale(team, triplet)) flags |= flag::no_flux_scale;
    return flags;
}

// With the flags of a stamp a row is prepared as without them.
static_assert(((flag::saturated | flag::masked_core | flag::no_flux_scale) & kRefused) == 0);

// Whether flag_stamp raises by the planes `measured` (bits) all that it raises by `prepared`: it looks at these too,
// and compares the same plane with the others.
S2V_HD constexpr bool covers_flags(std::uint32_t measured, std::uint32_t prepared) {
    return (prepared & ~measured) == 0 && ((measured ^ prepared) >> kDifference & 1u) == 0;
}

}  // namespace
}  // namespace s2v::kernel
