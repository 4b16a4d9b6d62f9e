// What a deflate decoder keeps between two calls. Plain data without functions: the library allots it, the kernels for
// each instruction set work on it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace s2v::kernel {

inline constexpr int kLiteralBits = 10;  // codes up to this length are decoded by one lookup
inline constexpr int kDistanceBits = 9;
inline constexpr int kLongestCode = 15;
inline constexpr int kSymbols = 288;

enum class InflateStop : std::uint8_t { running, ended, needs_input, needs_output, damaged };

enum class InflatePhase : std::uint8_t { head, stored, symbols };

// A prefix code in canonical order, for the few codes that are longer than a table's index.
struct CanonicalCode {
    std::uint32_t limit[kLongestCode + 1];  // the first code that is longer, left-aligned to 16 bits
    std::int32_t offset[kLongestCode + 1];  // from a code to its place in `sorted`
    std::uint16_t sorted[kSymbols];         // symbols by length, then by value
};

struct InflateState {
    const std::uint8_t *in;
    std::size_t size;     // of `in`
    std::uint64_t at;     // bits of `in` that are decoded
    std::uint8_t *begin;  // the oldest byte that a distance may reach
    std::uint8_t *out;    // the next byte goes here
    std::uint8_t *end;

    std::uint64_t fast_at;  // the quick loops run while `at` and `out` are below these
    std::uint8_t *fast_out;

    InflateStop stop;
    InflatePhase phase;
    bool last;             // the block being read is the last
    std::uint32_t stored;  // bytes left of a stored block

    alignas(64) std::uint32_t literals[1 << kLiteralBits];
    alignas(64) std::uint32_t distances[(1 << kDistanceBits) + 1];  // the last stands for no match
    CanonicalCode literal_code;
    CanonicalCode distance_code;
};

}  // namespace s2v::kernel
