// Avro object container files: the header, and blocks of records.
#pragma once

#include "decode/bytes.hpp"

#include <array>
#include <string_view>
#include <vector>

namespace s2v::decode {

enum class Codec : std::uint8_t { null, deflate, snappy, zstandard, unknown };

inline constexpr std::size_t kLargestHeader = std::size_t{16} << 20;
inline constexpr std::size_t kLargestBlock = std::size_t{128} << 20;  // as it lies in the file, and unpacked
// Records of a block. A record may take no bytes at all, but always a row; a block of ZTF or Rubin holds a hundred.
inline constexpr std::int64_t kMostRecords = 1 << 16;

struct ContainerHeader {
    std::string_view schema;  // in the bytes that were given
    std::string_view codec_name;
    Codec codec = Codec::null;
    std::array<std::uint8_t, 16> sync{};
    std::size_t size = 0;  // of the header; 0 with a finding
    Finding finding;       // truncated: more bytes may help; damaged_avro; too_large
};
// The header at the start of a file ("Obj" 1, metadata, sync marker).
ContainerHeader read_header(Bytes file) noexcept;

// The head of a block: how many records, and how many bytes these take in the file. The sync marker follows them.
struct BlockHead {
    std::int64_t records = 0;
    std::size_t packed = 0;
    std::size_t size = 0;  // of the head itself; 0 with a finding
    Finding finding;       // truncated: more bytes may help; damaged_avro; too_large
};
BlockHead read_block_head(Bytes data) noexcept;

// Unpack a block. plain: the records, in `packed` itself or in `room`, which is made as large as need be. What could
// be unpacked before the damage is given with the finding, whose offset counts in `packed`.
struct Unpacked {
    Bytes plain;
    Finding finding;
};
Unpacked unpack_block(Codec codec, Bytes packed, std::vector<std::uint8_t> &room, std::size_t most = kLargestBlock);

}  // namespace s2v::decode
