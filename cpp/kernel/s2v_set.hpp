// The set s2v: features from the pixels alone, in units of the noise and of the PSF. Their definitions are in
// registry.json.
#pragma once

#include "moment_features.hpp"
#include "nearby_source.hpp"
#include "noise_plane.hpp"
#include "shape_features.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kNoiseRadius = 8;   // outliers are counted beyond
inline constexpr float kOutlier = 3.0f;  // in sigma
inline constexpr int kMaskBox = 7;       // the core for masked and saturated pixels
inline constexpr int kPolarityBox = 5;

struct S2vScratch {
    alignas(64) float core[kCorePixels];         // of one plane after the other
    alignas(64) float science[kLikenessPixels];  // rows of that of the science plane
    union {                                      // one after the other
        alignas(64) float r[kBlockPixels];       // lent to the set autoscan while planes are cut
        alignas(64) ShapeScratch shapes;
        alignas(64) MomentScratch moments;
    };
};

// Pixel i of a box of `side` in the middle of a window.
S2V_HD inline float middle_pixel(const float *window, int side, int i) {
    const int first = kWindow / 2 - side / 2;
    return window[(first + i / side) * kStride + first + i % side];
}

// 1 where the sum of I - median over the middle is not negative, else -1.
template <class Team>
S2V_HD float measure_polarity(const Team &team, const float *window, const PlaneNoise &noise) {
    const double centre = static_cast<double>(noise.median);
    const double sum = team.sum(kPolarityBox * kPolarityBox, [&](int i) {
        const float x = middle_pixel(window, kPolarityBox, i);
        return x == x ? static_cast<double>(x) - centre : 0.0;
    });
    return sum < 0.0 ? -1.0f : 1.0f;
}

// How many pixels of the science window are saturated, in the core and in all; none where no level is known.
struct SaturatedPixels {
    bool known;
    int core;
    int window;
};

// `window` is that of the science plane.
template <class Team>
S2V_STAGE SaturatedPixels count_saturated(const Team &team, const float *window, float saturation) {
    S2V_IN_SCRATCH(window);
    if (saturation != saturation) return {};
    const int core =
        team.count(kMaskBox * kMaskBox, [&](int i) { return middle_pixel(window, kMaskBox, i) >= saturation; });
    return {true, core, team.count(kWindowPixels, [&](int i) { return window[i] >= saturation; })};
}

// The group `mask`. `window` is that of the difference.
template <class Team>
S2V_STAGE void mask_features(const Team &team, const float *window, int valid, const SaturatedPixels &saturated,
                             double (&value)[kStampFeatures]) {
    S2V_IN_SCRATCH(window);
    constexpr int box = kMaskBox * kMaskBox;
    constexpr double pixels = kWindow * kWindow;
    const int bad = team.count(box, [&](int i) {
        const float x = middle_pixel(window, kMaskBox, i);
        return x != x;
    });
    value[feature::bad_core] = bad / static_cast<double>(box);
    value[feature::bad_fraction] = (kWindow * kWindow - valid) / pixels;
    if (!saturated.known) return;
    value[feature::saturated_core] = saturated.core / static_cast<double>(box);
    value[feature::saturated_fraction] = saturated.window / pixels;
}

// What the set keeps of the planes beside the difference, which are looked at before it.
struct OtherPlanes {
    bool both;  // are wanted
    bool there[3];
    PlaneNoise noise[3];
    SaturatedPixels saturated;
    ScienceSource science;
    NearbySource nearby;
};

