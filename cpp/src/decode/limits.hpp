// Limits on what one input may ask for: a small file may unpack to gigabytes, or take hours.
#pragma once

#include <cstddef>
#include <cstdint>

namespace s2v::decode {

struct Limits {
    std::size_t id_bytes = 1024;                                // of an id; a longer one costs its row
    std::size_t batch_bytes = std::size_t{128} << 20;           // of pixels of a batch, about
    std::uint64_t free_rows = 20'000;                           // of any file; a long one has a row for 4 bytes
    std::uint64_t free_bytes = std::uint64_t{256} << 20;        // that any file may unpack to, beyond its share
    static constexpr std::size_t kLongestText = 64 << 10;       // of a value that goes along with a row
    static constexpr std::uint64_t kBytesOfRow = 4;             // of a file, packed as it is
    static constexpr std::uint64_t kShare = 1024;               // bytes that a byte of a file may unpack to
    static constexpr std::uint64_t kShareOfPiece = 256;         // and one of a block
    static constexpr std::uint64_t kFreeOfPiece = 16ULL << 20;  // bytes that it may take of the free ones
};

}  // namespace s2v::decode
