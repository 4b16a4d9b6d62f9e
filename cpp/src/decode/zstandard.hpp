// Zstandard frames, through the machine's libzstd.
#pragma once

#include "decode/bytes.hpp"

#include <vector>

namespace s2v::decode {

// Whether this machine has a libzstd.
bool has_zstandard() noexcept;

// Unpack frames into `room`, which grows up to `limit`. written: how much of it was unpacked.
struct ZstandardResult {
    std::size_t written = 0;
    Finding finding;  // unknown_codec without a libzstd, damaged_block, too_large
};
ZstandardResult unpack_zstandard(Bytes packed, std::vector<std::uint8_t> &room, std::size_t limit);

}  // namespace s2v::decode
