// Libraries of the machine that unpack a whole deflate stream at once: libdeflate and zlib.
#pragma once

#include "decode/bytes.hpp"

#include <memory>

namespace s2v::decode {

struct Unpacking {
    std::size_t used = 0;
    std::size_t size = 0;
    bool whole = false;  // the stream has ended, all of it is in the output
};

// One thread's use of a foreign library.
class ForeignInflate {
public:
    virtual ~ForeignInflate() = default;
    virtual Unpacking unpack(Bytes packed, std::span<std::uint8_t> out) noexcept = 0;
};

enum class InflateEngine : std::uint8_t { own, libdeflate, zlib, none };

// As SPACE2VEC_INFLATE says, or the quickest; none where the one that it names is unknown or absent.
InflateEngine active_inflate_engine() noexcept;

// Null for our own, for one that the machine lacks, and where memory ran out.
std::unique_ptr<ForeignInflate> make_foreign_inflate(InflateEngine engine) noexcept;

}  // namespace s2v::decode
