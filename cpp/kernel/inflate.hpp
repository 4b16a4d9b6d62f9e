// Inflate. The decoding of one stream waits on itself, so several streams are decoded step by step together, without a
// branch that depends on what is decoded: the processor works on all of them at once.
#pragma once

#include "kernel/inflate_alone.hpp"

#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace s2v::kernel {
namespace {

// Lookups of a round: as many as 57 bits are enough for, and after the next 57 are there two more, of which the last
// may be a match.
inline constexpr int kFirstLookups = 5;
inline constexpr int kLookups = 7;

// The low halves of up to eight entries: literals, and from the first entry that is none, nothing. The literals are
// written at once, so that a lane needs few registers.
struct LiteralRun {
#if defined(__SSE2__)
    __m128i halves;

    template <std::size_t kPlace>
    [[gnu::always_inline]] void put(std::uint16_t half) {
        halves = kPlace == 0 ? _mm_cvtsi32_si128(half) : _mm_insert_epi16(halves, half, kPlace);
    }
    [[gnu::always_inline]] int write(std::uint8_t *out) const {
        const __m128i bytes =
            _mm_packus_epi16(_mm_srli_epi16(halves, 8), _mm_and_si128(halves, _mm_set1_epi16(kLiteral & 0x80)));
        _mm_storel_epi64(reinterpret_cast<__m128i *>(out), bytes);
        return __builtin_popcount(static_cast<unsigned>(_mm_movemask_epi8(bytes)) >> 8);
    }
#else
    std::uint16_t halves[kLookups];

