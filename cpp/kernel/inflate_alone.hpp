// Inflate: the quick loop for a single stream. It branches on what it decodes.
#pragma once

#include "kernel/inflate_block.hpp"

namespace s2v::kernel {
namespace {

// Bits of the input, the next one lowest. They are filled up above those that are left, so that no lookup waits for it.
struct BitBuffer {
    std::uint64_t bits;
    std::uint64_t count;
    const std::uint8_t *in;

    explicit BitBuffer(const InflateState &s)
        : bits(std::uint64_t{s.in[s.at >> 3]} >> (s.at & 7)), count(8 - (s.at & 7)), in(s.in + (s.at >> 3) + 1) {}
    // To at least 56.
    [[gnu::always_inline]] void fill() {
        bits |= load_64(in) << count;
        in += (63 - count) >> 3;
        count |= 56;
    }
    [[gnu::always_inline]] void drop(std::uint32_t taken) {
        bits >>= taken;
        count -= taken;
    }
};

// Go on while neither input nor output is near its end and codes are short; then the careful steps have to.
inline void quick_symbols(InflateState &s) {
    constexpr int kMostPerFill = 5;  // literals in 56 bits
    constexpr std::uint64_t kLiteralMask = (1 << kLiteralBits) - 1;
    const std::uint8_t *const last = s.in + s.size - kQuickInput;
    BitBuffer buffer(s);
    std::uint8_t *out = s.out;
    std::uint64_t at = s.at;
    while (buffer.in < last && out < s.fast_out) {
        buffer.fill();
        std::uint32_t entry = s.literals[buffer.bits & kLiteralMask];
        int literals = 0;
#pragma GCC unroll 5
        for (; literals < kMostPerFill; ++literals) {
            if (!(entry & kLiteral)) break;
            buffer.drop(entry & 63);
            *out++ = static_cast<std::uint8_t>(entry >> 8);
            entry = s.literals[buffer.bits & kLiteralMask];
        }
        at = static_cast<std::uint64_t>(buffer.in - s.in) * 8 - buffer.count;
        if (literals == kMostPerFill) continue;

        std::uint32_t length = entry >> kWhat;
        if (length >= kEndOfBlock) break;
        buffer.fill();
        buffer.drop(entry >> 16 & 63);
        if (length >= kLengthWithBits) {
            const ExtraBits &extra = kLengths[length - kLengthWithBits];
            length = extra.base + static_cast<std::uint32_t>(buffer.bits & ((1u << extra.bits) - 1));
            buffer.drop(extra.bits);
        }
        const std::uint32_t found = s.distances[buffer.bits & ((1 << kDistanceBits) - 1)];
        if (found == 0) break;
        const std::uint64_t extra = (buffer.bits & ((std::uint64_t{1} << (found & 63)) - 1)) >> (found >> 8 & 63);
        const std::uint64_t distance = (found >> 16) + extra;
        const std::ptrdiff_t room = s.end - out - static_cast<std::ptrdiff_t>(length);
        if (distance > static_cast<std::uint64_t>(out - s.begin) || room < 0) break;
        buffer.drop(found & 63);
        copy_match(out, distance, length, room);
        out += length;
        at = static_cast<std::uint64_t>(buffer.in - s.in) * 8 - buffer.count;
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
