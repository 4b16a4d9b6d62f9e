// The pixels of prepared planes as the bytes that an integer network takes (docs/integer-networks.md), and planes of
// bytes in memory: four pixels a word, each plane from a whole word on.
#pragma once

#include "math.hpp"

namespace s2v::kernel {
namespace {

// Of pixels that are 0.
inline constexpr std::uint32_t kZeroBytes = 0x80808080u;

// A pixel as 1 to 255, 128 for 0; NaN counts as 0. Of a float without its sign, the bits are in the order of the
// values: as integers they are clamped without a branch.
S2V_HD inline std::uint32_t quantise_pixel(float x, float scale) {
    constexpr std::int32_t kLargest = 0x42fe0000;   // 127
    constexpr std::int32_t kInfinite = 0x7f800000;  // NaN is beyond
    const std::uint32_t bits = float_to_bits(x * scale);
    const auto size = static_cast<std::int32_t>(bits & 0x7fffffffu);
    const std::int32_t clamped = size < kLargest ? size : kLargest;
    const std::int32_t number = -static_cast<std::int32_t>(size <= kInfinite);
    const std::uint32_t kept = static_cast<std::uint32_t>(clamped & number) | (bits & 0x80000000u);
    return static_cast<std::uint32_t>(static_cast<int>(bits_to_float(kept) + 128.5f));
}

// Words of a plane of bytes.
S2V_HD constexpr int plane_words(int pixels) {
    return (pixels + 3) / 4;
}

// A plane in scratch, on a multiple of 16 bytes and with room for whole fours, to words. What fills up the last counts
// as 0.
template <class Team>
S2V_STAGE void write_bytes(const Team &team, const float *plane, int pixels, float scale, std::uint32_t *words) {
    S2V_IN_SCRATCH(plane);
    struct alignas(16) Four {
        float pixel[4];
    };
    const auto *const fours = reinterpret_cast<const Four *>(plane);
    team.for_each(plane_words(pixels), [&](int i) {
        const Four four = fours[i];
        std::uint32_t word = 0;
        for (int k = 0; k < 4; ++k) word |= quantise_pixel(4 * i + k < pixels ? four.pixel[k] : 0.0f, scale) << 8 * k;
        words[i] = word;
    });
}

// Four bytes of `a` and `b` (bytes 0 to 3 and 4 to 7), each named by four bits of `which`.
S2V_HD inline std::uint32_t pick_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t which) {
#if defined(__CUDA_ARCH__)
    return __byte_perm(a, b, which);
#else
    const std::uint64_t both = std::uint64_t{b} << 32 | a;
    std::uint32_t picked = 0;
    for (int k = 0; k < 4; ++k)
        picked |= static_cast<std::uint32_t>(both >> 8 * (which >> 4 * k & 7u) & 0xffu) << 8 * k;
    return picked;
#endif
}

// Words of four pixels of a plane each to words of a pixel of four planes each.
S2V_HD inline void turn_bytes(std::uint32_t (&word)[4]) {
    const std::uint32_t low[2] = {pick_bytes(word[0], word[1], 0x5140), pick_bytes(word[2], word[3], 0x5140)};
    const std::uint32_t high[2] = {pick_bytes(word[0], word[1], 0x7362), pick_bytes(word[2], word[3], 0x7362)};
    word[0] = pick_bytes(low[0], low[1], 0x5410);
    word[1] = pick_bytes(low[0], low[1], 0x7632);
    word[2] = pick_bytes(high[0], high[1], 0x5410);
    word[3] = pick_bytes(high[0], high[1], 0x7632);
}

}  // namespace
}  // namespace s2v::kernel
