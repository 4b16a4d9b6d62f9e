// Recipes that are chains of steps on a square around the candidate.
#pragma once

#include "stamp.hpp"
#include "steps.hpp"

namespace s2v::kernel {
namespace {

struct Composition {
    int side;
    int channels;
    int channel[3];
    Chain chain;
};

// Cuts a square of `side` pixels around the candidate, which lands on (side / 2, side / 2): NaN where a pixel is
// outside the stamp, null or not finite. Adds to `flags` what it meets; returns how many pixels are usable.
template <class Team>
S2V_STAGE int cut_square(const Team &team, const Plane &plane, int row, int column, int side, float *out,
                         std::uint32_t &flags) {
    const int top = row - side / 2;
    const int left = column - side / 2;
    const int width = plane.width - left < side ? plane.width - left : side;
    const int begin = left > 0 ? 0 : -left < side ? -left : side;
    const int end = width > begin ? width : begin;
    int usable = 0;
    int nulls = 0;
    int seen = 0;
    team.sync();  // `out` may still be read
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
    team.sync();
    if (nulls) flags |= flag::masked_pixels;
    if (usable + nulls < seen) flags |= flag::nan_pixels;
    if (top < 0 || left < 0 || top + side > plane.height || left + side > plane.width) flags |= flag::padded;
    return usable;
}

// Writes the square of one plane, normalised by a chain, 0 where there is no usable pixel. Adds to `flags` what it
// meets; returns the flags for which the row is refused. `stage` is where the plane lies while steps are applied to it,
// if that is not to be where it is written.
template <class Team>
S2V_HD std::uint32_t prepare_square(const Team &team, const Triplet &triplet, int channel, int side, const Chain &chain,
                                    float *target, StepScratch &s, float *stage, std::uint32_t &flags) {
    const int pixels = side * side;
    float *const plane = stage ? stage : target;
    const int usable = cut_square(team, triplet.plane[channel], triplet.row, triplet.column, side, plane, flags);
    const std::uint32_t refused =
        has_one_value(team, plane, pixels) ? flag::constant : apply_chain(team, chain, plane, pixels, usable, 0.0f, s);
    if (stage) team.for_each(pixels, [&](int i) { target[i] = plane[i]; });
    return refused;
}

// Writes every plane of a composition, or NaN throughout where the row is refused, and returns the flags. Every plane
// is looked at even so: the flags tell all that is wrong.
template <class Team>
S2V_PART std::uint32_t prepare_composition(const Team &team, const Triplet &triplet, const Composition &how, float *out,
                                           StepScratch &s, float *stage = nullptr) {
    const int pixels = how.side * how.side;
    std::uint32_t flags = is_saturated(team, triplet) ? flag::saturated : 0;
    for (int k = 0; k < how.channels; ++k)
        if (!triplet.plane[how.channel[k]].pixels) flags |= flag::missing;
    std::uint32_t refused = flags & flag::missing;
    for (int k = 0; k < how.channels && !(flags & flag::missing); ++k)
        refused |= prepare_square(team, triplet, how.channel[k], how.side, how.chain,
                                  out + k * static_cast<std::int64_t>(pixels), s, stage, flags);
    if (refused)
        for (int k = 0; k < how.channels; ++k)
            team.for_each(pixels, [&](int i) { out[k * static_cast<std::int64_t>(pixels) + i] = quiet_nan(); });
    return flags | refused;
}

}  // namespace
}  // namespace s2v::kernel
