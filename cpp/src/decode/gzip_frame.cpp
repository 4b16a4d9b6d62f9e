#include "decode/gzip_frame.hpp"

#include "decode/inflate.hpp"

#include <algorithm>
#include <iterator>

namespace s2v::decode {
namespace {

constexpr std::size_t kFixedPart = 10;
constexpr std::size_t kSmallestMember = kFixedPart + kGzipTrailer;

constexpr std::uint8_t kBegin[] = {0x1f, 0x8b, 8};

enum Flag : std::uint8_t { header_crc = 2, extra = 4, name = 8, comment = 16, reserved = 0xe0 };

std::uint32_t little_endian(const std::uint8_t *from, int bytes) noexcept {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint32_t{from[i]} << 8 * i;
    return value;
}

}  // namespace

bool begins_gzip(Bytes packed) noexcept {
    return packed.size() >= std::size(kBegin) && std::equal(std::begin(kBegin), std::end(kBegin), packed.begin());
}

GzipHeader read_gzip_header(Bytes packed) noexcept {
    for (std::size_t i = 0; i < 4; ++i) {
        if (i == packed.size()) return {0, {Fault::truncated, i}};
        if (i < 3 ? packed[i] != kBegin[i] : (packed[i] & reserved) != 0) return {0, {Fault::damaged_gzip, i}};
    }
    const GzipHeader truncated = {0, {Fault::truncated, packed.size()}};
    if (packed.size() < kFixedPart) return truncated;
    const std::uint8_t flags = packed[3];
    std::size_t at = kFixedPart;
    if (flags & extra) {
        if (packed.size() - at < 2) return truncated;
        const std::size_t length = little_endian(&packed[at], 2);
        at += 2;
        if (packed.size() - at < length) return truncated;
        at += length;
    }
    for (const std::uint8_t text : {name, comment}) {
        if (!(flags & text)) continue;
        const auto end = std::find(packed.begin() + static_cast<std::ptrdiff_t>(at), packed.end(), 0);
        if (end == packed.end()) return truncated;
        at = static_cast<std::size_t>(end - packed.begin()) + 1;
    }
    if (flags & header_crc) {
        if (packed.size() - at < 2) return truncated;
        if (little_endian(&packed[at], 2) != (crc32(packed.first(at)) & 0xffff)) return {0, {Fault::damaged_gzip, at}};
        at += 2;
    }
    return {at, {}};
}

Fault check_gzip_trailer(Bytes trailer, std::uint32_t crc, std::uint64_t size) noexcept {
    const bool good =
        little_endian(&trailer[0], 4) == crc && little_endian(&trailer[4], 4) == static_cast<std::uint32_t>(size);
    return good ? Fault::none : Fault::checksum;
}

bool is_gzip(Bytes bytes) noexcept {
    return bytes.size() >= 2 && bytes[0] == kBegin[0] && bytes[1] == kBegin[1];
}

std::size_t announced_size(Bytes gzip) noexcept {
    return gzip.size() < kSmallestMember ? 0 : little_endian(&gzip[gzip.size() - 4], 4);
}

}  // namespace s2v::decode
