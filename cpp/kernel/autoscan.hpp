// The eighteen autoScan stamp features of one candidate. Their definitions are in registry.json.
#pragma once

#include "aperture.hpp"
#include "column_medians.hpp"
#include "counts.hpp"
#include "gaussian_fit.hpp"
#include "lacosmic.hpp"
#include "normalise.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

enum class Convention { kCode = 0, kPaper = 1 };

struct AutoscanScratch {
    alignas(64) float b[kWindowPixels];
    alignas(64) float r_difference[kBlockPixels];
    alignas(64) float r_template[kBlockPixels];
    alignas(64) ColumnScratch columns;
    union {  // one after the other
        alignas(64) LacosmicScratch lacosmic;
        alignas(64) FitScratch fit;
    };
};

// L1, from the raw pixels and in double: the sum of B nearly cancels.
template <class Team>
S2V_STAGE double summed_brightness(const Team &team, const float *window, const BrightnessScale &scale) {
    const double centre = static_cast<double>(scale.level.median);
    double total[2];
    team.template sums<2>(kWindowPixels, total, [&](int i, auto add) {
        const double x = is_masked(window[i]) ? 0.0 : static_cast<double>(window[i]) - centre;
        add(0, x);
        add(1, absolute(x));
    });
    const double sum = total[0] / static_cast<double>(scale.largest);
    const double size = total[1] / static_cast<double>(scale.largest);
    return (sum < 0.0 ? -size : size) / square_root(absolute(sum));
}

// B features: the fit, LACOSMIC, COLMEDS, L1.
template <class Team>
S2V_HD void brightness_features(const Team &team, const float *window, const BrightnessScale &scale, AutoscanScratch &s,
                                double (&value)[kStampFeatures], std::uint32_t &flags) {
    value[feature::L1] = summed_brightness(team, window, scale);
    value[feature::COLMEDS] = static_cast<double>(largest_column_median(team, s.b, s.columns));
    const float brightest = team.max(kWindowPixels, -kInfinity, [&](int i) { return s.b[i]; });
    value[feature::LACOSMIC] =
        static_cast<double>(brightest) / static_cast<double>(largest_fine_structure(team, s.b, s.lacosmic));
    const GaussianFit fit = fit_gaussian(team, s.b, scale.level.valid, s.fit);
    value[feature::AMP] = static_cast<double>(fit.amplitude);
    value[feature::SCALE] = static_cast<double>(fit.scale);
    value[feature::GAUSS] = static_cast<double>(fit.residual);
    if (!fit.converged) flags |= flag::fit_failed;
}

// R features of the difference alone, and those that set it against the template.
template <class Team>
S2V_HD void count_features(const Team &team, const AutoscanScratch &s, bool with_template, Convention convention,
                           double (&value)[kStampFeatures]) {
    const bool strict = convention == Convention::kPaper;
    const float *const d = s.r_difference;
    const float *const t = s.r_template;
    value[feature::N2SIG3] = count_below(team, d, 5, 2.0f, strict);
    value[feature::N3SIG3] = count_below(team, d, 5, 3.0f, strict);
    value[feature::N2SIG5] = count_below(team, d, 7, 2.0f, strict);
    value[feature::N3SIG5] = count_below(team, d, 7, 3.0f, strict);
    value[feature::NUMNEGRN] = count_below(team, d, 7, 0.0f, true);
    value[feature::DIFFSUMRN] = box_sum(team, d, 5);
    if (!with_template) return;
    value[feature::N2SIG3SHIFT] = count_above(team, d, 5, 2.0f) - count_above(team, t, 5, 2.0f);
    value[feature::N3SIG3SHIFT] = count_above(team, d, 5, 3.0f) - count_above(team, t, 5, 3.0f);
    value[feature::N2SIG5SHIFT] = count_above(team, d, 7, 2.0f) - count_above(team, t, 7, 2.0f);
    value[feature::N3SIG5SHIFT] = count_above(team, d, 7, 3.0f) - count_above(team, t, 7, 3.0f);
}

// Writes the values of the set that are defined, and the level of the difference, which is there; returns the flags.
template <class Team>
S2V_HD std::uint32_t autoscan_features(const Team &team, const Windows &windows, Convention convention,
                                       AutoscanScratch &s, double (&value)[kStampFeatures], PlaneLevel &level) {
    const float *const difference = windows.plane[kDifference];
    const float *const reference = windows.plane[kTemplate];
    std::uint32_t flags = reference ? 0 : flag::missing;
    const BrightnessScale scale = normalise_b(team, difference, s.b);
    level = scale.level;
    value[feature::MASKFRAC] = (kWindow * kWindow - scale.level.valid) / static_cast<double>(kWindow * kWindow);
    if (scale.level.constant) return flags | flag::constant;
    brightness_features(team, difference, scale, s, value, flags);
    const bool with_difference = normalise_r(team, difference, s.r_difference);
    bool with_template = false;
    if (reference) {
        const double flux = aperture_flux(team, difference);
        const double reference_flux = aperture_flux(team, reference);
        value[feature::FLUX_RATIO] =
            (convention == Convention::kCode ? flux - reference_flux : flux) / absolute(reference_flux);
        with_template = normalise_r(team, reference, s.r_template);
        if (!with_template)
            flags |= normalise_b(team, reference, s.b).level.constant ? flag::constant : flag::zero_scale;
    }
    if (with_difference)
        count_features(team, s, with_template, convention, value);
    else
        flags |= flag::zero_scale;
    return flags;
}

}  // namespace
}  // namespace s2v::kernel