    template <std::size_t kPlace>
    [[gnu::always_inline]] void put(std::uint16_t half) {
        halves[kPlace] = half;
    }
    [[gnu::always_inline]] int write(std::uint8_t *out) const {
        int count = 0;
        for (int i = 0; i < kLookups; ++i) {
            out[i] = static_cast<std::uint8_t>(halves[i] >> 8);
            count += halves[i] >> 7 & 1;
        }
        return count;
    }
#endif
};

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
inline constexpr std::size_t kLowHalf = 2;  // of a number's bytes
#else
inline constexpr std::size_t kLowHalf = 0;
#endif

// The lowest bits; one instruction where the processor has it, which compilers do not always see.
[[gnu::always_inline]] inline std::uint64_t low_bits(std::uint64_t bits, std::uint32_t count) {
#if defined(__BMI2__)
    return __builtin_ia32_bzhi_di(bits, count);
#else
    return bits & ((std::uint64_t{1} << count) - 1);
#endif
}

// Where a lane stands within a round.
struct QuickLane {
    std::uint64_t bits;  // below a 1 whose distance from the top is what was taken
    std::uint64_t at;    // the place of `bits` when it was filled
    std::uint8_t *out;
    LiteralRun literals;
    std::uint32_t match;  // the half of the last entry that is 0 for a literal
};

[[gnu::always_inline]] inline void fill(QuickLane &lane) {
    lane.bits = bits_at_place(lane.at) | std::uint64_t{1} << 63;
}

[[gnu::always_inline]] inline std::uint64_t taken(const QuickLane &lane) {
    return static_cast<std::uint64_t>(__builtin_clzll(lane.bits));
}

// One lookup: a literal, or nothing.
template <std::size_t kPlace>
[[gnu::always_inline]] inline std::uint32_t take_literal(const InflateState &s, QuickLane &lane) {
    const std::uint32_t *const at = &s.literals[lane.bits & ((1 << kLiteralBits) - 1)];
    lane.bits >>= *at & 63;
    std::uint16_t half = 0;  // from memory: that is quicker than from the register
    __builtin_memcpy(&half, reinterpret_cast<const std::uint8_t *>(at) + kLowHalf, sizeof half);
    lane.literals.put<kPlace>(half);
    return *at;
}

// The last lookup: a literal, or the length of a match.
[[gnu::always_inline]] inline void take_literal_or_length(const InflateState &s, QuickLane &lane) {
    const std::uint32_t entry = take_literal<kLookups - 1>(s, lane);
    lane.out += lane.literals.write(lane.out);
    lane.match = entry >> 16;
}

inline void enter(const InflateState &s, QuickLane &lane) {
    lane.at = place_of(s);
    lane.out = s.out;
}

inline void leave(InflateState &s, std::uint64_t at, std::uint8_t *out) {
    s.at += at - place_of(s);
    s.out = out;
}

// Careful steps from `at` on, or from before a match that was looked up there. False where the stream has stopped.
[[gnu::noinline]] bool go_aside(InflateState &s, std::uint64_t at, std::uint8_t *out, std::uint32_t match,
                                std::uint32_t found) {
    leave(s, at - (match & 63) - (found & 63), out);
    return step_aside(s) == InflateStop::running;
}

// The rest of a match, if there is one. Where it is more than is done here (long, near, or no match at all) and where
// input or output come to their ends, careful steps follow. False where the stream has stopped.
[[gnu::always_inline]] inline bool take_match(InflateState &s, QuickLane &lane) {
    const std::uint32_t length = lane.match >> 8;
    lane.bits >>= lane.match & 63;
    std::uint64_t index = lane.bits & ((1 << kDistanceBits) - 1);
    index = __builtin_expect_with_probability(lane.match == 0, 1, 0.5) ? 1 << kDistanceBits : index;
    const std::uint32_t found = s.distances[index];
    const std::uint64_t distance = (found >> 16) + (low_bits(lane.bits, found & 255) >> (found >> 8 & 63));
    const std::uint8_t *const from = lane.out - distance;
    lane.bits >>= found & 63;
    lane.at += taken(lane);
    const bool whole = length <= kLastQuickLength && distance >= 16 && from >= s.begin;
    if (whole) [[likely]] {
        __builtin_memcpy(lane.out, from, 16);
        lane.out += length;
        if (lane.at < s.fast_at && lane.out < s.fast_out) [[likely]]
            return true;
    }
    const bool running = go_aside(s, lane.at, lane.out, whole ? 0 : lane.match, whole ? 0 : found);
    enter(s, lane);
    return running;
}

template <std::size_t kPlace, std::size_t... kLane>
[[gnu::always_inline]] inline void take_literals(const InflateState *states, QuickLane *lanes) {
    (take_literal<kPlace>(states[kLane], lanes[kLane]), ...);
}

// Up to kLookups literals of each lane, and one match. A bit for each lane that has stopped.
template <std::size_t... kLane>
[[gnu::always_inline]] inline int inflate_round(InflateState *states, QuickLane (&lanes)[sizeof...(kLane)]) {
    (fill(lanes[kLane]), ...);
    [&]<std::size_t... kPlace>(std::index_sequence<kPlace...>) __attribute__((always_inline)) {
        (take_literals<kPlace, kLane...>(states, lanes), ...);
    }(std::make_index_sequence<kFirstLookups>());
    ((lanes[kLane].at += taken(lanes[kLane])), ...);
    (fill(lanes[kLane]), ...);
    take_literals<kFirstLookups, kLane...>(states, lanes);
    (take_literal_or_length(states[kLane], lanes[kLane]), ...);
    int stopped = 0;
    ((take_match(states[kLane], lanes[kLane]) ? 0 : stopped |= 1 << kLane), ...);
    return stopped;
}

// Decode streams together until some stop; a bit for each that did.
template <std::size_t... kLane>
[[gnu::always_inline]] inline int inflate_lanes(InflateState *states, std::index_sequence<kLane...>) {
    int stopped = 0;
    ((may_be_quick(states[kLane]) || step_aside(states[kLane]) == InflateStop::running ? 0 : stopped |= 1 << kLane),
     ...);
    if (stopped != 0) return stopped;
    QuickLane lanes[sizeof...(kLane)];
    (enter(states[kLane], lanes[kLane]), ...);
    do stopped = inflate_round<kLane...>(states, lanes);
    while (stopped == 0);
    (leave(states[kLane], lanes[kLane].at, lanes[kLane].out), ...);
    return stopped;
}

template <int kCount>
S2V_STAGE int inflate_lanes(InflateState *states) {
    return inflate_lanes(states, std::make_index_sequence<kCount>());
}

// Decode streams together until some stop; a bit for each that did.
int inflate_run(InflateState *states, int count) {
    switch (count) {
        case 6:
            return inflate_lanes<6>(states);
        case 5:
            return inflate_lanes<5>(states);
        case 4:
            return inflate_lanes<4>(states);
        case 3:
            return inflate_lanes<3>(states);
        case 2:
            return inflate_lanes<2>(states);
        default:
            inflate_alone(*states);
            return 1;
    }
}

}  // namespace
}  // namespace s2v::kernel
