// How much the peak of the difference looks like one pixel alone: cosmic rays, hot pixels.
#pragma once

#include "peak.hpp"

namespace s2v::kernel {
namespace {

template <class Team>
S2V_STAGE void hot_pixel_features(const Team &team, const float *core, const Peak &peak,
                                  double (&value)[kStampFeatures]) {
    S2V_IN_SCRATCH(core);
    constexpr int kReach = 3;
    const float *const box = core + (peak.row - kReach) * kCoreStride;
    double total[3];  // squares in the box, neighbours, how many
    team.template sums<3>((2 * kReach + 1) * kCoreStride, total, [&](int i, auto add) {
        const int dy = i / kCoreStride - kReach;
        const int dx = i % kCoreStride - peak.column;
        const int square = dx * dx + dy * dy;
        const bool usable = (box[i] == box[i]) & (dx >= -kReach) & (dx <= kReach);
        const bool neighbour = usable & (square > 0) & (square < 3);
        const float x = usable ? box[i] : 0.0f;
        add(0, static_cast<double>(x) * static_cast<double>(x));
        add(1, static_cast<double>(neighbour ? x : 0.0f));
        add(2, static_cast<double>(neighbour ? 1.0f : 0.0f));
    });
    const double height = static_cast<double>(peak.value);
    value[feature::hot_pixel_likeness] = height / square_root(total[0]);
    value[feature::neighbour_ratio] = total[1] / total[2] / height;
}

}  // namespace
}  // namespace s2v::kernel
