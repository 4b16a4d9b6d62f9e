#include "decode/inflate_engine.hpp"

#include "decode/inflate.hpp"
#include "shared_library.hpp"

#include <climits>
#include <cstdlib>
#include <new>
#include <string_view>

namespace s2v::decode {
namespace {

// libdeflate 1.x, as its header declares it.
struct LibDeflate {
    struct Decompressor;
    Decompressor *(*allocate)() = nullptr;
    int (*decompress)(Decompressor *, const void *in, std::size_t size, void *out, std::size_t capacity,
                      std::size_t *used, std::size_t *written) = nullptr;
    void (*free)(Decompressor *) = nullptr;
    bool present = false;

    LibDeflate() noexcept {
        const SharedLibrary library("libdeflate.so.0");
        present = library.find("libdeflate_alloc_decompressor", allocate) &&
                  library.find("libdeflate_deflate_decompress_ex", decompress) &&
                  library.find("libdeflate_free_decompressor", free);
    }
};

const LibDeflate &libdeflate() noexcept {
    static const LibDeflate library;
    return library;
}

class WithLibDeflate final : public ForeignInflate {
public:
    WithLibDeflate() noexcept : decompressor_(libdeflate().allocate()) {}
    WithLibDeflate(const WithLibDeflate &) = delete;
    WithLibDeflate &operator=(const WithLibDeflate &) = delete;
    ~WithLibDeflate() override {
        libdeflate().free(decompressor_);
    }

    Unpacking unpack(Bytes packed, std::span<std::uint8_t> out) noexcept override {
        Unpacking result;
        if (decompressor_ != nullptr)
            result.whole = libdeflate().decompress(decompressor_, packed.data(), packed.size(), out.data(), out.size(),
                                                   &result.used, &result.size) == 0;
        return result;
    }

private:
    LibDeflate::Decompressor *decompressor_;
};

// zlib 1.x, as its header declares it.
struct Zlib {
    struct Stream {
        const unsigned char *next_in;
        unsigned avail_in;
        unsigned long total_in;
        unsigned char *next_out;
        unsigned avail_out;
        unsigned long total_out;
        const char *message;
        void *state;
        void *(*allocate)(void *, unsigned, unsigned);
        void (*free)(void *, void *);
        void *opaque;
        int data_type;
        unsigned long adler;
        unsigned long reserved;
    };
    static constexpr const char *kVersion = "1.2.11";
    static constexpr int kRaw = -15;
    static constexpr int kFinish = 4;
    static constexpr int kOk = 0;
    static constexpr int kStreamEnd = 1;

    int (*begin)(Stream *, int window_bits, const char *version, int stream_size) = nullptr;
    int (*inflate)(Stream *, int flush) = nullptr;
    int (*reset)(Stream *) = nullptr;
    int (*end)(Stream *) = nullptr;
    bool present = false;

    Zlib() noexcept {
        const SharedLibrary library("libz.so.1");
        present = library.find("inflateInit2_", begin) && library.find("inflate", inflate) &&
                  library.find("inflateReset", reset) && library.find("inflateEnd", end);
    }
};

const Zlib &zlib() noexcept {
    static const Zlib library;
    return library;
}

class WithZlib final : public ForeignInflate {
public:
    WithZlib() noexcept
        : usable_(zlib().begin(&stream_, Zlib::kRaw, Zlib::kVersion, static_cast<int>(sizeof stream_)) == Zlib::kOk) {}
    WithZlib(const WithZlib &) = delete;
    WithZlib &operator=(const WithZlib &) = delete;
    ~WithZlib() override {
        if (usable_) zlib().end(&stream_);
    }

    Unpacking unpack(Bytes packed, std::span<std::uint8_t> out) noexcept override {
        // zlib counts in unsigned; what is larger is left to our own.
        if (!usable_ || packed.size() > UINT_MAX || out.size() > UINT_MAX) return {};
        if (zlib().reset(&stream_) != Zlib::kOk) return {};
        unsigned char none = 0;  // zlib takes no null pointer
        stream_.next_in = packed.empty() ? &none : packed.data();
        stream_.avail_in = static_cast<unsigned>(packed.size());
        stream_.next_out = out.empty() ? &none : out.data();
        stream_.avail_out = static_cast<unsigned>(out.size());
        const bool whole = zlib().inflate(&stream_, Zlib::kFinish) == Zlib::kStreamEnd;
        return {packed.size() - stream_.avail_in, out.size() - stream_.avail_out, whole};
    }

private:
    Zlib::Stream stream_{};
    bool usable_;
};

constexpr const char *kNames[] = {"space2vec", "libdeflate", "zlib"};

InflateEngine choose() noexcept {
    const char *const forced = std::getenv("SPACE2VEC_INFLATE");
    const std::string_view name = forced == nullptr ? "" : forced;
    if (name.empty() || name == kNames[0]) return InflateEngine::own;
    if (name == kNames[1] && libdeflate().present) return InflateEngine::libdeflate;
    if (name == kNames[2] && zlib().present) return InflateEngine::zlib;
    return InflateEngine::none;
}

}  // namespace

InflateEngine active_inflate_engine() noexcept {
    static const InflateEngine engine = choose();
    return engine;
}

const char *inflate_engine() noexcept {
    const InflateEngine engine = active_inflate_engine();
    return engine == InflateEngine::none ? nullptr : kNames[static_cast<int>(engine)];
}

std::unique_ptr<ForeignInflate> make_foreign_inflate(InflateEngine engine) noexcept {
    if (engine == InflateEngine::libdeflate && libdeflate().present)
        return std::unique_ptr<ForeignInflate>(new (std::nothrow) WithLibDeflate);
    if (engine == InflateEngine::zlib && zlib().present)
        return std::unique_ptr<ForeignInflate>(new (std::nothrow) WithZlib);
    return nullptr;
}

}  // namespace s2v::decode
