#include "decode/container.hpp"

#include "decode/avro.hpp"
#include "decode/inflate.hpp"
#include "decode/snappy.hpp"
#include "decode/zstandard.hpp"

#include <algorithm>
#include <cstdint>

namespace s2v::decode {
namespace {

constexpr std::uint8_t kMagic[] = {'O', 'b', 'j', 1};
constexpr std::size_t kLongestLong = 10;
constexpr std::size_t kChecksumSize = 4;
// What first room a deflated block gets: alerts, mostly cutouts that are compressed already, hardly shrink.
constexpr std::size_t kFirstRatio = 4;
constexpr std::size_t kSmallestRoom = 4096;
// No snappy element makes more of its bytes: 3 copy 64.
constexpr std::size_t kSnappyRatio = 22;

std::string_view text_of(Bytes bytes) noexcept {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

Codec codec_of(std::string_view name) noexcept {
    return name == "null"        ? Codec::null
           : name == "deflate"   ? Codec::deflate
           : name == "snappy"    ? Codec::snappy
           : name == "zstandard" ? Codec::zstandard
                                 : Codec::unknown;
}

// Reads values one after another; after a finding it reads no more.
class Cursor {
public:
    Cursor(Bytes bytes, std::size_t limit) noexcept : bytes_(bytes), limit_(limit) {}

    [[nodiscard]] std::size_t at() const noexcept {
        return at_;
    }
    [[nodiscard]] const Finding &finding() const noexcept {
        return finding_;
    }
    void fail(Fault fault, std::size_t offset) noexcept {
        if (!finding_) finding_ = {fault, offset};
    }

    std::int64_t number() noexcept {
        if (finding_) return 0;
        const Bytes rest = bytes_.subspan(at_);
        const Long read = read_long(rest);
        if (read.size == 0) fail(rest.size() >= kLongestLong ? Fault::damaged_avro : missing(kLongestLong), at_);
        at_ += read.size;
        return read.value;
    }

    Bytes take(std::size_t size) noexcept {
        if (finding_) return {};
        if (size > bytes_.size() - at_) {
            fail(missing(size), at_);
            return {};
        }
        at_ += size;
        return bytes_.subspan(at_ - size, size);
    }

    // Bytes behind their length.
    Bytes text() noexcept {
        const std::size_t from = at_;
        const std::int64_t size = number();
        if (size < 0) fail(Fault::damaged_avro, from);
        return take(static_cast<std::size_t>(size));
    }

private:
    Bytes bytes_;
    std::size_t limit_;
    std::size_t at_ = 0;
    Finding finding_;

    // What it means that bytes are not there: more may come, within the limit.
    [[nodiscard]] Fault missing(std::size_t size) const noexcept {
        return at_ > limit_ || size > limit_ - at_ ? Fault::too_large : Fault::truncated;
    }
};

Unpacked unpack_deflate(Bytes packed, std::vector<std::uint8_t> &room, std::size_t most) {
    const std::size_t likely = std::min(std::max(kFirstRatio * packed.size(), kSmallestRoom), most);
    if (room.size() < likely) room.resize(likely);
    for (;;) {
        const std::size_t capacity = std::min(room.size(), most);
        Stream stream;
        stream.packed = packed;
        stream.out = room.data();
        stream.capacity = capacity;
        unpack({&stream, 1}, Wrapping::raw);
        Finding finding = stream.finding;
        if (finding.fault == Fault::too_large && capacity < most) {
            room.clear();  // nothing to copy: it is unpacked again
            room.resize(std::min(2 * capacity, most));
            continue;
        }
        // The block is all there, so a stream without an end is damage too.
        if (finding.fault == Fault::damaged_gzip || finding.fault == Fault::truncated)
            finding.fault = Fault::damaged_block;
        return {Bytes(room).first(stream.size), finding};
    }
}

// Behind the snappy bytes lies the CRC-32 of what they unpack to, its highest byte first.
Unpacked unpack_snappy_block(Bytes packed, std::vector<std::uint8_t> &room, std::size_t most) {
    if (packed.size() < kChecksumSize) return {{}, {Fault::damaged_block, 0}};
    const Bytes body = packed.first(packed.size() - kChecksumSize);
    const Bytes trailer = packed.last(kChecksumSize);
    const SnappyLength length = snappy_length(body);
    if (length.size == 0) return {{}, {Fault::damaged_block, 0}};
    if (length.value > most) return {{}, {Fault::too_large, 0}};
    const Bytes elements = body.subspan(length.size);
    if (length.value / kSnappyRatio > elements.size()) return {{}, {Fault::damaged_block, 0}};
    if (room.size() < length.value) room.resize(length.value);
    SnappyResult result = unpack_snappy(elements, std::span(room).first(length.value));
    if (result.finding) {
        result.finding.offset += length.size;
        return {Bytes(room).first(result.written), result.finding};
    }
    const Bytes plain = Bytes(room).first(length.value);
    std::uint32_t expected = 0;
    for (const std::uint8_t byte : trailer) expected = expected << 8 | byte;
    if (crc32(plain) != expected) return {plain, {Fault::checksum, body.size()}};
    return {plain, {}};
}

}  // namespace

ContainerHeader read_header(Bytes file) noexcept {
    ContainerHeader header;
    const std::size_t known = std::min(file.size(), sizeof kMagic);
    if (!std::equal(kMagic, kMagic + known, file.begin())) {
        header.finding = {Fault::damaged_avro, 0};
        return header;
    }
    Cursor cursor(file, kLargestHeader);
    cursor.take(sizeof kMagic);
    header.codec_name = "null";
    bool has_schema = false;
    while (!cursor.finding()) {
        const std::size_t from = cursor.at();
        std::int64_t entries = cursor.number();
        if (entries == 0) break;
        if (entries < 0) {
            entries = entries == INT64_MIN ? INT64_MAX : -entries;
            if (cursor.number() < 0) cursor.fail(Fault::damaged_avro, from);  // the block's size in bytes
        }
        for (; entries > 0 && !cursor.finding(); --entries) {
            const std::string_view key = text_of(cursor.text());
            const std::string_view value = text_of(cursor.text());
            if (cursor.finding()) break;
            if (key == "avro.schema") {
                header.schema = value;
                has_schema = true;
            } else if (key == "avro.codec") {
                header.codec_name = value;
            }
        }
    }
    const Bytes sync = cursor.take(header.sync.size());
    if (!cursor.finding() && cursor.at() > kLargestHeader) cursor.fail(Fault::too_large, 0);
    if (!cursor.finding() && !has_schema) cursor.fail(Fault::damaged_avro, 0);
    header.finding = cursor.finding();
    if (header.finding) return header;
    std::copy(sync.begin(), sync.end(), header.sync.begin());
    header.codec = codec_of(header.codec_name);
    header.size = cursor.at();
    return header;
}

BlockHead read_block_head(Bytes data) noexcept {
    BlockHead head;
    Cursor cursor(data, kLargestBlock);
    head.records = cursor.number();
    const std::size_t second = cursor.at();
    const std::int64_t packed = cursor.number();
    if (head.records < 0) cursor.fail(Fault::damaged_avro, 0);
    if (head.records > kMostRecords) cursor.fail(Fault::too_large, 0);
    if (packed < 0) cursor.fail(Fault::damaged_avro, second);
    if (packed > static_cast<std::int64_t>(kLargestBlock)) cursor.fail(Fault::too_large, second);
    head.finding = cursor.finding();
    if (head.finding) return head;
    head.packed = static_cast<std::size_t>(packed);
    head.size = cursor.at();
    return head;
}

Unpacked unpack_block(Codec codec, Bytes packed, std::vector<std::uint8_t> &room, std::size_t most) {
    switch (codec) {
        case Codec::null:
            return {packed, {}};
        case Codec::deflate:
            return unpack_deflate(packed, room, most);
        case Codec::snappy:
            return unpack_snappy_block(packed, room, most);
        case Codec::zstandard: {
            const ZstandardResult result = unpack_zstandard(packed, room, most);
            return {Bytes(room).first(result.written), result.finding};
        }
        case Codec::unknown:
            break;
    }
    return {{}, {Fault::unknown_codec, 0}};
}

}  // namespace s2v::decode
