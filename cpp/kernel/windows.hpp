// The windows of one candidate, cut once for all that is measured on them.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {
namespace {

struct Windows {
    const float *plane[3];  // null: the plane is missing, or was not asked for
    bool nulls[3];          // whether some of its pixels have the null value
};

// Cuts the windows of the planes whose bits are in `planes` into `memory`, and adds to `flags` what it meets.
template <class Team>
S2V_HD Windows cut_windows(const Team &team, const Triplet &triplet, unsigned planes, float (&memory)[3][kWindowPixels],
                           std::uint32_t &flags) {
    Windows windows{};
    for (int k = 0; k < 3; ++k) {
        if (!(planes >> k & 1u) || !triplet.plane[k].pixels) continue;
        std::uint32_t met = 0;
        cut_window(team, triplet.plane[k], triplet.row, triplet.column, memory[k], met);
        flags |= met;
        windows.plane[k] = memory[k];
        windows.nulls[k] = (met & flag::masked_pixels) != 0;
    }
    return windows;
}

}  // namespace
}  // namespace s2v::kernel
