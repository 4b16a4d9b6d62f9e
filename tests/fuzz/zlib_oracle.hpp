// zlib through its stable C ABI, opened at run time: what it makes of a stream is what ours must make of it.
#pragma once

#include "fuzz.hpp"
#include "shared_library.hpp"

#include <optional>

namespace fuzz {

class Zlib {
public:
    struct Outcome {
        bool whole = false;    // the stream ended well
        std::size_t size = 0;  // bytes unpacked
        std::size_t used = 0;  // bytes of the input that belong to the stream
    };

    Zlib() {
        there_ = library_.find("inflateInit2_", init_) && library_.find("inflate", inflate_) &&
                 library_.find("inflateEnd", end_) && library_.find("crc32", crc32_);
        if (!there_) std::fputs("no libz.so.1: streams are not compared\n", stderr);
    }
    explicit operator bool() const noexcept {
        return there_;
    }

    // Unpack one stream, or one gzip member.
    [[nodiscard]] Outcome unpack(std::span<const std::uint8_t> packed, bool gzip, std::span<std::uint8_t> out) const {
        State state{};
        require(init_(&state, gzip ? 31 : -15, "1", sizeof state) == 0, "zlib starts");
        state.next_in = packed.data();
        state.avail_in = static_cast<unsigned>(packed.size());
        state.next_out = out.data();
        state.avail_out = static_cast<unsigned>(out.size());
        constexpr int kFinish = 4;
        constexpr int kStreamEnd = 1;
        const bool whole = inflate_(&state, kFinish) == kStreamEnd;
        end_(&state);
        return {whole, out.size() - state.avail_out, packed.size() - state.avail_in};
    }

    [[nodiscard]] std::uint32_t crc32(std::span<const std::uint8_t> bytes) const {
        return static_cast<std::uint32_t>(crc32_(0, bytes.data(), static_cast<unsigned>(bytes.size())));
    }

private:
    // z_stream
    struct State {
        const std::uint8_t *next_in;
        unsigned avail_in;
        unsigned long total_in;
        std::uint8_t *next_out;
        unsigned avail_out;
        unsigned long total_out;
        const char *message;
        void *internal;
        void *allocate;
        void *free;
        void *opaque;
        int data_type;
        unsigned long adler;
        unsigned long reserved;
    };

    s2v::SharedLibrary library_{"libz.so.1"};
    int (*init_)(State *, int, const char *, int) = nullptr;
    int (*inflate_)(State *, int) = nullptr;
    int (*end_)(State *) = nullptr;
    unsigned long (*crc32_)(unsigned long, const std::uint8_t *, unsigned) = nullptr;
    bool there_ = false;
};

}  // namespace fuzz
