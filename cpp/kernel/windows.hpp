// Where the window of a plane lies while it is looked at, and its cutting.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kMargin = 3;  // rows and columns around a window that filters may mirror its pixels into

// A window with room for its margin: the columns beyond a row serve the columns to the left of the next.
struct WindowMemory {
    static constexpr int kBefore = kMargin * kStride + 16;  // a window begins where a vector may
    alignas(64) float pixels[kBefore + (kWindow + kMargin) * kStride + 16];

    S2V_HD float *window() {
        return pixels + kBefore;
    }
};

// Masks the null pixels of a window that has some.
template <class Team>
S2V_STAGE void mask_nulls(const Team &team, float *window) {
    S2V_IN_SCRATCH(window);
    team.sync();  // it may still be read
    team.for_each(kWindowPixels, [&](int i) { window[i] = is_masked(window[i]) ? quiet_nan() : window[i]; });
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
