// asinh from + - * sqrt and bits: within 3 ulp, without a branch, so that a loop over it vectorises.
#pragma once

#include "math.hpp"

namespace s2v::kernel {
namespace {

// 0 <= a < 0.75: a (1 + a^2 p(a^2)). Minimax of degree 5.
S2V_HD inline float asinh_near_zero(float a) {
    const float z = a * a;
    float p = 4.6925996e-3f;
    p = p * z - 1.5357734e-2f;
    p = p * z + 2.8161213e-2f;
    p = p * z - 4.4264500e-2f;
    p = p * z + 7.4969485e-2f;
    p = p * z - 1.6666584e-1f;
    return a + a * (z * p);
}

// log(t 2^shift) for a normal t >= 1: the exponent is taken off, then log(1 + r) for 1 + r in [sqrt(1/2), sqrt(2)).
// Coefficients of Cephes' logf.
S2V_HD inline float log_scaled(float t, int shift) {
    const std::uint32_t bits = float_to_bits(t) + 0x004afb0du;  // 1 - sqrt(1/2) in bits of the mantissa
    const int k = static_cast<int>(bits >> 23) - 127;
    const float r = bits_to_float((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float z = r * r;
    float p = 7.0376836292e-2f;
    p = p * r - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    const float kf = static_cast<float>(k + shift);
    return ((r * (z * p) + kf * -2.12194440e-4f) - 0.5f * z + r) + kf * 0.693359375f;
}

// asinh of a finite x; the sign is a bit, so -0 stays.
S2V_HD inline float asinh(float x) {
    const std::uint32_t sign = float_to_bits(x) & 0x80000000u;
    const float a = bits_to_float(float_to_bits(x) ^ sign);
    const bool large = a > 8192.0f;  // sqrt(a^2 + 1) is a, and a^2 may exceed float32
    const float within = large ? 1.0f : a;
    const float t = large ? a : within + square_root(within * within + 1.0f);
    const float far = log_scaled(t, large ? 1 : 0);
    const float y = a < 0.75f ? asinh_near_zero(a) : far;
    return bits_to_float(float_to_bits(y) | sign);
}

}  // namespace
}  // namespace s2v::kernel