// The group `noise`.
template <class Team>
S2V_STAGE void noise_features(const Team &team, const MeasuredDifference &difference, const OtherPlanes &others,
                              double (&value)[kStampFeatures]) {
    const PlaneNoise &noise = difference.noise;
    const double sigma = static_cast<double>(noise.sigma);
    const double polarity = static_cast<double>(difference.polarity);
    value[feature::background] = polarity * (static_cast<double>(noise.median) / sigma);
    const double science = static_cast<double>(others.noise[kScience].sigma);
    const double reference = static_cast<double>(others.noise[kTemplate].sigma);
    if (science > 0.0 && reference > 0.0)
        value[feature::noise_ratio] = sigma / square_root(science * science + reference * reference);
    const float *const window = difference.window;
    S2V_IN_SCRATCH(window);
    const float limit = kOutlier * noise.sigma;
    int outliers = 0;
    int usable = 0;
    for (int r = 0; r < kWindow; ++r) {
        const int dy = r - kWindow / 2;
        const int rest = kNoiseRadius * kNoiseRadius - dy * dy;  // a pixel is inside where dx * dx <= rest
        const float *const line = window + r * kStride;
        usable += team.count(kStride, [&](int c) {
            const int dx = c - kWindow / 2;
            return line[c] == line[c] && dx * dx > rest;
        });
        outliers += team.count(kStride, [&](int c) {
            const int dx = c - kWindow / 2;
            return absolute(line[c] - noise.median) > limit && dx * dx > rest;
        });
    }
    if (usable) value[feature::outlier_fraction] = outliers / static_cast<double>(usable);
}

// Measures a window of the science plane or the template, whose masked pixels are NaN.
template <class Team>
S2V_PART void measure_other(const Team &team, int channel, const float *window, float saturation, std::uint32_t parts,
                            S2vScratch &s, OtherPlanes &others) {
    const PlaneNoise noise = measure_noise(team, window, measure_level(team, window));
    others.there[channel] = true;
    others.noise[channel] = noise;
    if (channel == kScience) others.saturated = count_saturated(team, window, saturation);
    if (!(noise.sigma > 0.0f)) return;
    if (channel == kScience) {
        others.science = measure_science(team, window, noise, saturation, parts, s.core, s.science, s.moments);
    } else {
        cut_core(team, window, noise, 1.0f, kWindow / 2, kWindow / 2, s.core);
        others.nearby = measure_nearby(team, s.core, noise);
    }
}

// Writes the values of the set that are defined, and returns the flags. The window is that of the difference, its
// masked pixels NaN. The difference may be alone: of a pair of planes that are wanted, one is missing.
template <class Team>
S2V_PART std::uint32_t s2v_features(const Team &team, const float *window, const PlaneLevel &level,
                                    const OtherPlanes &others, std::uint32_t parts, S2vScratch &s,
                                    double (&value)[kStampFeatures]) {
    MeasuredDifference difference = {measure_noise(team, window, level), window, s.core, 1.0f};
    const PlaneNoise &noise = difference.noise;
    std::uint32_t flags = others.both && others.there[kScience] != others.there[kTemplate] ? flag::missing : 0;
    for (int k = 0; k < kDifference; ++k)
        if (others.there[k] && !(others.noise[k].sigma > 0.0f)) flags |= flag::zero_scale;
    mask_features(team, window, noise.valid, others.saturated, value);
    if (!(noise.sigma > 0.0f)) return flags | (noise.constant ? flag::constant : flag::zero_scale);
    difference.polarity = measure_polarity(team, window, noise);
    value[feature::polarity] = static_cast<double>(difference.polarity);
    cut_core(team, window, noise, difference.polarity, kWindow / 2, kWindow / 2, s.core);
    noise_features(team, difference, others, value);
    const double flux = shape_features(team, difference, s.shapes, value);
    const double after = others.science.rows ? others.science.flux * static_cast<double>(others.noise[kScience].sigma)
                                             : static_cast<double>(quiet_nan());
    const double sign = static_cast<double>(difference.polarity);
    nearby_source_features(others.nearby, after, sign * (flux * static_cast<double>(noise.sigma)), value);
    return flags | moment_features(team, s.core, others.science, parts, s.moments, value);
}

}  // namespace
}  // namespace s2v::kernel
