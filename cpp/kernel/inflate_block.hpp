// Deflate block by block and symbol by symbol, with every bound checked: heads, stored blocks, and the symbols that the
// quick loops leave alone.
#pragma once

#include "kernel/inflate_codes.hpp"

namespace s2v::kernel {
namespace {

inline constexpr std::int64_t kQuickRoom = 40;  // bytes that a round of the quick loops may write
inline constexpr std::int64_t kQuickPast = 64;  // bytes that must lie before `out`
inline constexpr std::size_t kQuickInput = 16;  // bytes that it may read from the one that holds `at`
inline constexpr int kMostLiterals = 286;
inline constexpr int kMostDistances = 30;

inline std::uint64_t load_64(const std::uint8_t *from) {
    std::uint64_t value;
    __builtin_memcpy(&value, from, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

// At least 56 bits of the input from `at` on; zeros follow its end.
inline std::uint64_t bits_at(const InflateState &s, std::uint64_t at) {
    const std::size_t byte = at >> 3;
    if (byte + 8 <= s.size) return load_64(s.in + byte) >> (at & 7);
    std::uint64_t bits = 0;
    for (std::size_t i = byte; i < s.size; ++i) bits |= std::uint64_t{s.in[i]} << 8 * (i - byte);
    return bits >> (at & 7);
}

inline bool beyond_input(const InflateState &s, std::uint64_t at) {
    return at > std::uint64_t{s.size} * 8;
}

// The quick loops count bits from address 0: that spares them a pointer.
inline std::uint64_t place_of(const InflateState &s) {
    return std::uint64_t{reinterpret_cast<std::uintptr_t>(s.in)} * 8 + s.at;
}

inline std::uint64_t bits_at_place(std::uint64_t place) {
    return load_64(reinterpret_cast<const std::uint8_t *>(place >> 3)) >> (place & 7);
}

// How far the quick loops may go.
inline void set_limits(InflateState &s) {
    s.fast_at = s.size > kQuickInput ? place_of(s) - s.at + (s.size - kQuickInput) * 8 : 0;
    s.fast_out = s.end - s.out > kQuickRoom ? s.end - kQuickRoom : s.out;
}

inline bool may_be_quick(const InflateState &s) {
    return s.phase == InflatePhase::symbols && place_of(s) < s.fast_at && s.out < s.fast_out &&
           s.out - s.begin >= kQuickPast;
}

// What is read is wrong, unless it only seems so because the input has ended.
inline InflateStop damaged_or_short(const InflateState &s, std::uint64_t at) {
    return beyond_input(s, at) ? InflateStop::needs_input : InflateStop::damaged;
}

inline bool make_code_tables(InflateState &s, const std::uint8_t *lengths, int literals, int distances) {
    s.distances[1 << kDistanceBits] = kNoMatch;
    return make_table<kLiteralBits>(lengths, literals, true, kLiteralEntries, kLongCode << kWhat, kNoCode << kWhat,
                                    s.literal_code, s.literals) &&
           make_table<kDistanceBits>(lengths + literals, distances, true, kDistanceEntries, 0, 0, s.distance_code,
                                     s.distances);
}

inline InflateStop begin_fixed(InflateState &s) {
    std::uint8_t lengths[kSymbols + 32];
    for (int i = 0; i < kSymbols + 32; ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : i < kSymbols ? 8 : 5;
    make_code_tables(s, lengths, kSymbols, 32);
    s.phase = InflatePhase::symbols;
    return InflateStop::running;
}

// The codes of a dynamic block; `at` is where they begin.
S2V_STAGE InflateStop begin_dynamic(InflateState &s, std::uint64_t at) {
    static constexpr std::uint8_t kOrder[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    std::uint64_t bits = bits_at(s, at);
    const int literals = static_cast<int>(bits & 31) + 257;
    const int distances = static_cast<int>(bits >> 5 & 31) + 1;
    const int code_lengths = static_cast<int>(bits >> 10 & 15) + 4;
    at += 14;
    if (literals > kMostLiterals || distances > kMostDistances) return damaged_or_short(s, at);

    std::uint8_t lengths[kMostLiterals + kMostDistances + 140] = {};  // a run may go past the end before it is noticed
    bits = bits_at(s, at);
    std::uint8_t of_lengths[19] = {};
    for (int i = 0; i < code_lengths; ++i) {
        if (i == 16) bits = bits_at(s, at + 48);
        of_lengths[kOrder[i]] = static_cast<std::uint8_t>(bits & 7);
        bits >>= 3;
    }
    at += 3 * static_cast<std::uint64_t>(code_lengths);
    std::uint32_t table[1 << 7];
    CanonicalCode code;
    if (!make_table<7>(of_lengths, 19, false, LengthCodeEntries(), 0, 0, code, table)) return damaged_or_short(s, at);

    const int total = literals + distances;
    for (int i = 0; i < total;) {
        bits = bits_at(s, at);
        for (int step = 0; step < 4 && i < total; ++step) {  // 14 bits each
            const std::uint32_t entry = table[bits & 127];
            const std::uint32_t symbol = entry >> 8;
            bits >>= entry & 63;
            at += entry & 255;
            if (symbol < 16) {
                lengths[i++] = static_cast<std::uint8_t>(symbol);
                continue;
            }
            const std::uint32_t extra = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
            const std::uint32_t repeat =
                (symbol == 18 ? 11 : 3) + static_cast<std::uint32_t>(bits & ((1u << extra) - 1));
            bits >>= extra;
            at += extra;
            if (symbol == 16 && i == 0) return damaged_or_short(s, at);
            __builtin_memset(lengths + i, symbol == 16 ? lengths[i - 1] : 0, repeat);
            i += static_cast<int>(repeat);
        }
        if (i > total) return damaged_or_short(s, at);
    }
    if (beyond_input(s, at)) return InflateStop::needs_input;
    if (lengths[256] == 0 || !make_code_tables(s, lengths, literals, distances)) return InflateStop::damaged;
    s.at = at;
    s.phase = InflatePhase::symbols;
    return InflateStop::running;
}

inline InflateStop begin_stored(InflateState &s, std::uint64_t at) {
    at = (at + 7) & ~std::uint64_t{7};
    const std::uint64_t bits = bits_at(s, at);
    if (beyond_input(s, at + 32)) return InflateStop::needs_input;
    const std::uint32_t length = bits & 0xffff;
    if ((length ^ 0xffff) != (bits >> 16 & 0xffff)) return InflateStop::damaged;
    s.at = at + 32;
    s.stored = length;
    s.phase = InflatePhase::stored;
    return InflateStop::running;
}

// The head of a block. Where the input ends in it, the state is as before.
inline InflateStop begin_block(InflateState &s) {
    const std::uint64_t bits = bits_at(s, s.at);
    if (beyond_input(s, s.at + 3)) return InflateStop::needs_input;
    const bool last = bits & 1;
    InflateStop stop = InflateStop::damaged;
    switch (bits >> 1 & 3) {
        case 0:
            stop = begin_stored(s, s.at + 3);
            break;
        case 1:
            s.at += 3;
            stop = begin_fixed(s);
            break;
        case 2:
            stop = begin_dynamic(s, s.at + 3);
            break;
        default:
            break;
    }
    if (stop == InflateStop::running) s.last = last;
    return stop;
}

inline InflateStop end_block(InflateState &s) {
    s.phase = InflatePhase::head;
    return s.last ? InflateStop::ended : InflateStop::running;
}

// As much of a stored block as input and output have.
inline InflateStop copy_stored(InflateState &s) {
    const std::size_t byte = s.at >> 3;
    std::size_t length = s.stored;
    if (length > s.size - byte) length = s.size - byte;
    if (length > static_cast<std::size_t>(s.end - s.out)) length = static_cast<std::size_t>(s.end - s.out);
    if (length > 0) __builtin_memcpy(s.out, s.in + byte, length);
    s.out += length;
    s.at += 8 * length;
    s.stored -= static_cast<std::uint32_t>(length);
    if (s.stored == 0) return end_block(s);
    return s.out == s.end ? InflateStop::needs_output : InflateStop::needs_input;
}

// Copy a match; `room`: bytes that may be written behind its end.
inline void copy_match(std::uint8_t *out, std::size_t distance, std::size_t length, std::ptrdiff_t room) {
    const std::uint8_t *from = out - distance;
    if (distance == 1) {
        __builtin_memset(out, *from, length);
    } else if (distance >= 16 && room >= 16) {
        for (std::size_t i = 0; i < length; i += 16) __builtin_memcpy(out + i, from + i, 16);
    } else {
        for (std::size_t i = 0; i < length; ++i) out[i] = from[i];
    }
}

// One literal, match or end of block, with every check.
inline InflateStop careful_symbol(InflateState &s) {
    std::uint64_t at = s.at;
    std::uint64_t bits = bits_at(s, at);
    std::uint32_t entry = s.literals[bits & ((1 << kLiteralBits) - 1)];
    std::uint32_t code_bits = entry >> 16 & 255;
    if (entry & kLiteral) {
        code_bits = entry & 63;
    } else if (entry >> kWhat == kLongCode) {
        const LongSymbol found = long_symbol(s.literal_code, kLiteralBits + 1, bits);
        code_bits = static_cast<std::uint32_t>(found.length);
        entry = found.length == 0 ? kNoCode << kWhat : kLiteralEntries.of[found.symbol];
    }
    bits >>= code_bits;
    at += code_bits;
    if (beyond_input(s, at)) return InflateStop::needs_input;
    if (entry & kLiteral) {
        if (s.out == s.end) return InflateStop::needs_output;
        *s.out++ = static_cast<std::uint8_t>(entry >> 8);
        s.at = at;
        return InflateStop::running;
    }
    std::uint32_t length = entry >> kWhat;
    if (length == kNoCode) return InflateStop::damaged;
    if (length == kEndOfBlock) {
        s.at = at;
        return end_block(s);
    }
    if (length >= kLengthWithBits) {
        const ExtraBits &extra = kLengths[length - kLengthWithBits];
        length = extra.base + static_cast<std::uint32_t>(bits & ((1u << extra.bits) - 1));
        bits >>= extra.bits;
        at += extra.bits;
    }

    const std::uint32_t quick = s.distances[bits & ((1 << kDistanceBits) - 1)];
    std::uint32_t distance_bits = quick & 255;
    std::uint32_t distance = quick >> 16;
    code_bits = quick >> 8 & 255;
    if (quick == 0) {
        const LongSymbol found = long_symbol(s.distance_code, 1, bits);
        if (found.length == 0 || found.symbol >= kMostDistances) return damaged_or_short(s, at + 1);
        code_bits = static_cast<std::uint32_t>(found.length);
        distance_bits = code_bits + kDistances[found.symbol].bits;
        distance = kDistances[found.symbol].base;
    }
    distance += static_cast<std::uint32_t>((bits & ((std::uint64_t{1} << distance_bits) - 1)) >> code_bits);
    at += distance_bits;
    if (beyond_input(s, at)) return InflateStop::needs_input;
    if (distance > static_cast<std::size_t>(s.out - s.begin)) return InflateStop::damaged;
    const std::ptrdiff_t room = s.end - s.out - static_cast<std::ptrdiff_t>(length);
    if (room < 0) return InflateStop::needs_output;
    copy_match(s.out, distance, length, room);
    s.out += length;
    s.at = at;
    return InflateStop::running;
}

// The quick loops can do what comes next.
inline bool quick_comes_next(const InflateState &s) {
    if (!may_be_quick(s)) return false;
    const std::uint32_t entry = s.literals[bits_at(s, s.at) & ((1 << kLiteralBits) - 1)];
    return (entry & kLiteral) != 0 || entry >> kWhat <= kLastQuickLength;
}

// Go on carefully until the quick loops may take over (running) or the stream stops.
S2V_STAGE InflateStop step_aside(InflateState &s) {
    set_limits(s);
    do {
        switch (s.phase) {
            case InflatePhase::head:
                s.stop = begin_block(s);
                break;
            case InflatePhase::stored:
                s.stop = copy_stored(s);
                break;
            case InflatePhase::symbols:
                s.stop = careful_symbol(s);
                break;
        }
    } while (s.stop == InflateStop::running && !quick_comes_next(s));
    return s.stop;
}

}  // namespace
}  // namespace s2v::kernel
