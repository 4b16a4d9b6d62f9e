// The bright and the dark lobe of the difference within 7 px of the candidate. Misaligned images leave such dipoles,
// mismatched PSFs rings.
#pragma once

#include "noise_plane.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kLobeReach = 7;
inline constexpr int kLobeRows = 2 * kLobeReach + 1;
inline constexpr int kLobeStride = 16;
inline constexpr float kLobeThreshold = 2.0f;

// A pixel belongs to a lobe where |D| is above this.
struct LobeThresholds {
    float at[kLobeRows * kLobeStride];
};

S2V_HD constexpr LobeThresholds lobe_thresholds() {
    LobeThresholds thresholds{};
    for (int i = 0; i < kLobeRows * kLobeStride; ++i) {
        const int y = i / kLobeStride - kLobeReach;
        const int x = i % kLobeStride - kLobeReach;
        thresholds.at[i] = y * y + x * x <= kLobeReach * kLobeReach ? kLobeThreshold : kInfinity;
    }
    return thresholds;
}

// The pixels of one lobe, column by column: their sum, their sum times the row, and how many.
struct LobeColumns {
    alignas(64) double flux[kLobeStride];
    alignas(64) double moment[kLobeStride];
    alignas(64) std::int32_t pixels[kLobeStride];
};

struct LobeScratch {
    LobeColumns bright;
    LobeColumns dark;
};

// A lobe as a whole. `row` and `column` are its centre of mass, counted from the candidate.
struct Lobe {
    double flux;
    double pixels;
    double row;
    double column;
};

template <class Team>
S2V_STAGE void sum_lobe_columns(const Team &team, const float *core, LobeScratch &scratch) {
    S2V_IN_SCRATCH(core);
    S2V_IN_SCRATCH(&scratch);
    static constexpr LobeThresholds thresholds = lobe_thresholds();
    LobeColumns &bright = scratch.bright;
    LobeColumns &dark = scratch.dark;
    team.sync();  // the scratch may still be read
    team.for_each(kLobeStride, [&](int c) {
        bright.flux[c] = bright.moment[c] = dark.flux[c] = dark.moment[c] = 0.0;
        bright.pixels[c] = dark.pixels[c] = 0;
    });
    for (int r = 0; r < kLobeRows; ++r) {
        const float *const line = core + (kCoreRow - kLobeReach + r) * kCoreStride + kCoreColumn - kLobeReach;
        const float *const threshold = thresholds.at + r * kLobeStride;
        const double y = r - kLobeReach;
        team.for_each(kLobeStride, [&](int c) {
            const float d = line[c];
            const double above = static_cast<double>(d > threshold[c] ? d : 0.0f);
            const double below = static_cast<double>(-d > threshold[c] ? -d : 0.0f);
            bright.flux[c] += above;
            bright.moment[c] += above * y;
            bright.pixels[c] += d > threshold[c] ? 1 : 0;
            dark.flux[c] += below;
            dark.moment[c] += below * y;
            dark.pixels[c] += -d > threshold[c] ? 1 : 0;
        });
    }
    team.sync();
}

template <class Team>
S2V_STAGE Lobe sum_lobe(const Team &team, const LobeColumns &columns) {
    S2V_IN_SCRATCH(&columns);
    double total[4];
    team.template sums<4>(kLobeStride, total, [&](int c, auto add) {
        add(0, columns.flux[c]);
        add(1, columns.pixels[c]);
        add(2, columns.moment[c]);
        add(3, columns.flux[c] * (c - kLobeReach));
    });
    return {total[0], total[1], total[2] / total[0], total[3] / total[0]};
}

template <class Team>
S2V_PART void lobe_features(const Team &team, const float *core, LobeScratch &scratch,
                            double (&value)[kStampFeatures]) {
    sum_lobe_columns(team, core, scratch);
    const Lobe bright = sum_lobe(team, scratch.bright);
    const Lobe dark = sum_lobe(team, scratch.dark);
    value[feature::positive_snr] = bright.pixels > 0.0 ? bright.flux / square_root(bright.pixels) : 0.0;
    value[feature::negative_snr] = dark.pixels > 0.0 ? dark.flux / square_root(dark.pixels) : 0.0;
    value[feature::lobe_ratio] = dark.flux / (bright.flux + dark.flux);
    const double dy = bright.row - dark.row;
    const double dx = bright.column - dark.column;
    value[feature::lobe_separation] = square_root(dy * dy + dx * dx);
}

}  // namespace
}  // namespace s2v::kernel
