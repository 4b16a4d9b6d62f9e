// Planes, steps and compositions as the C ABI describes them, for a kernel. Host and device.
#pragma once

#include "kernel/compose.hpp"
#include "space2vec/space2vec.h"

namespace s2v::kernel {
namespace {

static_assert(kNormalisers == S2V_NORMALISERS && kMostSteps == S2V_MOST_STEPS &&
              kMostParameters <= S2V_STEP_PARAMETERS);
static_assert(static_cast<int>(normaliser::median_mad) == S2V_MEDIAN_MAD &&
              static_cast<int>(normaliser::sigma_clip) == S2V_SIGMA_CLIP &&
              static_cast<int>(normaliser::l2) == S2V_L2 && static_cast<int>(normaliser::min_max) == S2V_MIN_MAX &&
              static_cast<int>(normaliser::asinh) == S2V_ASINH && static_cast<int>(normaliser::zscale) == S2V_ZSCALE &&
              static_cast<int>(normaliser::percentile) == S2V_PERCENTILE);

S2V_HD inline Chain chain_of(const s2v_step *steps, std::int32_t count) {
    Chain chain{};
    chain.count = count;
    for (int k = 0; k < count; ++k) {
        chain.step[k].kind = steps[k].kind;
        for (int i = 0; i < kMostParameters; ++i) chain.step[k].parameter[i] = steps[k].parameters[i];
    }
    return chain;
}

S2V_HD inline MaskedPlane plane_of(const s2v_planes &planes, std::int64_t row) {
    const std::int64_t size = static_cast<std::int64_t>(planes.height) * planes.width;
    const std::int64_t step = planes.plane_stride ? planes.plane_stride : size;
    return {planes.pixels + row * step, planes.mask ? planes.mask + row * size : nullptr, planes.height, planes.width,
            planes.row_stride ? planes.row_stride : planes.width};
}

S2V_HD inline Composition composition_of(const s2v_composition &how) {
    Composition out{how.side, how.channel_count, {}, chain_of(how.steps, how.step_count)};
    for (int k = 0; k < how.channel_count; ++k) out.channel[k] = how.channels[k];
    return out;
}

}  // namespace
}  // namespace s2v::kernel
