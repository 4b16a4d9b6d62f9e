// Recipes of several chains: each gives every plane once. A plane that a model can do without may be absent.
#pragma once

#include "compose.hpp"
#include "row_rule.hpp"

namespace s2v::kernel {

inline constexpr int kMostViews = 4;

// The chains of a recipe on a square around the candidate. In its output the planes of the first chain come first.
struct ViewRecipe {
    int side;
    int channels;
    int channel[3];
    int views;
    Chain chain[kMostViews];
};

namespace {

// The flags of the planes of a row before any is prepared.
struct PlaneFlags {
    std::uint32_t flags;
    std::uint32_t refused;  // of these, the flags that forbid to prepare anything
};

// needs: those of the model; none where there is no model.
template <class Team>
S2V_HD PlaneFlags flag_planes(const Team &team, const Triplet &triplet, const ViewRecipe &how,
                              const ModelNeeds &needs) {
    std::uint32_t flags = 0;
    if (!needs.flags_measured) flags = flag_stamp(team, triplet, plane_bits(how.channel, how.channels));
    int there = 0;
    for (int k = 0; k < how.channels; ++k) {
        if (triplet.plane[how.channel[k]].pixels)
            ++there;
        else
            flags |= flag::missing;
    }
    const bool absent_allowed = lacks_only_optional(needs, absent_planes(triplet));
    return {flags, there == 0 || !absent_allowed ? flags & flag::missing : 0u};
}

// Writes the planes of every chain and returns the flags. A plane that is absent becomes 0 where the model can do
// without; a row that is refused becomes NaN throughout.
template <class Team>
S2V_PART std::uint32_t prepare_views(const Team &team, const Triplet &triplet, const ViewRecipe &how,
                                     const ModelNeeds &needs, float *out, StepScratch &s) {
    const int pixels = how.side * how.side;
    const PlaneFlags met = flag_planes(team, triplet, how, needs);
    std::uint32_t flags = met.flags;
    std::uint32_t refused = met.refused;
    const int planes = refused ? 0 : how.views * how.channels;
    for (int plane = 0; plane < planes; ++plane) {
        const int channel = how.channel[plane % how.channels];
        float *const target = out + static_cast<std::int64_t>(plane) * pixels;
        if (triplet.plane[channel].pixels)
            refused |=
                prepare_square(team, triplet, channel, how.side, how.chain[plane / how.channels], target, s, flags);
        else
            team.for_each(pixels, [&](int i) { target[i] = 0.0f; });
    }
    team.sync();
    if (refused) team.for_each(how.views * how.channels * pixels, [&](int i) { out[i] = quiet_nan(); });
    return flags | refused;
}

}  // namespace
}  // namespace s2v::kernel
