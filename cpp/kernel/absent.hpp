// Planes without NaN: a pixel that is not there is -0, which no other pixel has, and which counts as 0 in every sum and
// comparison.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {
namespace {

inline constexpr float kAbsent = -0.0f;

S2V_HD inline bool is_absent(float x) {
    return float_to_bits(x) == 0x80000000u;
}

// Puts kAbsent where a window has NaN. It has no -0.
template <class Team>
S2V_STAGE void fill_absent(const Team &team, float *window) {
    S2V_IN_SCRATCH(window);
    team.for_each(kWindowPixels, [&](int i) { window[i] = window[i] == window[i] ? window[i] : kAbsent; });
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
