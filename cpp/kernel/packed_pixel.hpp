// A pixel in 16 bits and back. Host and device.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {

// What 16 bits stand for: half precision, or zero + scale * integer.
struct Packing {
    bool integers;
    float scale;
    float zero;
};

namespace {

// Codes of integers that are no numbers: a pixel that is not finite, and one that is null.
inline constexpr std::int32_t kNotFinite = -32768;
inline constexpr std::int32_t kNullCode = -32767;
inline constexpr std::int32_t kLargestCode = 32767;

// Half precision that is no number; one stands for a pixel that is null.
inline constexpr std::uint32_t kHalfInfinity = 0x7c00;
inline constexpr std::uint32_t kHalfNan = 0x7e00;
inline constexpr std::uint32_t kHalfNull = 0x7e01;
inline constexpr std::uint32_t kHalfMost = 0x7bff;  // 65504

// The nearest of half precision, of two the even one; what is finite stays so.
S2V_HD inline std::uint16_t to_half(float x) {
    const std::uint32_t bits = float_to_bits(x);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    const std::uint32_t size = bits & 0x7fffffffu;
    const float a = bits_to_float(size);
    // Below 2^-14, multiples of 2^-24: an addition rounds to them. Above, 13 bits of the mantissa are rounded off.
    const std::uint32_t small = float_to_bits(a * 0x1p24f + 0x1p23f) - 0x4b000000u;
    const std::uint32_t large = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    std::uint32_t half = a < 0x1p-14f ? small : large;
    half = a >= 65520.0f ? kHalfMost : half;
    half = size == 0x7f800000u ? kHalfInfinity : half;
    half = size > 0x7f800000u ? kHalfNan : half;
    half = a == kNull ? kHalfNull : half;
    return static_cast<std::uint16_t>(sign | half);
}

S2V_HD inline float from_half(std::uint16_t half) {
    const std::uint32_t size = half & 0x7fffu;
    float x = bits_to_float(size << 13) * 0x1p112f;  // exact
    x = size == kHalfInfinity ? kInfinity : size > kHalfInfinity ? quiet_nan() : x;
    x = size == kHalfNull ? kNull : x;
    const bool negative = (half & 0x8000u) != 0;
    return negative && x == x ? -x : x;
}

S2V_HD inline std::uint16_t to_integer(float x, float scale, float zero) {
    const float code = (x - zero) / scale;
    constexpr float kLeast = static_cast<float>(kNullCode + 1);
    constexpr float kMost = static_cast<float>(kLargestCode);
    const float within = code < kLeast ? kLeast : code < kMost ? code : kMost;
    // An addition rounds to the nearest integer, of two the even one.
    const std::int32_t nearest = static_cast<std::int32_t>(float_to_bits(within + 0x1.8p23f)) - 0x4b400000;
    const std::int32_t number = is_finite(x) ? nearest : kNotFinite;
    return static_cast<std::uint16_t>(absolute(x) == kNull ? kNullCode : number);
}

S2V_HD inline float from_integer(std::uint16_t packed, float scale, float zero) {
    const std::int32_t code = static_cast<std::int16_t>(packed);
    const float x = static_cast<float>(code) * scale + zero;
    return code == kNotFinite ? quiet_nan() : code == kNullCode ? kNull : x;
}

S2V_HD inline std::uint16_t packed_pixel(float x, const Packing &how) {
    return how.integers ? to_integer(x, how.scale, how.zero) : to_half(x);
}

S2V_HD inline float widened_pixel(std::uint16_t packed, const Packing &how) {
    return how.integers ? from_integer(packed, how.scale, how.zero) : from_half(packed);
}

// Whether two pixels are alike in every bit, or both NaN.
S2V_HD inline bool is_same_pixel(float a, float b) {
    return float_to_bits(a) == float_to_bits(b) || (a != a && b != b);
}

}  // namespace
}  // namespace s2v::kernel
