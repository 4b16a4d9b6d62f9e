// Recipes of several chains where planes are staged in a near scratch, as on a device: a plane is cut once for all of
// its chains, and goes where it is wanted as floats or as the bytes of a network.
#pragma once

#include "plane_bytes.hpp"
#include "views.hpp"

namespace s2v::kernel {

// Where the planes of a row go.
struct PlaneTarget {
    float *planes;         // (views * channels, pixels), or null
    std::uint32_t *bytes;  // (views * channels, plane_words) where it is null
    const float *scale;    // (views * channels), for the bytes
};

namespace {

// Where a team works on them.
struct ViewScratch {
    float *stage;  // room for a plane and whole fours, on a multiple of 16 bytes; null: floats are made in place
    float *kept;   // room for a plane, which lies there until its last chain, or null: it is cut again for each
    StepScratch *steps;
};

template <class Team>
S2V_STAGE void store_plane(const Team &team, const float *x, int pixels, int plane, const PlaneTarget &to) {
    if (to.planes) {
        float *const out = to.planes + static_cast<std::int64_t>(plane) * pixels;
        team.for_each(pixels, [&](int i) { out[i] = x[i]; });
        return;
    }
    team.sync();
    write_bytes(team, x, pixels, to.scale[plane], to.bytes + static_cast<std::int64_t>(plane) * plane_words(pixels));
}

template <class Team>
S2V_HD void store_zeros(const Team &team, int pixels, int plane, const PlaneTarget &to) {
    if (to.planes) {
        float *const out = to.planes + static_cast<std::int64_t>(plane) * pixels;
        team.for_each(pixels, [&](int i) { out[i] = 0.0f; });
        return;
    }
    std::uint32_t *const out = to.bytes + static_cast<std::int64_t>(plane) * plane_words(pixels);
    team.for_each(plane_words(pixels), [&](int i) { out[i] = kZeroBytes; });
}

// One plane by every chain; returns the flags for which the row is refused.
template <class Team>
S2V_HD std::uint32_t prepare_channel_views(const Team &team, const Triplet &triplet, const ViewRecipe &how, int channel,
                                           const PlaneTarget &to, const ViewScratch &s, std::uint32_t &flags) {
    const int pixels = how.side * how.side;
    std::uint32_t refused = 0;
    int usable = 0;
    bool one_value = false;
    for (int view = 0; view < how.views; ++view) {
        const int plane = view * how.channels + channel;
        float *const out = s.stage ? nullptr : to.planes + static_cast<std::int64_t>(plane) * pixels;
        float *const cut = s.kept ? s.kept : s.stage ? s.stage : out;
        if (view == 0 || !s.kept) {
            usable = cut_square(team, triplet.plane[how.channel[channel]], triplet.row, triplet.column, how.side, cut,
                                flags);
            one_value = has_one_value(team, cut, pixels);
        }
        float *const x = s.kept && view + 1 < how.views ? s.stage : cut;
        if (x != cut) {
            team.sync();  // it may still be read
            team.for_each(pixels, [&](int i) { x[i] = cut[i]; });
            team.sync();
        }
        refused |= one_value ? flag::constant : apply_chain(team, how.chain[view], x, pixels, usable, 0.0f, *s.steps);
        if (!out) store_plane(team, x, pixels, plane, to);
    }
    return refused;
}

// As prepare_views. Bytes of a row that is refused are not to be used.
template <class Team>
S2V_HD std::uint32_t prepare_staged_views(const Team &team, const Triplet &triplet, const ViewRecipe &how,
                                          const ModelNeeds &needs, const PlaneTarget &to, const ViewScratch &s) {
    const int pixels = how.side * how.side;
    const PlaneFlags met = flag_planes(team, triplet, how, needs);
    std::uint32_t flags = met.flags;
    std::uint32_t refused = met.refused;
    for (int k = 0; k < how.channels && !met.refused; ++k) {
        if (triplet.plane[how.channel[k]].pixels)
            refused |= prepare_channel_views(team, triplet, how, k, to, s, flags);
        else
            for (int view = 0; view < how.views; ++view) store_zeros(team, pixels, view * how.channels + k, to);
    }
    team.sync();
    float *const planes = to.planes;
    if (refused && planes) team.for_each(how.views * how.channels * pixels, [&](int i) { planes[i] = quiet_nan(); });
    return flags | refused;
}

}  // namespace
}  // namespace s2v::kernel
