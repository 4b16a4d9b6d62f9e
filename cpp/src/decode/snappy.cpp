#include "decode/snappy.hpp"

#include <cstring>

namespace s2v::decode {
namespace {

constexpr std::size_t kLongestLength = 5;

// A little-endian number of 1 to 4 bytes.
std::size_t little(const std::uint8_t *bytes, std::size_t count) noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= static_cast<std::size_t>(bytes[i]) << 8 * i;
    return value;
}

}  // namespace

SnappyLength snappy_length(Bytes packed) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < packed.size() && i < kLongestLength; ++i) {
        value |= static_cast<std::uint64_t>(packed[i] & 0x7F) << 7 * i;
        if (packed[i] < 0x80)
            return value >> 32 == 0 ? SnappyLength{static_cast<std::size_t>(value), i + 1} : SnappyLength{};
    }
    return {};
}

SnappyResult unpack_snappy(Bytes elements, std::span<std::uint8_t> out) noexcept {
    std::size_t at = 0;
    std::size_t written = 0;
    const auto damaged = [&](std::size_t offset) { return SnappyResult{written, {Fault::damaged_block, offset}}; };
    while (at < elements.size()) {
        const std::size_t element = at;
        const std::uint8_t tag = elements[at++];
        const unsigned kind = tag & 3U;
        // The bytes behind the tag: of a long literal's length, or of a copy's distance.
        const std::size_t longer = tag >> 2 >= 60 ? static_cast<std::size_t>(tag >> 2) - 59 : 0;
        const std::size_t extra = kind == 0 ? longer : kind == 3 ? 4 : kind;
        if (extra > elements.size() - at) return damaged(element);
        const std::size_t number = little(elements.data() + at, extra);
        at += extra;
        if (kind == 0) {
            const std::size_t length = (extra == 0 ? static_cast<std::size_t>(tag >> 2) : number) + 1;
            if (length > elements.size() - at || length > out.size() - written) return damaged(element);
            std::memcpy(out.data() + written, elements.data() + at, length);
            at += length;
            written += length;
            continue;
        }
        const std::size_t length = kind == 1 ? 4U + (tag >> 2 & 7U) : 1U + (tag >> 2);
        const std::size_t distance = kind == 1 ? static_cast<std::size_t>(tag >> 5) << 8 | number : number;
        if (distance == 0 || distance > written || length > out.size() - written) return damaged(element);
        std::uint8_t *const to = out.data() + written;
        if (distance >= length)
            std::memcpy(to, to - distance, length);
        else  // the copy repeats what it writes itself
            for (std::size_t i = 0; i < length; ++i) to[i] = *(to + i - distance);
        written += length;
    }
    if (written != out.size()) return damaged(elements.size());
    return {written, {}};
}

}  // namespace s2v::decode
