// Elementary functions built from + - * / and the square root only, so that every backend gives the same bits.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

inline constexpr float kInfinity = __builtin_inff();
inline constexpr float kFloatMax = 3.402823466e+38f;

S2V_HD inline float bits_to_float(std::uint32_t bits) {
    return __builtin_bit_cast(float, bits);
}
S2V_HD inline std::uint32_t float_to_bits(float x) {
    return __builtin_bit_cast(std::uint32_t, x);
}

// Unsigned integers in the order of the floats they stand for.
S2V_HD inline std::uint32_t to_ordered(float x) {
    const std::uint32_t bits = float_to_bits(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
S2V_HD inline float from_ordered(std::uint32_t key) {
    return bits_to_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// The next float below x; 0 counts once.
S2V_HD inline float float_below(float x) {
    return from_ordered(to_ordered(x) - (x == 0.0f ? 2 : 1));
}

// The one NaN that is ever stored: processors differ in the sign and payload of those they make.
S2V_HD inline float quiet_nan() {
    return bits_to_float(0x7fc00000u);
}
S2V_HD inline bool is_finite(float x) {
    return x - x == 0.0f;
}
S2V_HD inline float finite_or_nan(double x) {
    const float y = static_cast<float>(x) + 0.0f;  // + 0 turns -0 into 0
    return is_finite(y) ? y : quiet_nan();
}
S2V_HD inline float absolute(float x) {
    return x < 0.0f ? -x : x;
}
S2V_HD inline double absolute(double x) {
    return x < 0.0 ? -x : x;
}
S2V_HD inline float square_root(float x) {
    return __builtin_sqrtf(x);
}
S2V_HD inline double square_root(double x) {
    return __builtin_sqrt(x);
}

// exp(x) for x <= 0 to 2 ulp; exp(-87), the last normal number, below that. Cody-Waite reduction by ln 2, then a
// polynomial of degree 6 on [-ln2/2, ln2/2]. Without a branch, so that a loop over it vectorises.
S2V_HD inline float exp_nonpositive(float x) {
    const float clipped = x > -87.0f ? x : -87.0f;
    const int k = static_cast<int>(clipped * 1.44269504f - 0.5f);
    const float kf = static_cast<float>(k);
    const float r = (clipped - kf * 0.693359375f) - kf * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * (r * r) + r) + 1.0f;
    return p * bits_to_float(static_cast<std::uint32_t>(k + 127) << 23);
}

// exp(x) for x <= 700 to 1e-11, relative; 0 below -600, so that no product with it is slow or lost. Without a branch.
S2V_HD inline double exponential(double x) {
    constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: what is added to it is rounded to an integer
    const double shifted = x * 1.4426950408889634 + kRound;
    const double r = x - (shifted - kRound) * 0.6931471805599453;
    double p = 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const std::uint64_t exponent = __builtin_bit_cast(std::uint64_t, shifted) + 1023u;
    const double scaled = p * __builtin_bit_cast(double, exponent << 52);
    return x < -600.0 ? 0.0 : scaled;
}

inline constexpr double kPi = 3.14159265358979323846;
inline constexpr double kDegrees = 180.0 / kPi;  // in a radian

// atan(x) for 0 <= x <= 1, to 1e-15: half the angle three times, then the series.
S2V_HD inline double arctangent_of_share(double x) {
    S2V_ROLLED
    for (int i = 0; i < 3; ++i) x = x / (1.0 + square_root(1.0 + x * x));
    const double x2 = x * x;
    double sum = 1.0 / 15.0;
    S2V_ROLLED
    for (int k = 13; k > 0; k -= 2) sum = 1.0 / k - x2 * sum;
    return 8.0 * (x * sum);
}

// The angle of the point (x, y), in (-pi, pi]; 0 at the origin.
S2V_HD inline double arctangent(double y, double x) {
    const double ax = absolute(x);
    const double ay = absolute(y);
    if (!(ax > 0.0) && !(ay > 0.0)) return 0.0;
    double angle = ay > ax ? 0.5 * kPi - arctangent_of_share(ax / ay) : arctangent_of_share(ay / ax);
    angle = x < 0.0 ? kPi - angle : angle;
    return y < 0.0 ? -angle : angle;
}

}  // namespace
}  // namespace s2v::kernel
