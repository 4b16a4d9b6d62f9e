// One candidate of a batch that the C ABI describes, for a kernel. Host and device.
#pragma once

#include "kernel/stamp.hpp"
#include "space2vec/space2vec.h"

namespace s2v::kernel {
namespace {

S2V_HD inline Triplet triplet_of(const s2v_stamps *stamps, std::int64_t row) {
    Triplet triplet{};
    for (int c = 0; c < S2V_CHANNELS; ++c) {
        const std::int64_t at = row * S2V_CHANNELS + c;
        if (stamps->offset[at] >= 0)
            triplet.plane[c] = {stamps->pixels + stamps->offset[at], stamps->shape[2 * at], stamps->shape[2 * at + 1]};
    }
    if (stamps->centre) {
        triplet.row = stamps->centre[2 * row];
        triplet.column = stamps->centre[2 * row + 1];
    } else {
        for (int c = S2V_CHANNELS - 1; c >= 0; --c)
            if (triplet.plane[c].pixels) {
                triplet.row = triplet.plane[c].height / 2;
                triplet.column = triplet.plane[c].width / 2;
            }
    }
    triplet.saturation = stamps->saturation;
    return triplet;
}

}  // namespace
}  // namespace s2v::kernel
