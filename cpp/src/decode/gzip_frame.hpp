// The header and trailer of a gzip member.
#pragma once

#include "decode/bytes.hpp"

namespace s2v::decode {

inline constexpr std::size_t kGzipTrailer = 8;

struct GzipHeader {
    std::size_t size = 0;  // 0 with a finding
    Finding finding;       // truncated: more bytes may help; damaged_gzip
};
GzipHeader read_gzip_header(Bytes packed) noexcept;
bool begins_gzip(Bytes packed) noexcept;

// The trailer of a member at the start of `trailer`, which has it whole: checksum where it is not that of the contents.
Fault check_gzip_trailer(Bytes trailer, std::uint32_t crc, std::uint64_t size) noexcept;

}  // namespace s2v::decode
