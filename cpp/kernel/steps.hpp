// Chains of steps that bring a plane to a common scale. Their definitions and sources are in registry.json.
#pragma once

#include "asinh.hpp"
#include "kernel/registry_table.hpp"
#include "robust_scale.hpp"
#include "sigma_clip.hpp"
#include "zscale.hpp"

namespace s2v::kernel {
namespace {

using StepScratch = ZscaleScratch;

// A plane to normalise: rows lie `stride` pixels apart; `mask`, where there is one, has no gaps between rows.
struct MaskedPlane {
    const float *pixels;
    const std::uint8_t *mask;  // not 0: the pixel is left out
    int height;
    int width;
    std::int64_t stride;
};

// Copies a plane to contiguous pixels, NaN where one is masked or not finite. Returns how many are usable.
template <class Team>
S2V_STAGE int take_usable(const Team &team, const MaskedPlane &plane, float *x, std::uint32_t &flags) {
    const bool whole = plane.stride == plane.width;
    const int rows = whole ? 1 : plane.height;
    const int length = whole ? plane.height * plane.width : plane.width;
    int masked = 0;
    int usable = 0;
    team.sync();  // `x` may still be read
    for (int y = 0; y < rows; ++y) {
        const float *const source = plane.pixels + y * plane.stride;
        float *const line = x + y * length;
        if (plane.mask) {
            const std::uint8_t *const mask = plane.mask + y * length;
            team.for_each(length, [&](int i) {
                const bool good = is_finite(source[i]) & (mask[i] == 0);
                line[i] = good ? source[i] + 0.0f : quiet_nan();  // + 0 turns -0 into 0
            });
            masked += team.count(length, [&](int i) { return mask[i] != 0; });
            usable += team.count(length, [&](int i) { return line[i] == line[i]; });
        } else {
            usable += team.count(length, [&](int i) {
                const bool good = is_finite(source[i]);
                line[i] = good ? source[i] + 0.0f : quiet_nan();
                return good;
            });
        }
    }
    team.sync();
    const int n = plane.height * plane.width;
    if (masked) flags |= flag::masked_pixels;
    if (usable + masked < n) flags |= flag::nan_pixels;
    return usable;
}

// (x - offset) / scale within [low, high]; NaN stays.
template <class Team>
S2V_STAGE void rescale(const Team &team, float *x, int n, const Scaling &scaling, float low, float high) {
    const double offset = scaling.offset;
    const double factor = 1.0 / scaling.scale;
    team.for_each(n, [&](int i) {
        const float value = static_cast<float>((static_cast<double>(x[i]) - offset) * factor);
        const float under = value < high ? value : high;
        const float within = under > low ? under : low;
        x[i] = x[i] == x[i] ? within + 0.0f : quiet_nan();
    });
}

// x / norm, in float32. Both are brought near 1 by a power of two first where the norm's inverse would not be exact.
template <class Team>
S2V_STAGE void divide_by_norm(const Team &team, const float *x, int n, int usable, double norm, float *out) {
    const double shrink = norm > 1e38 ? 0x1p-16 : norm < 1e-30 ? 0x1p64 : 1.0;
    const float by = static_cast<float>(shrink);
    const float factor = static_cast<float>(1.0 / (norm * shrink));
    if (usable == n && by == 1.0f) {  // what is left of the loop below
        team.for_each(n, [&](int i) { out[i] = x[i] * factor + 0.0f; });
        return;
    }
    team.for_each(n, [&](int i) {
        const float value = x[i] * by * factor + 0.0f;
        out[i] = x[i] == x[i] ? value : quiet_nan();
    });
}

// asinh(x / softening); what exceeds float32 before counts as its largest number.
template <class Team>
S2V_STAGE void soften(const Team &team, float *x, int n, float softening) {
    const float factor = 1.0f / softening;
    team.for_each(n, [&](int i) {
        const float value = x[i] * factor;
        const float within = value > kFloatMax ? kFloatMax : value < -kFloatMax ? -kFloatMax : value;
        x[i] = x[i] == x[i] ? asinh(within) : quiet_nan();
    });
}

// Whether all pixels that are not NaN have one value.
template <class Team>
S2V_STAGE bool has_one_value(const Team &team, const float *x, int n) {
    const float largest = team.max(n, -kInfinity, [&](int i) { return x[i]; });
    return !(largest > team.min(n, kInfinity, [&](int i) { return x[i]; }));
}

// Applies a step in place; x has `usable` > 0 pixels that are not NaN. Returns a flag where there is nothing to divide
// by.
template <class Team>
S2V_PART std::uint32_t apply_step(const Team &team, const Step &step, float *x, int n, int usable, StepScratch &s) {
    float low = -kFloatMax;
    float high = kFloatMax;
    Scaling scaling{};
    switch (step.kind) {
        case normaliser::median_mad:
            scaling = median_mad_scaling(team, x, n, usable);
            break;
        case normaliser::sigma_clip:
            scaling = sigma_clip_scaling(team, x, n, usable, step.parameter[0], static_cast<int>(step.parameter[1]));
            break;
        case normaliser::l2:
            scaling = l2_scaling(team, x, n, usable);
            break;
        case normaliser::min_max:
            scaling = min_max_scaling(team, x, n);
            break;
        case normaliser::asinh:
            soften(team, x, n, static_cast<float>(step.parameter[0]));
            return 0;
        case normaliser::zscale:
            scaling = zscale_scaling(team, x, n, usable, step.parameter[0], s);
            break;
        default:  // percentile
            scaling = percentile_scaling(team, x, n, usable, step.parameter[0], step.parameter[1]);
    }
    if (!(scaling.scale > 0.0)) return has_one_value(team, x, n) ? flag::constant : flag::zero_scale;
    if (step.kind == normaliser::l2) {
        divide_by_norm(team, x, n, usable, scaling.scale, x);
        return 0;
    }
    if (step.kind == normaliser::percentile || (step.kind == normaliser::zscale && step.parameter[1] > 0.0)) {
        low = 0.0f;
        high = 1.0f;
    }
    rescale(team, x, n, scaling, low, high);
    return 0;
}

// Applies a chain in place, then `fill` where a pixel is not usable; NaN throughout where a step has nothing to divide
// by. Returns the flags.
template <class Team>
S2V_PART std::uint32_t apply_chain(const Team &team, const Chain &chain, float *x, int n, int usable, float fill,
                                   StepScratch &s) {
    std::uint32_t refused = usable > 0 ? 0 : flag::constant;
    for (int k = 0; k < chain.count && !refused; ++k) refused = apply_step(team, chain.step[k], x, n, usable, s);
    if (refused)
        team.for_each(n, [&](int i) { x[i] = quiet_nan(); });
    else if (fill == fill && usable < n)
        team.for_each(n, [&](int i) { x[i] = x[i] == x[i] ? x[i] : fill; });
    return refused;
}

// One plane by a chain, to `out` without gaps. Returns the flags.
template <class Team>
S2V_HD std::uint32_t normalise_plane(const Team &team, const MaskedPlane &plane, const Chain &chain, float fill,
                                     float *out, StepScratch &s) {
    const int n = plane.height * plane.width;
    if (chain.count == 1 && chain.step[0].kind == normaliser::l2 && !plane.mask && plane.stride == plane.width) {
        // Two passes will do where all pixels are usable, and that the norm tells: one that is not makes it so too.
        const double norm = l2_scaling(team, plane.pixels, n, n).scale;
        if (norm > 0.0 && norm - norm == 0.0) {
            team.sync();  // `out` may still be read
            divide_by_norm(team, plane.pixels, n, n, norm, out);
            team.sync();
            return 0;
        }
    }
    std::uint32_t flags = 0;
    const int usable = take_usable(team, plane, out, flags);
    return flags | apply_chain(team, chain, out, n, usable, fill, s);
}

}  // namespace
}  // namespace s2v::kernel
