// Snappy's raw format: a length, then literals and copies of earlier bytes.
#pragma once

#include "decode/bytes.hpp"

namespace s2v::decode {

// The length that is announced, and the size of the announcement; size 0 where it is damaged.
struct SnappyLength {
    std::size_t value = 0;
    std::size_t size = 0;
};
SnappyLength snappy_length(Bytes packed) noexcept;

// Unpack what follows the announcement into exactly `out`. written: how much of it is good.
struct SnappyResult {
    std::size_t written = 0;
    Finding finding;  // damaged_block; offset counts in `elements`
};
SnappyResult unpack_snappy(Bytes elements, std::span<std::uint8_t> out) noexcept;

}  // namespace s2v::decode
