// The bytes of one input, in order: a file, standard input, or memory; unpacked where it is gzip'd as a whole.
#pragma once

#include "decode/buffer.hpp"
#include "decode/bytes.hpp"
#include "decode/inflate.hpp"

#include <atomic>
#include <optional>
#include <string>

namespace s2v::decode {

// An input as it is named: a path ("-": standard input), or bytes that outlive the reading.
struct Source {
    std::string path;
    Bytes memory;
    bool in_memory = false;
};

// The machine could not read, which is no fault of the data, unless it is of this file alone (`of_file`).
struct InputError {
    int number;  // errno
    std::string path;
    bool of_file = false;
};

// Thrown where reading ends early because no more rows are wanted.
struct ReadingStopped {};

class Input {
public:
    // Throws InputError; what is read from a pipe, which may never end, throws ReadingStopped soon after `stopping`.
    Input(const Source &source, const std::atomic<bool> &stopping);
    ~Input();
    Input(const Input &) = delete;
    Input &operator=(const Input &) = delete;

    // How many bytes are expected, or 0 where that is unknown.
    [[nodiscard]] std::size_t expected() const noexcept {
        return expected_;
    }
    // Read at most `room` bytes; 0: the end, or damage that finding() tells. Throws InputError.
    std::size_t read(std::uint8_t *to, std::size_t room);
    // Treat the bytes read so far as the beginning of a gzip file, and unpack from now on.
    void unpack(Bytes begun);
    // Bytes of the file, packed as it is, that have been read.
    [[nodiscard]] std::size_t taken() const noexcept {
        return at_;
    }
    // What is wrong with the gzip file.
    [[nodiscard]] const Finding &finding() const noexcept {
        return finding_;
    }

private:
    std::size_t read_raw(std::uint8_t *to, std::size_t room);

    const Source &source_;
    const std::atomic<bool> &stopping_;
    int file_ = -1;
    bool waits_ = false;  // a pipe or a terminal
    std::size_t expected_ = 0;
    std::size_t size_ = 0;  // of a regular file
    std::size_t at_ = 0;    // bytes that were read
    std::optional<Gunzip> gunzip_;
    Buffer<std::uint8_t> packed_;
    std::size_t packed_at_ = 0;
    bool packed_ended_ = false;
    bool ended_ = false;
    Finding finding_;
};

}  // namespace s2v::decode
