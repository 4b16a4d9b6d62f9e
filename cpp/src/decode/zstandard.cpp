#include "decode/zstandard.hpp"

#include "shared_library.hpp"

#include <algorithm>
#include <memory>
#include <new>

namespace s2v::decode {
namespace {

// What zstd.h declares of these, since 1.0.
struct InBuffer {
    const void *from;
    std::size_t size;
    std::size_t at;
};
struct OutBuffer {
    void *to;
    std::size_t size;
    std::size_t at;
};
struct Zstandard {
    void *(*create)() = nullptr;
    std::size_t (*destroy)(void *stream) = nullptr;
    std::size_t (*decompress)(void *stream, OutBuffer *out, InBuffer *in) = nullptr;
    unsigned (*is_error)(std::size_t code) = nullptr;
    bool found = false;

    Zstandard() noexcept {
        const SharedLibrary library("libzstd.so.1");
        found = library.find("ZSTD_createDStream", create) && library.find("ZSTD_freeDStream", destroy) &&
                library.find("ZSTD_decompressStream", decompress) && library.find("ZSTD_isError", is_error);
    }
};

const Zstandard &zstandard() noexcept {
    static const Zstandard library;
    return library;
}

}  // namespace

bool has_zstandard() noexcept {
    return zstandard().found;
}

ZstandardResult unpack_zstandard(Bytes packed, std::vector<std::uint8_t> &room, std::size_t limit) {
    const Zstandard &library = zstandard();
    if (!library.found) return {0, {Fault::unknown_codec, 0}};
    const std::unique_ptr<void, std::size_t (*)(void *)> stream(library.create(), library.destroy);
    if (stream == nullptr) throw std::bad_alloc();
    // The window that a frame asks for is bounded by the library, to 128 MiB.
    const std::size_t first = std::clamp(4 * packed.size(), std::size_t{4096}, limit);
    if (room.size() < first) room.resize(first);
    InBuffer in{packed.data(), packed.size(), 0};
    OutBuffer out{room.data(), std::min(room.size(), limit), 0};
    for (std::size_t hint = 1;;) {
        const std::size_t taken = in.at;
        const std::size_t given = out.at;
        hint = library.decompress(stream.get(), &out, &in);
        if (library.is_error(hint) != 0) return {out.at, {Fault::damaged_block, in.at}};
        if (hint == 0 && in.at == in.size) return {out.at, {}};
        if (out.at == out.size) {
            if (out.size == limit) return {out.at, {Fault::too_large, in.at}};
            room.resize(std::min(2 * out.size, limit));
            out.to = room.data();
            out.size = room.size();
        } else if (out.at == given && (in.at == in.size || in.at == taken)) {
            return {out.at, {Fault::damaged_block, in.at}};  // the last frame breaks off, or there is no way on
        }
    }
}

}  // namespace s2v::decode
