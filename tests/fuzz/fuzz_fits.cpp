// A cutout: gzip is unpacked, and must come out as zlib has it; then images are found and their pixels read.
#include "decode/fits.hpp"
#include "decode/inflate.hpp"
#include "fuzz.hpp"
#include "zlib_oracle.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {

using fuzz::require;
using s2v::decode::Bytes;
using s2v::decode::Fault;
using s2v::decode::Finding;
using s2v::decode::Stream;
using s2v::decode::Wrapping;

constexpr std::size_t kMost = std::size_t{1} << 16;  // bytes unpacked
constexpr std::size_t kGzipHead = 10;

const fuzz::Zlib &zlib() {
    static const fuzz::Zlib library;
    return library;
}

bool same(Bytes a, Bytes b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void check(const Stream &stream) {
    require(stream.size <= stream.capacity, "not more bytes unpacked than there is room");
    require(stream.used <= stream.packed.size(), "not more bytes used than there are");
    require(stream.finding.offset <= stream.packed.size(), "the offset of a finding in a stream");
}

struct Unpacked {
    bool whole = false;
    std::vector<std::uint8_t> bytes;
};

// What zlib makes of a stream, or of the gzip members one after another; `last` becomes the size of the last one.
fuzz::Zlib::Outcome unpack_by_zlib(Bytes packed, Wrapping wrapping, std::span<std::uint8_t> room, std::size_t &last) {
    const bool gzip = wrapping == Wrapping::gzip;
    fuzz::Zlib::Outcome all = zlib().unpack(packed, gzip, room);
    last = all.size;
    const auto begins_member = [&](Bytes left) {
        return gzip && left.size() >= 3 && left[0] == 0x1f && left[1] == 0x8b && left[2] == 8;
    };
    while (all.whole && begins_member(packed.subspan(all.used))) {
        const auto member = zlib().unpack(packed.subspan(all.used), true, room.subspan(all.size));
        all = {member.whole, all.size + member.size, all.used + member.used};
        last = member.size;
    }
    return all;
}

// Unpack with just as much room as zlib says is needed; without zlib, with as much as there may be.
Unpacked unpack_one(Bytes packed, Wrapping wrapping) {
    static std::vector<std::uint8_t> room(kMost + 1);
    fuzz::Zlib::Outcome expected;
    std::size_t capacity = kMost;
    std::size_t last = 0;
    if (zlib()) {
        expected = unpack_by_zlib(packed, wrapping, room, last);
        capacity = std::min(expected.size, kMost);
    }
    const fuzz::Exact out(capacity);
    Stream stream;
    stream.packed = packed;
    stream.out = out.data();
    stream.capacity = capacity;
    s2v::decode::unpack({&stream, 1}, wrapping);
    check(stream);
    const Bytes bytes = out.first(stream.size);
    if (zlib()) {
        require(!stream.finding == (expected.whole && expected.size <= kMost), "zlib takes the same streams");
        if (expected.size > kMost) require(stream.finding.fault == Fault::too_large, "too much is too large");
        if (!stream.finding) {
            require(stream.size == expected.size && same(bytes, Bytes(room).first(stream.size)), "zlib's bytes");
            require(stream.used == expected.used, "zlib's end of a stream");
            require(s2v::decode::crc32(bytes) == zlib().crc32(bytes), "zlib's CRC-32");
        }
    }
    if (zlib() && !stream.finding && wrapping == Wrapping::gzip && stream.used == packed.size())
        require(s2v::decode::announced_size(packed) == last, "the size that the end of a stream announces");
    return {!stream.finding, {bytes.begin(), bytes.end()}};
}

// Several streams together come out as each alone, among them one that is cut and one that lacks room.
void unpack_together(Bytes packed, Wrapping wrapping, const Unpacked &alone) {
    constexpr std::size_t kStreams = 5;
    const std::size_t size = alone.bytes.size();
    std::vector<fuzz::Exact> outs;
    std::vector<fuzz::Exact> ins;
    std::vector<Stream> streams;
    for (std::size_t i = 0; i < kStreams; ++i) {
        const bool cut = i == 1 || i == 4;
        const bool narrow = i == 2;
        outs.emplace_back(narrow ? size / 2 : size);
        ins.emplace_back(packed.first(cut ? packed.size() * i / 5 : packed.size()));
        Stream &stream = streams.emplace_back();
        stream.packed = ins[i].all();
        stream.out = outs[i].data();
        stream.capacity = outs[i].all().size();
    }
    s2v::decode::unpack(streams, wrapping);
    for (std::size_t i = 0; i < kStreams; ++i) {
        check(streams[i]);
        if (i == 1 || i == 2 || i == 4) continue;
        require(!streams[i].finding == alone.whole, "a stream among others fails as it does alone");
        if (alone.whole) require(same(outs[i].first(streams[i].size), alone.bytes), "a stream among others");
    }
    if (alone.whole && size / 2 < size)
        require(streams[2].finding.fault == Fault::too_large, "a stream that lacks room is too large");
}

// The same file piece by piece begins as its members, and ends.
void unpack_stepwise(Bytes packed, const Unpacked &alone) {
    s2v::decode::Gunzip gunzip;
    const std::size_t in_piece = 1 + packed.size() % 61;
    const std::size_t out_piece = 1 + packed.size() % 509;
    std::vector<std::uint8_t> bytes;
    std::size_t at = 0;
    for (bool ended = false; !ended && bytes.size() < kMost;) {
        const fuzz::Exact piece(packed.subspan(at, std::min(in_piece, packed.size() - at)));
        const fuzz::Exact out(out_piece);
        const bool last = at + piece.all().size() == packed.size();
        const auto step = gunzip.step(piece.all(), {out.data(), out_piece}, last);
        require(step.used <= piece.all().size(), "a step uses what it is given");
        require(step.finding.offset <= packed.size(), "the offset of a finding in a file");
        const Bytes written = out.first(step.written);
        bytes.insert(bytes.end(), written.begin(), written.end());
        at += step.used;
        ended = step.ended || step.finding;
        require(ended || step.used != 0 || step.written != 0 || (!last && at < packed.size()), "a step leads on");
        if (step.finding) require(!alone.whole || bytes.size() >= alone.bytes.size(), "sound members are unpacked");
    }
    if (alone.whole)
        require(bytes.size() >= std::min(alone.bytes.size(), kMost) &&
                    same(Bytes(bytes).first(std::min(alone.bytes.size(), bytes.size())),
                         Bytes(alone.bytes).first(std::min(alone.bytes.size(), bytes.size()))),
                "the members of a file");
}

void read_image(Bytes file, std::string_view unit) {
    const s2v::decode::Image image = s2v::decode::find_image(file, unit);
    if (image.finding.fault == Fault::compressed_image)
        require(image.height >= 1 && image.width >= 1, "the size of an image in tiles");
    if (image.finding) {
        require(image.finding.offset <= file.size(), "the offset of a finding in a FITS file");
        return;
    }
    require(image.height >= 1 && image.height <= s2v::decode::kLargestSide, "the height of an image");
    require(image.width >= 1 && image.width <= s2v::decode::kLargestSide, "the width of an image");
    const std::int64_t pixels = std::int64_t{image.height} * image.width;
    require(pixels <= s2v::decode::kMostPixels, "the pixels of an image");
    const auto bytes = static_cast<std::size_t>(pixels * std::abs(image.bitpix) / 8);
    require(image.begin <= file.size() && bytes <= file.size() - image.begin, "an image within its file");
    const fuzz::Exact out(static_cast<std::size_t>(pixels) * sizeof(float));
    s2v::decode::read_pixels(file, image, reinterpret_cast<float *>(out.data()));
}

void read_images(Bytes file) {
    for (const char *unit : {"", "PRIMARY", "UNCERT"}) read_image(file, unit);
}

}  // namespace

int LLVMFuzzerInitialize(int *, char ***) {
    return setenv("SPACE2VEC_INFLATE", "space2vec", 1);
}

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const Bytes input(data, size);
    if (size < 2 || data[0] != 0x1f || data[1] != 0x8b) {
        read_images(input);
        return 0;
    }
    const Unpacked member = unpack_one(input, Wrapping::gzip);
    unpack_together(input, Wrapping::gzip, member);
    unpack_stepwise(input, member);
    if (member.whole) read_images(fuzz::Exact(member.bytes).all());
    // Without head and checksum, which a changed input seldom keeps right.
    const fuzz::Exact raw(input.subspan(std::min(size, kGzipHead)));
    unpack_together(raw.all(), Wrapping::raw, unpack_one(raw.all(), Wrapping::raw));
    return 0;
}
