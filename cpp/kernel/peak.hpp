// The brightest pixel of a core near the candidate.
#pragma once

#include "noise_plane.hpp"

namespace s2v::kernel {
namespace {

// A pixel of a core; `value` is NaN where there is none.
struct Peak {
    int row;
    int column;
    float value;
};

// The largest pixel among those `reach` rows or fewer from the candidate for which inside(dy, dx) holds; the first in
// rows where several are.
template <class Team, class F>
S2V_HD Peak find_peak(const Team &team, const float *core, int reach, F inside) {
    const float *const box = core + (kCoreRow - reach) * kCoreStride;
    const int n = (2 * reach + 1) * kCoreStride;
    const auto pixel = [&](int i) {
        return inside(i / kCoreStride - reach, i % kCoreStride - kCoreColumn) ? box[i] : quiet_nan();
    };
    const float largest = team.max(n, -kInfinity, pixel);
    const int at = team.first(0, n, [&](int i) { return pixel(i) == largest; });
    if (at == n) return {kCoreRow, kCoreColumn, quiet_nan()};
    return {kCoreRow - reach + at / kCoreStride, at % kCoreStride, largest};
}

// The brightest pixel p of the difference, in a box of 7x7.
inline constexpr int kPeakReach = 3;

template <class Team>
S2V_STAGE Peak brightest_in_box(const Team &team, const float *core) {
    S2V_IN_SCRATCH(core);
    return find_peak(team, core, kPeakReach, [](int, int dx) { return dx >= -kPeakReach && dx <= kPeakReach; });
}

}  // namespace
}  // namespace s2v::kernel
