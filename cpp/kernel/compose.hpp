// Recipes that are chains of steps on a square around the candidate.
#pragma once

#include "quotient.hpp"
#include "stamp_flags.hpp"
#include "steps.hpp"

namespace s2v::kernel {
namespace {

struct Composition {
    int side;
    int channels;
    int channel[3];
    Chain chain;
};

// Cuts a square whose first pixel is (top, left) of a plane, and counts its pixels.
template <class Team>
S2V_HD void cut_by_rows(const Team &team, const Plane &plane, int top, int left, int side, float *out, int &usable,
                        int &nulls, int &seen) {
    const int width = plane.width - left < side ? plane.width - left : side;
    const int begin = left > 0 ? 0 : -left < side ? -left : side;
    const int end = width > begin ? width : begin;
    for (int r = 0; r < side; ++r) {
        const int y = top + r;
        float *const line = out + r * side;
        if (y < 0 || y >= plane.height) {
            team.for_each(side, [&](int c) { line[c] = quiet_nan(); });
            continue;
        }
        const float *const source = plane.pixels + static_cast<std::int64_t>(y) * plane.width + left + begin;
        team.for_each(begin, [&](int c) { line[c] = quiet_nan(); });
        team.for_each(end - begin, [&](int i) {
            line[begin + i] = is_masked(source[i]) ? quiet_nan() : source[i] + 0.0f;  // + 0 turns -0 into 0
        });
        team.for_each(side - end, [&](int i) { line[end + i] = quiet_nan(); });
        usable += team.count(end - begin, [&](int i) { return !is_masked(source[i]); });
        nulls += team.count(end - begin, [&](int i) { return absolute(source[i]) == kNull; });
        seen += end - begin;
    }
}

inline constexpr int kMostAtOnce = 1024;  // pixels a side: Quotient knows no larger square

// The same in one pass over the square, for which a lane does not wait for the end of a row.
template <class Team>
S2V_HD void cut_at_once(const Team &team, const Plane &plane, int top, int left, int side, float *out, int &usable,
                        int &nulls, int &seen) {
    if constexpr (!Team::kAlone) {
        const Quotient row_of(side);
        const float *const pixels = plane.pixels;
        S2V_GIVEN(pixels);
        int own[3] = {0, 0, 0};
        S2V_UNROLLED
        for (int i = team.lanes().index(); i < side * side; i += kLanes) {
            const int r = row_of(i);
            const int y = top + r;
            const int x = left + i - r * side;
            const bool inside = static_cast<std::uint32_t>(y) < static_cast<std::uint32_t>(plane.height) &&
                                static_cast<std::uint32_t>(x) < static_cast<std::uint32_t>(plane.width);
            const float value = inside ? pixels[y * plane.width + x] : quiet_nan();
            const bool masked = is_masked(value);
            out[i] = masked ? quiet_nan() : value + 0.0f;
            add_if(own[0], !masked);
            add_if(own[1], absolute(value) == kNull);
            add_if(own[2], inside);
        }
        usable = team.lanes().total(own[0]);
        nulls = team.lanes().total(own[1]);
        seen = team.lanes().total(own[2]);
    }
}

// Cuts a square of `side` pixels around the candidate, which lands on (side / 2, side / 2): NaN where a pixel is
// outside the stamp, null or not finite. Adds to `flags` what it meets; returns how many pixels are usable.
template <class Team>
S2V_STAGE int cut_square(const Team &team, const Plane &plane, int row, int column, int side, float *out,
                         std::uint32_t &flags) {
    const int top = row - side / 2;
    const int left = column - side / 2;
    int usable = 0;
    int nulls = 0;
    int seen = 0;
    team.sync();  // `out` may still be read
    if (!Team::kAlone && side <= kMostAtOnce)
        cut_at_once(team, plane, top, left, side, out, usable, nulls, seen);
    else
        cut_by_rows(team, plane, top, left, side, out, usable, nulls, seen);
    team.sync();
    if (nulls) flags |= flag::masked_pixels;
    if (usable + nulls < seen) flags |= flag::nan_pixels;
    if (top < 0 || left < 0 || top + side > plane.height || left + side > plane.width) flags |= flag::padded;
    return usable;
}

// Writes the square of one plane, normalised by a chain, 0 where there is no usable pixel. Adds to `flags` what it
// meets; returns the flags for which the row is refused.
template <class Team>
S2V_HD std::uint32_t prepare_square(const Team &team, const Triplet &triplet, int channel, int side, const Chain &chain,
                                    float *target, StepScratch &s, std::uint32_t &flags) {
    const int pixels = side * side;
    const int usable = cut_square(team, triplet.plane[channel], triplet.row, triplet.column, side, target, flags);
    return has_one_value(team, target, pixels) ? flag::constant
                                               : apply_chain(team, chain, target, pixels, usable, 0.0f, s);
}

// Writes every plane of a composition, or NaN throughout where the row is refused, and returns the flags. Every plane
// is looked at even so: the flags tell all that is wrong.
template <class Team>
S2V_PART std::uint32_t prepare_composition(const Team &team, const Triplet &triplet, const Composition &how, float *out,
                                           StepScratch &s) {
    const int pixels = how.side * how.side;
    std::uint32_t flags = flag_stamp(team, triplet, plane_bits(how.channel, how.channels));
    for (int k = 0; k < how.channels; ++k)
        if (!triplet.plane[how.channel[k]].pixels) flags |= flag::missing;
    std::uint32_t refused = flags & flag::missing;
    for (int k = 0; k < how.channels && !(flags & flag::missing); ++k)
        refused |= prepare_square(team, triplet, how.channel[k], how.side, how.chain,
                                  out + k * static_cast<std::int64_t>(pixels), s, flags);
    if (refused)
        for (int k = 0; k < how.channels; ++k)
            team.for_each(pixels, [&](int i) { out[k * static_cast<std::int64_t>(pixels) + i] = quiet_nan(); });
    return flags | refused;
}

}  // namespace
}  // namespace s2v::kernel
