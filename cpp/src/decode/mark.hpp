// Marks in Avro files by which reading finds its way again after damage: sync markers, and the headers of containers.
#pragma once

#include "decode/bytes.hpp"

namespace s2v::decode {

inline constexpr std::size_t kMagicSize = 4;

// Whether these bytes begin as a container does.
bool is_avro(Bytes head) noexcept;

// Bytes that tell a mark.
inline constexpr std::size_t kLongestMark = 64;

struct Mark {
    std::size_t end;   // of what lies before it
    std::size_t next;  // where reading goes on: behind a sync marker, at a header
    bool found;        // if not, both are the end of the bytes
    bool container;
};

// The first mark from `from` on. sync: empty where the marker is not known.
Mark find_mark(Bytes bytes, std::size_t from, Bytes sync) noexcept;

}  // namespace s2v::decode
