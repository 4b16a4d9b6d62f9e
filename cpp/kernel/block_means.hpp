// autoScan's R: block means of a window in units of their noise.
// Source: Goldstein et al. 2015, AJ 150, 82, section 3.2, and the released code.
#pragma once

#include "order.hpp"
#include "windows.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kBlocks = kWindow / 2;
inline constexpr int kBlockStride = 32;
inline constexpr int kBlockPixels = kBlocks * kBlockStride;

// The means of the 2x2 blocks of a window, less `pedestal`; masked blocks are NaN. In double: the noise must survive a
// bright sky, and four large pixels must not overflow.
template <class Team>
S2V_PART void block_means(const Team &team, const float *window, double pedestal, float *r) {
    S2V_IN_SCRATCH(window);
    S2V_IN_SCRATCH(r);
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

// A function of its own: inlined twice, it would be ten thousand bytes of code more for each instruction set. So is the
// next one: what a median needs of the stack is in use while it runs, and not under the other one.
template <class Team>
S2V_STAGE float median_of_blocks(const Team &team, const float *r, int valid) {
    S2V_IN_SCRATCH(r);
    return median(team, kBlockPixels, valid, ScratchValues{r});
}

template <class Team>
S2V_STAGE float median_deviation_of_blocks(const Team &team, const float *r, int valid, float centre) {
    S2V_IN_SCRATCH(r);
    return median(team, kBlockPixels, valid, ScratchDeviations{r, centre});
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
    const float sky = median_of_blocks(team, r, valid);
    // Taking off a pedestal keeps the order: a block that alone has the median stays the one in the middle.
    const bool alone = valid % 2 && team.count(kBlockPixels, [&](int i) { return r[i] == sky; }) == 1;
    const int middle = alone ? team.first(0, kBlockPixels, [&](int i) { return r[i] == sky; }) : 0;
    team.sync();
    block_means(team, window, static_cast<double>(sky), r);
    const float centre = alone ? r[middle] : median_of_blocks(team, r, valid);
    const float mad = median_deviation_of_blocks(team, r, valid, centre);
    const float scale = kMadToSigma * mad;
    if (!(scale > 0.0f)) return false;
    team.sync();  // all lanes have read the middle
    team.for_each(kBlockPixels, [&](int i) { r[i] = (r[i] - centre) / scale; });
    team.sync();
    return true;
}

}  // namespace
}  // namespace s2v::kernel
