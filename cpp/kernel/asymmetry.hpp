// How the difference changes under half a turn about its peak. Source: Conselice 2003, ApJS 147, 1.
#pragma once

#include "peak.hpp"

namespace s2v::kernel {
namespace {

// Sum |D(p + x) - D(p - x)| / sum |D(p + x)| in a box of 15x15. Half of the box has every pair once; the pixel p, its
// own partner, adds to the lower sum alone.
template <class Team>
S2V_STAGE double asymmetry(const Team &team, const float *core, const Peak &peak) {
    S2V_IN_SCRATCH(core);
    constexpr int kReach = 7;
    const float *const box = core + (peak.row - kReach) * kCoreStride;
    const float *const turned = core + (peak.row + kReach) * kCoreStride + 2 * peak.column;
    const int centre = kReach * kCoreStride + peak.column;
    double total[2];
    team.template sums<2>((kReach + 1) * kCoreStride, total, [&](int i, auto add) {
        const int dx = i % kCoreStride - peak.column;
        const float a = box[i];
        const float b = turned[-i];
        const bool pair = a == a && b == b && dx >= -kReach && dx <= kReach && i < centre;
        const double x = static_cast<double>(pair ? a : 0.0f);
        const double y = static_cast<double>(pair ? b : 0.0f);
        add(0, absolute(x - y));
        add(1, absolute(x) + absolute(y));
    });
    return 2.0 * total[0] / (total[1] + static_cast<double>(absolute(peak.value)));
}

}  // namespace
}  // namespace s2v::kernel
