// The headers of tar archives: ustar, GNU and pax.
#pragma once

#include "decode/bytes.hpp"

#include <string>
#include <string_view>

namespace s2v::decode {

inline constexpr std::size_t kTarBlock = 512;

struct TarHeader {
    enum class Kind : std::uint8_t { end, file, link, long_name, pax, other, damaged };
    Kind kind = Kind::damaged;
    std::uint64_t size = 0;  // of what follows, without the padding to whole blocks
    std::string name;
};

// Whether a file that begins like this is a tar archive.
bool is_tar(Bytes block) noexcept;

// block: kTarBlock bytes.
TarHeader read_tar_header(Bytes block);

// What a pax header says of the member after it; left as they are where it says nothing.
void read_pax(std::string_view records, std::string &name, std::uint64_t &size);

// Bytes from the end of `size` bytes to the next whole block.
inline std::uint64_t tar_padding(std::uint64_t size) noexcept {
    return (kTarBlock - size % kTarBlock) % kTarBlock;
}

}  // namespace s2v::decode
