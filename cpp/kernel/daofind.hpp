// Sharpness and roundness of the difference at its peak, as photutils' DAOStarFinder gives them for an FWHM of 2.5 px.
// Source: Stetson 1987, PASP 99, 191.
#pragma once

#include "peak.hpp"

namespace s2v::kernel {
namespace {

// The lowered Gaussian, which sums to 0: at its centre, and at the pixels that are 1, sqrt(2) and 2 px from it.
inline constexpr double kStarCentre = 0.7102709120725929;
inline constexpr double kStarNear = 0.24482244469887732;
inline constexpr double kStarDiagonal = -0.05386186380531712;
inline constexpr double kStarFar = -0.3685283089117083;
inline constexpr int kStarReach = 2;
inline constexpr int kStarSide = 2 * kStarReach + 1;
inline constexpr int kStarPixels = 13;

// Boxes of 5x5 around p are held with this many columns a row, and the box that the kernel needs for them with that
// many.
inline constexpr int kStarStride = 8;
inline constexpr int kStarBox = kStarSide * kStarStride;
inline constexpr int kStarInputRows = kStarSide + 2 * kStarReach;
inline constexpr int kStarInputStride = 16;

// What the pixels of a box of 5x5 weigh in each sum; 0 in its further columns.
struct StarWeights {
    double others[kStarBox];   // 1 on the kernel, but for its centre
    double along_x[kStarBox];  // the height of the Gaussian that is fitted to the marginal along x, which is linear
    double along_y[kStarBox];
    double quadrant[kStarBox];  // 1, -1, 1, -1 in four quadrants around the centre, 0 at it
};

S2V_HD constexpr StarWeights star_weights() {
    // The fit of an amplitude and a level, with the weights 1, 2, 3, 2, 1: at the centre, 1 and 2 px from it.
    constexpr double kFit[3] = {0.21063411072424038, -0.0059267318992710025, -0.09939032346284918};
    StarWeights weights{};
    for (int y = 0; y < kStarSide; ++y)
        for (int x = 0; x < kStarSide; ++x) {
            const int dy = y < kStarReach ? kStarReach - y : y - kStarReach;
            const int dx = x < kStarReach ? kStarReach - x : x - kStarReach;
            const int at = y * kStarStride + x;
            if (dy == 0 && dx == 0) {
                weights.along_x[at] = weights.along_y[at] = 3.0 * kFit[0];
                continue;
            }
            const bool positive = (y < kStarReach && x <= kStarReach) || (y > kStarReach && x >= kStarReach);
            weights.others[at] = dy * dy + dx * dx <= kStarReach * kStarReach ? 1.0 : 0.0;
            weights.along_x[at] = (3 - dy) * kFit[dx];
            weights.along_y[at] = (3 - dx) * kFit[dy];
            weights.quadrant[at] = positive ? 1.0 : -1.0;
        }
    return weights;
}

struct DaofindScratch {
    alignas(64) double input[kStarInputRows * kStarInputStride];
    alignas(64) double pixel[kStarBox];
    alignas(64) double convolved[kStarBox];
};

// Fills the scratch with D around p, masked pixels as 0, and with that convolved with the kernel.
template <class Team>
S2V_STAGE void convolve_star(const Team &team, const float *core, const Peak &peak, DaofindScratch &scratch) {
    S2V_IN_SCRATCH(core);
    S2V_IN_SCRATCH(&scratch);
    team.sync();  // the scratch may still be read
    for (int r = 0; r < kStarInputRows; ++r) {
        const float *const line = core + (peak.row - 2 * kStarReach + r) * kCoreStride + peak.column - 2 * kStarReach;
        team.for_each(kStarInputStride, [&](int c) {
            const float x = line[c];
            scratch.input[r * kStarInputStride + c] = static_cast<double>(x == x ? x : 0.0f);
        });
    }
    team.sync();
    for (int r = 0; r < kStarSide; ++r)
        team.for_each(kStarStride, [&](int c) {
            constexpr int kDown = kStarInputStride;
            const double *const x = scratch.input + (r + kStarReach) * kDown + c + kStarReach;
            const double near = (x[-kDown] + x[kDown]) + (x[-1] + x[1]);
            const double diagonal = (x[-kDown - 1] + x[-kDown + 1]) + (x[kDown - 1] + x[kDown + 1]);
            const double far = (x[-2 * kDown] + x[2 * kDown]) + (x[-2] + x[2]);
            scratch.pixel[r * kStarStride + c] = x[0];
            scratch.convolved[r * kStarStride + c] =
                ((kStarCentre * x[0] + kStarNear * near) + kStarDiagonal * diagonal) + kStarFar * far;
        });
    team.sync();
}

template <class Team>
S2V_STAGE void daofind_features(const Team &team, const float *core, const Peak &peak, DaofindScratch &scratch,
                                double (&value)[kStampFeatures]) {
    S2V_IN_SCRATCH(core);
    S2V_IN_SCRATCH(&scratch);
    static constexpr StarWeights weights = star_weights();
    convolve_star(team, core, peak, scratch);
    double total[5];
    team.template sums<5>(kStarBox, total, [&](int i, auto add) {
        const double turned = scratch.convolved[i] * weights.quadrant[i];
        add(0, scratch.pixel[i] * weights.others[i]);
        add(1, scratch.pixel[i] * weights.along_x[i]);
        add(2, scratch.pixel[i] * weights.along_y[i]);
        add(3, turned);
        add(4, absolute(turned));
    });
    const double others = total[0] / (kStarPixels - 1);
    value[feature::sharpness] =
        (static_cast<double>(peak.value) - others) / scratch.convolved[kStarReach * (kStarStride + 1)];
    value[feature::roundness1] = 2.0 * total[3] / total[4];
    const double x = total[1];
    const double y = total[2];
    if (x > 0.0 && y > 0.0) value[feature::roundness2] = 2.0 * (x - y) / (x + y);
}

}  // namespace
}  // namespace s2v::kernel
