// The features of the stamps of one candidate: the sets autoscan and s2v. Their definitions are in registry.json.
#pragma once

#include "autoscan.hpp"
#include "feature_sets.hpp"
#include "s2v_set.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

struct FeatureScratch {
    alignas(64) float window[3][kWindowPixels];
    union {  // one after the other
        alignas(64) AutoscanScratch autoscan;
        alignas(64) S2vScratch s2v;
    };
};

// Writes the features of the sets, NaN where undefined, and returns the flags.
template <class Team>
S2V_HD std::uint32_t stamp_features(const Team &team, const Triplet &triplet, int sets, Convention convention,
                                    float *out, FeatureScratch &s) {
    constexpr unsigned autoscan_planes = 1u << kTemplate | 1u << kDifference;
    constexpr unsigned all_planes = autoscan_planes | 1u << kScience;
    double value[kStampFeatures];
    for (double &v : value) v = static_cast<double>(quiet_nan());
    std::uint32_t flags = is_saturated(team, triplet) ? flag::saturated : 0;
    if (triplet.plane[kDifference].pixels) {
        const unsigned planes = sets & kS2vSet ? all_planes : autoscan_planes;
        const Windows windows = cut_windows(team, triplet, planes, s.window, flags);
        const bool both = sets == (kAutoscanSet | kS2vSet);
        PlaneLevel level{};
        if (sets & kAutoscanSet) flags |= autoscan_features(team, windows, convention, s.autoscan, value, level);
        if (sets & kS2vSet)
            flags |= s2v_features(team, windows, triplet.saturation, both ? &level : nullptr, s.s2v, value);
    } else {
        flags |= flag::missing;
    }
    const int start = set_start(sets);
    team.for_each(set_columns(sets), [&](int i) { out[i] = finite_or_nan(value[start + i]); });
    return flags;
}

}  // namespace
}  // namespace s2v::kernel
