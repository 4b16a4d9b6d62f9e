// autoScan's two normalisations: R (block means in units of the noise) and B (relative to the brightest pixel).
// Source: Goldstein et al. 2015, AJ 150, 82, sections 3.2 and 3.3, and the released code.
#pragma once

#include "order.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kBlocks = kWindow / 2;
inline constexpr int kBlockStride = 32;
inline constexpr int kBlockPixels = kBlocks * kBlockStride;
inline constexpr float kMadToSigma = 1.4826f;

// The means of the 2x2 blocks of a window, less `pedestal`; masked blocks are NaN. In double: the noise must survive a
// bright sky, and four large pixels must not overflow.
template <class Team>
S2V_HD void block_means(const Team &team, const float *window, double pedestal, float *r) {
    for (int y = 0; y < kBlocks; ++y) {
        const float *const upper = window + 2 * y * kStride;
        const float *const lower = upper + kStride;
        float *const line = r + y * kBlockStride;
        team.for_each(kBlockStride, [&](int x) {
            const double mean = ((static_cast<double>(upper[2 * x]) + static_cast<double>(upper[2 * x + 1])) +
                                 (static_cast<double>(lower[2 * x]) + static_cast<double>(lower[2 * x + 1]))) *
                                0.25;
            const bool usable = x < kBlocks && !(absolute(mean) < 1e-29);
            line[x] = usable ? static_cast<float>(mean - pedestal) + 0.0f : quiet_nan();
        });
    }
    team.sync();
}

// R from a window; masked blocks are NaN. False if the scale is 0 or nothing is usable: R is not defined then. The
// median is taken off twice: the first time, as the level of the sky, before anything is rounded to float32.
template <class Team>
S2V_STAGE bool normalise_r(const Team &team, const float *window, float *r) {
    S2V_IN_SCRATCH(window);
    S2V_IN_SCRATCH(r);
    block_means(team, window, 0.0, r);
    const int valid = team.count(kBlockPixels, [&](int i) { return r[i] == r[i]; });
    if (!valid) return false;
    const float sky = median(team, kBlockPixels, valid, ScratchValues{r});
    // Taking off a pedestal keeps the order: a block that alone has the median stays the one in the middle.
    const bool alone = valid % 2 && team.count(kBlockPixels, [&](int i) { return r[i] == sky; }) == 1;
    const int middle = alone ? team.first(0, kBlockPixels, [&](int i) { return r[i] == sky; }) : 0;
    team.sync();
    block_means(team, window, static_cast<double>(sky), r);
    const float centre = alone ? r[middle] : median(team, kBlockPixels, valid, ScratchValues{r});
    const float mad = median(team, kBlockPixels, valid, ScratchDeviations{r, centre});
    const float scale = kMadToSigma * mad;
    if (!(scale > 0.0f)) return false;
    team.sync();  // all lanes have read the middle
    team.for_each(kBlockPixels, [&](int i) { r[i] = (r[i] - centre) / scale; });
    team.sync();
    return true;
}

// The pixels of a window that are usable, and where they lie. Several sets of features need it of one window.
struct PlaneLevel {
    int valid;      // how many there are
    bool constant;  // they all have one value, or there is none
    float median;   // not measured where they are constant
    float smallest;
    float largest;
};

// The level of a window whose masked pixels are NaN.
template <class Team>
S2V_STAGE PlaneLevel measure_level(const Team &team, const float *window) {
    S2V_IN_SCRATCH(window);
    PlaneLevel level{};
    level.valid = team.count(kWindowPixels, [&](int i) { return window[i] == window[i]; });
    level.largest = team.max(kWindowPixels, -kInfinity, [&](int i) { return window[i]; });
    level.smallest = team.min(kWindowPixels, kInfinity, [&](int i) { return window[i]; });
    level.constant = !(level.largest > level.smallest);
    if (!level.constant) level.median = median(team, kWindowPixels, level.valid, ScratchValues{window});
    return level;
}

// What B was made with.
struct BrightnessScale {
    PlaneLevel level;
    float largest;  // max |I|
};

S2V_HD inline BrightnessScale brightness_scale(const PlaneLevel &level) {
    const float high = absolute(level.largest);
    const float low = absolute(level.smallest);
    return {level, high > low ? high : low};
}

// From a pixel to B, in a window that is not constant.
struct Brightness {
    float by;
    float centre;
    float divisor;

    // The difference of large pixels may exceed float32: all are halved then, which costs no bits.
    S2V_HD explicit Brightness(const BrightnessScale &scale)
        : by(scale.largest > 1e38f ? 0.5f : 1.0f), centre(scale.level.median * by), divisor(scale.largest * by) {}

    S2V_HD float operator()(float pixel) const {
        return (pixel * by - centre) / divisor + 0.0f;  // + 0 turns -0 into 0
    }
};

// B from a window whose masked pixels are NaN, in place. The window is not constant.
template <class Team>
S2V_STAGE void scale_brightness(const Team &team, const BrightnessScale &scale, float *b) {
    S2V_IN_SCRATCH(b);
    const Brightness brightness(scale);
    team.sync();  // `b` may still be read
    team.for_each(kWindowPixels, [&](int i) { b[i] = brightness(b[i]); });
    team.sync();
}

// B from a window, in place: NaN where a pixel is masked. Not made where the window is constant.
template <class Team>
S2V_HD BrightnessScale normalise_b(const Team &team, float *window) {
    mask_nulls(team, window);
    const BrightnessScale scale = brightness_scale(measure_level(team, window));
    if (!scale.level.constant) scale_brightness(team, scale, window);
    return scale;
}

}  // namespace
}  // namespace s2v::kernel
