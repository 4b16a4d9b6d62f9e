// The set s2v: features from the pixels alone, in units of the noise and of the PSF. Their definitions are in
// registry.json.
#pragma once

#include "moment_features.hpp"
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
    alignas(64) float core[3][kCorePixels];
    alignas(64) float masked[3][kWindowPixels];  // windows without null pixels
    union {                                      // one after the other
        alignas(64) ShapeScratch shapes;
        alignas(64) MomentFeatureScratch moments;
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

// The group `mask`. `science` is null where the plane is missing.
template <class Team>
S2V_STAGE void mask_features(const Team &team, const float *difference, int valid, const float *science,
                             float saturation, double (&value)[kStampFeatures]) {
    constexpr int box = kMaskBox * kMaskBox;
    constexpr double pixels = kWindow * kWindow;
    const int bad = team.count(box, [&](int i) {
        const float x = middle_pixel(difference, kMaskBox, i);
        return x != x;
    });
    value[feature::bad_core] = bad / static_cast<double>(box);
    value[feature::bad_fraction] = (kWindow * kWindow - valid) / pixels;
    if (!science || saturation != saturation) return;
    const int core = team.count(box, [&](int i) { return middle_pixel(science, kMaskBox, i) >= saturation; });
    value[feature::saturated_core] = core / static_cast<double>(box);
    value[feature::saturated_fraction] =
        team.count(kWindowPixels, [&](int i) { return science[i] >= saturation; }) / pixels;
}

// The group `noise`.
template <class Team>
S2V_STAGE void noise_features(const Team &team, const MeasuredPlanes &planes, double (&value)[kStampFeatures]) {
    const PlaneNoise &noise = planes.noise[kDifference];
    const double sigma = static_cast<double>(noise.sigma);
    const double polarity = static_cast<double>(planes.polarity);
    value[feature::background] = polarity * (static_cast<double>(noise.median) / sigma);
    const double science = static_cast<double>(planes.noise[kScience].sigma);
    const double reference = static_cast<double>(planes.noise[kTemplate].sigma);
    if (science > 0.0 && reference > 0.0)
        value[feature::noise_ratio] = sigma / square_root(science * science + reference * reference);
    const float *const window = planes.window[kDifference];
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

// A copy of a window, in which null pixels are NaN too.
template <class Team>
S2V_HD const float *without_nulls(const Team &team, const float *window, float *memory) {
    team.for_each(kWindowPixels, [&](int i) { memory[i] = is_masked(window[i]) ? quiet_nan() : window[i]; });
    team.sync();
    return memory;
}

// Writes the values of the set that are defined, and returns the flags. The difference is there. It may be alone: of a
// pair of planes, one is missing. `level` is that of the difference, or null where it is still to be measured.
template <class Team>
S2V_HD std::uint32_t s2v_features(const Team &team, const Windows &windows, float saturation, const PlaneLevel *level,
                                  S2vScratch &s, double (&value)[kStampFeatures]) {
    team.sync();  // what shares its memory with the scratch may still be read
    MeasuredPlanes planes{};
    planes.saturation = saturation;
    for (int k = 0; k < 3; ++k) {
        if (!windows.plane[k]) continue;
        const float *const window = windows.plane[k];
        planes.window[k] = windows.nulls[k] ? without_nulls(team, window, s.masked[k]) : window;
        const bool known = k == kDifference && level;
        planes.noise[k] = measure_noise(team, planes.window[k], known ? *level : measure_level(team, planes.window[k]));
    }
    const bool pair = !windows.plane[kScience] != !windows.plane[kTemplate];
    std::uint32_t flags = pair ? flag::missing : 0;
    for (int k = 0; k < 3; ++k)
        if (k != kDifference && windows.plane[k] && !(planes.noise[k].sigma > 0.0f)) flags |= flag::zero_scale;
    const PlaneNoise &noise = planes.noise[kDifference];
    mask_features(team, planes.window[kDifference], noise.valid, planes.window[kScience], saturation, value);
    if (!(noise.sigma > 0.0f)) return flags | (noise.constant ? flag::constant : flag::zero_scale);
    planes.polarity = measure_polarity(team, planes.window[kDifference], noise);
    value[feature::polarity] = static_cast<double>(planes.polarity);
    for (int k = 0; k < 3; ++k) {
        if (!(planes.noise[k].sigma > 0.0f)) continue;
        const float sign = k == kDifference ? planes.polarity : 1.0f;
        cut_core(team, planes.window[k], planes.noise[k], sign, kWindow / 2, kWindow / 2, s.core[k]);
        planes.core[k] = s.core[k];
    }
    noise_features(team, planes, value);
    shape_features(team, planes, s.shapes, value);
    return flags | moment_features(team, planes, s.moments, value);
}

}  // namespace
}  // namespace s2v::kernel
