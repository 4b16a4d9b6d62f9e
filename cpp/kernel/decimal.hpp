// Powers and logarithms to the base of ten in double, built from + - * / and bits, so that every machine gives the same
// bits; within 1e-15, relative.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

inline constexpr double kLogOfTen = 2.302585092994045684;
// log10(2) in two parts, of which the first has few bits: its product with an exponent is exact.
inline constexpr double kTwoHigh = 0.30102920532226562;
inline constexpr double kTwoLow = 7.903417155702138e-7;

// 2^k for -1074 <= k <= 1023.
S2V_HD inline double power_of_two(int k) {
    return k >= -1022 ? __builtin_bit_cast(double, static_cast<std::uint64_t>(k + 1023) << 52)
                      : __builtin_bit_cast(double, std::uint64_t{1} << (k + 1074));
}

// 10^x; infinite beyond the doubles, 0 below them, NaN of NaN.
S2V_HD inline double power_of_ten(double x) {
    if (!(x <= 309.0)) return x > 309.0 ? __builtin_inf() : x;
    if (x < -324.0) return 0.0;
    const double scaled = x * (1.0 / (kTwoHigh + kTwoLow));
    const int k = static_cast<int>(scaled + (scaled < 0.0 ? -0.5 : 0.5));
    const double r = ((x - k * kTwoHigh) - k * kTwoLow) * kLogOfTen;
    double sum = 1.0;
    for (int n = 15; n > 0; --n) sum = 1.0 + sum * r / n;
    // In two steps: the result may be too small, or the power too large, for one.
    const int half = k / 2;
    return sum * power_of_two(half) * power_of_two(k - half);
}

// log10(x); minus infinity of 0, NaN below it.
S2V_HD inline double logarithm_of_ten(double x) {
    if (!(x > 0.0)) return x == 0.0 ? -__builtin_inf() : __builtin_nan("");
    if (x > 1.7976931348623157e308) return x;
    int k = 0;
    if (x < 2.2250738585072014e-308) {
        x *= 18014398509481984.0;  // 2^54
        k = -54;
    }
    const auto bits = __builtin_bit_cast(std::uint64_t, x);
    k += static_cast<int>(bits >> 52) - 1023;
    double m = __builtin_bit_cast(double, (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        ++k;
    }
    const double s = (m - 1.0) / (m + 1.0);
    const double z = s * s;
    double sum = 1.0 / 25.0;
    for (int n = 23; n > 0; n -= 2) sum = 1.0 / n + z * sum;
    return k * kTwoHigh + (k * kTwoLow + 2.0 * s * sum / kLogOfTen);
}

}  // namespace
}  // namespace s2v::kernel
