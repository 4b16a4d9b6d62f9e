// Deflate streams: many short ones together, or a long one piece by piece.
#pragma once

#include "decode/bytes.hpp"

#include <memory>

namespace s2v::decode {

enum class Wrapping : std::uint8_t { raw, gzip };

// One stream to unpack, and the result.
struct Stream {
    Bytes packed;
    std::uint8_t *out = nullptr;  // `capacity` bytes; nothing is written past them
    std::size_t capacity = 0;
    std::size_t size = 0;  // bytes unpacked
    std::size_t used = 0;  // bytes of `packed` that belong to the stream
    Finding finding;       // too_large: it unpacks to more than `capacity`; offset counts in `packed`
};

// Unpack streams, several at a time in one thread. A gzip stream is its members one after another, whose CRC-32 and
// length are checked; what follows them is left alone. A stream that fails does not disturb the others.
void unpack(std::span<Stream> streams, Wrapping wrapping) noexcept;

// Unpack streams by the library's own decoder, whatever SPACE2VEC_INFLATE says, so many at a time: for comparisons.
inline constexpr int kMostLanes = 6;
void unpack_in_lanes(std::span<Stream> streams, Wrapping wrapping, int lanes) noexcept;

// Whether bytes begin like a gzip stream.
bool is_gzip(Bytes bytes) noexcept;

// The size of the last member that the end of a gzip stream announces, modulo 2^32; 0 where it is too short to be one.
std::size_t announced_size(Bytes gzip) noexcept;

std::uint32_t crc32(Bytes bytes, std::uint32_t of_what_came_before = 0) noexcept;

// The name of the library that unpacks streams: "space2vec", or "libdeflate" or "zlib" by SPACE2VEC_INFLATE. Null if
// the machine lacks what that names: then every stream has the fault unknown_codec.
const char *inflate_engine() noexcept;

// A gzip file of any length, members one after another, in bounded memory.
class Gunzip {
public:
    Gunzip();
    ~Gunzip();
    Gunzip(Gunzip &&) noexcept;
    Gunzip &operator=(Gunzip &&) noexcept;

    struct Step {
        std::size_t used = 0;     // bytes taken from `packed`
        std::size_t written = 0;  // bytes put into `out`
        bool ended = false;       // the last member has ended and no bytes are left
        Finding finding;          // offset counts from the start of the file
    };
    // Unpack as much as fits. `last`: nothing comes after `packed`.
    Step step(Bytes packed, std::span<std::uint8_t> out, bool last);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace s2v::decode
