// The level of a window, and autoScan's B: its pixels relative to the brightest.
// Source: Goldstein et al. 2015, AJ 150, 82, section 3.3, and the released code.
#pragma once

#include "order.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

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
