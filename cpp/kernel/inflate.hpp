// Inflate. The decoding of one stream waits on itself, so several streams are decoded step by step together, without a
// branch that depends on what is decoded: the processor works on all of them at once.
#pragma once

#include "kernel/inflate_alone.hpp"

#include <utility>

namespace s2v::kernel {
namespace {

inline constexpr int kLiteralSteps = 5;  // what 57 bits are enough for

// Where a lane stands within a round.
struct QuickLane {
    std::uint64_t bits;  // below a 1 whose distance from the top is what was taken
    std::uint64_t at;    // as of when `bits` was filled
    std::uint8_t *out;
    std::uint32_t match;  // what was looked up and is no literal, >> 8; 0 where it is one
};

[[gnu::always_inline]] inline void fill(const InflateState &s, QuickLane &lane) {
    lane.bits = (load_64(s.in + (lane.at >> 3)) >> (lane.at & 7)) | std::uint64_t{1} << 63;
}

[[gnu::always_inline]] inline std::uint64_t taken(const QuickLane &lane) {
    return static_cast<std::uint64_t>(__builtin_clzll(lane.bits));
}

// One lookup: a literal, or nothing.
[[gnu::always_inline]] inline std::uint32_t take_literal(const InflateState &s, QuickLane &lane) {
    const std::uint32_t entry = s.literals[lane.bits & ((1 << kLiteralBits) - 1)];
    lane.bits >>= entry & 63;
    *lane.out = static_cast<std::uint8_t>(entry >> 8);
    lane.out += entry >> 31;
    return entry;
}

// One lookup: a literal, or the length of a match.
[[gnu::always_inline]] inline void take_literal_or_length(const InflateState &s, QuickLane &lane) {
    const std::uint32_t entry = take_literal(s, lane);
    std::uint32_t no_literal = entry < kLiteral ? ~0u : 0;
    asm("" : "+r"(no_literal));  // or the compiler would make a branch of it
    lane.match = entry >> 8 & no_literal;
}

// The rest of a match, if there is one. Where it is more than is done here (long, near, or no match at all) and where
// input or output come to their ends, careful steps follow. False where the stream has stopped.
[[gnu::always_inline]] inline bool take_match(InflateState &s, QuickLane &lane) {
    const std::uint64_t before = lane.at + taken(lane);
    const std::uint32_t length = lane.match >> 8;
    lane.bits >>= lane.match & 63;
    std::uint64_t index = lane.bits & ((1 << kDistanceBits) - 1);
    index = __builtin_expect_with_probability(lane.match == 0, 1, 0.5) ? 1 << kDistanceBits : index;
    const std::uint32_t found = s.distances[index];
    const std::uint64_t extra = (lane.bits & ((std::uint64_t{1} << (found & 63)) - 1)) >> (found >> 8 & 63);
    const std::uint64_t distance = (found >> 16) + extra;
    const std::uint8_t *const from = lane.out - distance;
    lane.bits >>= found & 63;
    if (length > kLastQuickLength || distance < 16 || from < s.begin) [[unlikely]] {
        lane.at = before;
    } else {
        lane.at += taken(lane);
        __builtin_memcpy(lane.out, from, 16);
        lane.out += length;
        if (lane.at < s.fast_at && lane.out < s.fast_out) [[likely]]
            return true;
    }
    s.at = lane.at;
    s.out = lane.out;
    const bool running = step_aside(s) == InflateStop::running;
    lane.at = s.at;
    lane.out = s.out;
    return running;
}

// Up to kLiteralSteps + 1 literals of each lane, and one match. A bit for each lane that has stopped.
template <std::size_t... kLane>
[[gnu::always_inline]] inline int inflate_round(InflateState *states, QuickLane (&lanes)[sizeof...(kLane)]) {
    (fill(states[kLane], lanes[kLane]), ...);
#pragma GCC unroll 8
    for (int i = 0; i < kLiteralSteps; ++i) (take_literal(states[kLane], lanes[kLane]), ...);
    ((lanes[kLane].at += taken(lanes[kLane])), ...);
    (fill(states[kLane], lanes[kLane]), ...);
    (take_literal_or_length(states[kLane], lanes[kLane]), ...);
    int stopped = 0;
    ((take_match(states[kLane], lanes[kLane]) ? 0 : stopped |= 1 << kLane), ...);
    return stopped;
}

template <std::size_t... kLane>
[[gnu::always_inline]] inline int inflate_lanes(InflateState *states, std::index_sequence<kLane...>) {
    int stopped = 0;
    ((may_be_quick(states[kLane]) || step_aside(states[kLane]) == InflateStop::running ? 0 : stopped |= 1 << kLane),
     ...);
    if (stopped != 0) return stopped;
    QuickLane lanes[sizeof...(kLane)];
    ((lanes[kLane].at = states[kLane].at, lanes[kLane].out = states[kLane].out), ...);
    do stopped = inflate_round<kLane...>(states, lanes);
    while (stopped == 0);
    ((states[kLane].at = lanes[kLane].at, states[kLane].out = lanes[kLane].out), ...);
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
