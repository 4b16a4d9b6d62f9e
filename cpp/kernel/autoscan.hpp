// The eighteen autoScan stamp features of one candidate. Their definitions are in registry.json.
#pragma once

#include "aperture.hpp"
#include "block_means.hpp"
#include "brightness.hpp"
#include "column_medians.hpp"
#include "counts.hpp"
#include "feature_sets.hpp"
#include "gaussian_fit.hpp"
#include "lacosmic.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

enum class Convention { kCode = 0, kPaper = 1 };

union AutoscanScratch {  // one after the other
    alignas(64) float r[kBlockPixels];
    alignas(64) ColumnScratch columns;
    alignas(64) FitScratch fit;
    alignas(64) LacosmicScratch lacosmic;
};

// What the set takes from a window as it was cut, nulls and all.
struct RawFeatures {
    double flux;   // in the aperture
    bool has_r;    // R is defined; if not, what follows is not
    int below[4];  // how often R is at most (or below) -2, -3 in the box of 5x5, and in that of 7x7
    int above[4];  // and at least 2, 3
    int negative;  // in the box of 7x7
    double sum;    // in the box of 5x5
};

// L1, from the pixels before they are scaled and in double: the sum of B nearly cancels.
template <class Team>
S2V_STAGE double summed_brightness(const Team &team, const float *window, const BrightnessScale &scale) {
    S2V_IN_SCRATCH(window);
    const double centre = static_cast<double>(scale.level.median);
    double total[2];
    team.template sums<2>(kWindowPixels, total, [&](int i, auto add) {
        const double x = window[i] == window[i] ? static_cast<double>(window[i]) - centre : 0.0;
        add(0, x);
        add(1, absolute(x));
    });
    const double sum = total[0] / static_cast<double>(scale.largest);
    const double size = total[1] / static_cast<double>(scale.largest);
    return (sum < 0.0 ? -size : size) / square_root(absolute(sum));
}

// B features: L1, and of the parts COLMEDS, the fit, LACOSMIC. The window, whose masked pixels are NaN, is overwritten.
template <class Team>
S2V_PART void brightness_features(const Team &team, const PlaneLevel &level, std::uint32_t parts, float *window,
                                  AutoscanScratch &s, double (&value)[kStampFeatures], std::uint32_t &flags) {
    const BrightnessScale scale = brightness_scale(level);
    value[feature::L1] = summed_brightness(team, window, scale);
    if (!(parts & (kColumnMedianPart | kFitPart | kFineStructurePart))) return;
    float *const b = window;
    scale_brightness(team, scale, b);
    if (parts & kColumnMedianPart)
        value[feature::COLMEDS] = static_cast<double>(largest_column_median(team, b, s.columns));
    if (!(parts & (kFitPart | kFineStructurePart))) return;
    team.sync();
    fill_absent(team, b);
    if (parts & kFitPart) {
        const GaussianFit fit = fit_gaussian(team, b, scale.level.valid, s.fit);
        value[feature::AMP] = static_cast<double>(fit.amplitude);
        value[feature::SCALE] = static_cast<double>(fit.scale);
        value[feature::GAUSS] = static_cast<double>(fit.residual);
        if (!fit.converged) flags |= flag::fit_failed;
    }
    if (!(parts & kFineStructurePart)) return;
    // B rises with the pixel, so the brightest of B is that of the brightest pixel.
    value[feature::LACOSMIC] = static_cast<double>(Brightness(scale)(scale.level.largest)) /
                               static_cast<double>(largest_fine_structure(team, b, s.lacosmic));
}

// The features of R in the boxes, and the flux; `r` is scratch.
template <class Team>
S2V_PART void raw_features(const Team &team, const float *window, Convention convention, float *r, RawFeatures &raw) {
    S2V_IN_SCRATCH(r);
    const bool strict = convention == Convention::kPaper;
    team.sync();  // `r` may still be read
    raw.has_r = normalise_r(team, window, r);
    if (raw.has_r) {
        for (int k = 0; k < 4; ++k) {
            const int side = k < 2 ? 5 : 7;
            const float limit = k % 2 ? 3.0f : 2.0f;
            raw.below[k] = count_below(team, r, side, limit, strict);
            raw.above[k] = count_above(team, r, side, limit);
        }
        raw.negative = count_below(team, r, 7, 0.0f, true);
        raw.sum = box_sum(team, r, 5);
    }
    raw.flux = aperture_flux(team, window);
}

// R features of the difference alone, and those that set it against the template.
S2V_HD inline void count_features(const RawFeatures &d, const RawFeatures &t, double (&value)[kStampFeatures]) {
    value[feature::N2SIG3] = d.below[0];
    value[feature::N3SIG3] = d.below[1];
    value[feature::N2SIG5] = d.below[2];
    value[feature::N3SIG5] = d.below[3];
    value[feature::NUMNEGRN] = d.negative;
    value[feature::DIFFSUMRN] = d.sum;
    if (!t.has_r) return;
    value[feature::N2SIG3SHIFT] = d.above[0] - t.above[0];
    value[feature::N3SIG3SHIFT] = d.above[1] - t.above[1];
    value[feature::N2SIG5SHIFT] = d.above[2] - t.above[2];
    value[feature::N3SIG5SHIFT] = d.above[3] - t.above[3];
}

// What the set knows of the template; `wanted`: it is looked at where there is one, `there`: there is, `constant`: its
// pixels have one value.
struct TemplateFeatures {
    bool wanted;
    bool there;
    bool constant;
    RawFeatures raw;
};

// Writes the values of the set that are defined, and returns the flags. The window is that of the difference, its
// masked pixels NaN; it is overwritten.
template <class Team>
S2V_PART std::uint32_t autoscan_features(const Team &team, const PlaneLevel &level, const RawFeatures &difference,
                                         const TemplateFeatures &reference, Convention convention, std::uint32_t parts,
                                         float *window, AutoscanScratch &s, double (&value)[kStampFeatures]) {
    std::uint32_t flags = reference.wanted && !reference.there ? flag::missing : 0;
    value[feature::MASKFRAC] = (kWindow * kWindow - level.valid) / static_cast<double>(kWindow * kWindow);
    if (level.constant) return flags | flag::constant;
    if (reference.there) {
        const double flux = difference.flux;
        const double reference_flux = reference.raw.flux;
        value[feature::FLUX_RATIO] =
            (convention == Convention::kCode ? flux - reference_flux : flux) / absolute(reference_flux);
        if (!reference.raw.has_r) flags |= reference.constant ? flag::constant : flag::zero_scale;
    }
    if (difference.has_r)
        count_features(difference, reference.raw, value);
    else
        flags |= flag::zero_scale;
    brightness_features(team, level, parts, window, s, value, flags);
    return flags;
}

}  // namespace
}  // namespace s2v::kernel
