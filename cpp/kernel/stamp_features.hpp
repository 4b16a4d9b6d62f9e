// The features of the stamps of one candidate: the sets autoscan and s2v. Their definitions are in registry.json.
#pragma once

#include "autoscan.hpp"
#include "feature_sets.hpp"
#include "s2v_set.hpp"
#include "stamp_flags.hpp"
#include "windows.hpp"

#include <cstddef>

namespace s2v::kernel {
namespace {

// The windows are looked at one after the other, the difference last. A choice of sets needs of it as much as
// feature_scratch() says.
struct FeatureScratch {
    WindowMemory window;
    union {
        alignas(64) AutoscanScratch autoscan;
        alignas(64) S2vScratch s2v;  // first, where both are asked for
    };
};

S2V_HD constexpr std::size_t feature_scratch(int sets) {
    return sets & kS2vSet ? sizeof(FeatureScratch) : sizeof(WindowMemory) + sizeof(AutoscanScratch);
}

// Cuts a window and takes from it, for the set autoscan, what is in its raw pixels. Its masked pixels are NaN then.
template <class Team>
S2V_PART void look_at_plane(const Team &team, const Triplet &triplet, int channel, int sets, Convention convention,
                            FeatureScratch &s, RawFeatures &raw, std::uint32_t &flags) {
    float *const window = s.window.window();
    std::uint32_t met = 0;
    cut_window(team, triplet.plane[channel], triplet.row, triplet.column, window, met);
    flags |= met;
    if (sets & kAutoscanSet && channel != kScience)
        raw_features(team, window, convention, sets & kS2vSet ? s.s2v.r : s.autoscan.r, raw);
    if (met & flag::masked_pixels) mask_nulls(team, window);
}

// The values of the sets that are defined. The difference is there.
template <class Team>
S2V_HD std::uint32_t triplet_features(const Team &team, const Triplet &triplet, const Measuring &what,
                                      Convention convention, FeatureScratch &s, double (&value)[kStampFeatures]) {
    const int sets = what.sets;
    float *const window = s.window.window();
    std::uint32_t flags = 0;
    constexpr std::uint32_t kOthers = 1u << kScience | 1u << kTemplate;
    OtherPlanes others{};
    others.both = (what.planes & kOthers) == kOthers;
    RawFeatures difference{};  // of the science plane, none
    TemplateFeatures reference{};
    reference.wanted = (what.planes >> kTemplate & 1u) != 0;
    if (sets & kS2vSet && triplet.plane[kScience].pixels) {
        look_at_plane(team, triplet, kScience, sets, convention, s, difference, flags);
        measure_other(team, kScience, window, triplet.saturation, what.parts, s.s2v, others);
    }
    if (triplet.plane[kTemplate].pixels) {
        reference.there = true;
        look_at_plane(team, triplet, kTemplate, sets, convention, s, reference.raw, flags);
        if (sets & kAutoscanSet && !reference.raw.has_r) reference.constant = measure_level(team, window).constant;
        if (sets & kS2vSet) measure_other(team, kTemplate, window, triplet.saturation, what.parts, s.s2v, others);
    }
    look_at_plane(team, triplet, kDifference, sets, convention, s, difference, flags);
    const PlaneLevel level = measure_level(team, window);
    if (sets & kS2vSet) flags |= s2v_features(team, window, level, others, what.parts, s.s2v, value);
    if (sets & kAutoscanSet)
        flags |=
            autoscan_features(team, level, difference, reference, convention, what.parts, window, s.autoscan, value);
    return flags;
}

// Writes what is measured, NaN where undefined, and returns the flags.
template <class Team>
S2V_HD std::uint32_t stamp_features(const Team &team, const Triplet &given, const Measuring &what,
                                    Convention convention, float *out, FeatureScratch &s) {
    Triplet triplet = given;
    for (int c = 0; c < 3; ++c)
        if (!(what.planes >> c & 1u)) triplet.plane[c].pixels = nullptr;
    double value[kStampFeatures];
    for (double &v : value) v = static_cast<double>(quiet_nan());
    std::uint32_t flags = 0;
    if (triplet.plane[kDifference].pixels)
        flags |= triplet_features(team, triplet, what, convention, s, value);
    else
        flags |= flag::missing;
    flags |= flag_stamp(team, given, what.planes);
    const int start = set_start(what.sets);
    team.for_each(set_columns(what.sets), [&](int i) { out[i] = finite_or_nan(value[start + i]); });
    return flags;
}

}  // namespace
}  // namespace s2v::kernel
