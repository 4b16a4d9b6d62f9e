// Planes in which -0 stands for a pixel without a value, instead of NaN. No other pixel is -0, and -0 counts as 0 in
// every sum and comparison.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {
namespace {

inline constexpr float kAbsent = -0.0f;

S2V_HD inline bool is_absent(float x) {
    return float_to_bits(x) == 0x80000000u;
}

// Replaces each NaN of a window, which has no -0, by kAbsent.
template <class Team>
S2V_STAGE void fill_absent(const Team &team, float *window) {
    S2V_IN_SCRATCH(window);
    team.for_each(kWindowPixels, [&](int i) { window[i] = window[i] == window[i] ? window[i] : kAbsent; });
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
