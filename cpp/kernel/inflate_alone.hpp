// Inflate: the quick loop for a single stream. It branches on what it decodes.
#pragma once

#include "kernel/inflate_block.hpp"

namespace s2v::kernel {
namespace {

// Go on while neither input nor output is near its end and codes are short; then the careful steps have to.
inline void quick_symbols(InflateState &s) {
    constexpr int kMostPerFill = 5;  // literals in 57 bits
    constexpr std::uint64_t kLiteralMask = (1 << kLiteralBits) - 1;
    std::uint64_t at = s.at;
    std::uint8_t *out = s.out;
    while (at < s.fast_at && out < s.fast_out) {
        std::uint64_t bits = load_64(s.in + (at >> 3)) >> (at & 7);
        std::uint32_t entry = s.literals[bits & kLiteralMask];
        int literals = 0;
        while (entry & kLiteral) {
            bits >>= entry & 63;
            at += entry & 63;
            *out++ = static_cast<std::uint8_t>(entry >> 8);
            if (++literals == kMostPerFill) break;
            entry = s.literals[bits & kLiteralMask];
        }
        if (literals == kMostPerFill) continue;

        std::uint32_t length = entry >> 16;
        if (length >= kEndOfBlock) break;
        bits = load_64(s.in + (at >> 3)) >> (at & 7);
        std::uint64_t after = at + (entry >> 8 & 255);
        bits >>= entry >> 8 & 63;
        if (length >= kLengthWithBits) {
            const ExtraBits &extra = kLengths[length - kLengthWithBits];
            length = extra.base + static_cast<std::uint32_t>(bits & ((1u << extra.bits) - 1));
            bits >>= extra.bits;
            after += extra.bits;
        }
        const std::uint32_t found = s.distances[bits & ((1 << kDistanceBits) - 1)];
        if (found == 0) break;
        const std::uint64_t extra = (bits & ((std::uint64_t{1} << (found & 63)) - 1)) >> (found >> 8 & 63);
        const std::uint64_t distance = (found >> 16) + extra;
        const std::ptrdiff_t room = s.end - out - static_cast<std::ptrdiff_t>(length);
        if (distance > static_cast<std::uint64_t>(out - s.begin) || room < 0) break;
        copy_match(out, distance, length, room);
        out += length;
        at = after + (found & 255);
    }
    s.at = at;
    s.out = out;
}

// Decode a stream until it stops.
S2V_STAGE void inflate_alone(InflateState &s) {
    while (step_aside(s) == InflateStop::running) quick_symbols(s);
}

}  // namespace
}  // namespace s2v::kernel
