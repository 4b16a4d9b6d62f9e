// Avro files: headers, heads of blocks, and every codec with its damage and its bombs.
#include "check.hpp"
#include "decode/container.hpp"
#include "decode/zstandard.hpp"
#include "synthetic_avro.hpp"

#include <algorithm>
#include <limits>

namespace {

using s2v::decode::Bytes;
using s2v::decode::Codec;
using s2v::decode::ContainerHeader;
using s2v::decode::Fault;
using s2v::decode::kLargestBlock;
using s2v::decode::kLargestHeader;
using s2v::decode::Unpacked;
using synthetic::Avro;
using Room = std::vector<std::uint8_t>;

Room bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}
Room repeated(std::size_t count, std::uint8_t value) {
    Room out(count, value);
    return out;
}
bool same(Bytes a, Bytes b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}
bool same(Bytes a, std::string_view text) {
    return same(a, bytes_of(text));
}

Avro file(const std::string &codec, bool by_size = false) {
    Avro entries;
    entries.text("avro.schema").text(R"("long")");
    if (!codec.empty()) entries.text("avro.codec").text(codec);
    entries.text("other").text("");
    Avro header;
    header.raw({'O', 'b', 'j', 1});
    const std::int64_t count = codec.empty() ? 2 : 3;
    if (by_size)
        header.number(-count).number(static_cast<std::int64_t>(entries.bytes().size()));
    else
        header.number(count);
    header.raw(entries.bytes()).number(0);
    for (int i = 0; i < 16; ++i) header.raw({i + 1});
    return header;
}

ContainerHeader header_of(const Avro &file) {
    const Room bytes = file.bytes();
    ContainerHeader header = s2v::decode::read_header(bytes);
    header.schema = header.codec_name = {};  // of bytes that are gone
    return header;
}

void headers() {
    const std::pair<const char *, Codec> codecs[] = {
        {"", Codec::null},         {"null", Codec::null},           {"deflate", Codec::deflate},
        {"snappy", Codec::snappy}, {"zstandard", Codec::zstandard}, {"bzip2", Codec::unknown}};
    for (const auto &[name, codec] : codecs)
        for (const bool by_size : {false, true}) {
            const Room bytes = file(name, by_size).number(1).bytes();
            const ContainerHeader header = s2v::decode::read_header(bytes);
            CHECK(!header.finding && header.size == bytes.size() - 1 && header.codec == codec);
            CHECK(header.schema == R"("long")" && header.codec_name == (*name == '\0' ? "null" : name));
            CHECK(header.sync[0] == 1 && header.sync[15] == 16);
            for (std::size_t size = 0; size < header.size; ++size) {
                const Room cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
                const ContainerHeader part = s2v::decode::read_header(cut);
                CHECK(part.finding.fault == Fault::truncated && part.finding.offset <= size && part.size == 0);
            }
        }
    CHECK(header_of(Avro().raw({'P', 'K', 3, 4})).finding.fault == Fault::damaged_avro);
    CHECK(header_of(Avro().raw({'O', 'b', 'x'})).finding.fault == Fault::damaged_avro);
    const auto after = [] { return Avro().raw({'O', 'b', 'j', 1}); };
    const Room sync(16);
    CHECK(header_of(after().number(0).raw(sync)).finding.fault == Fault::damaged_avro);  // no schema
    CHECK(header_of(after().number(1).text("avro.codec").text("null").number(0).raw(sync)).finding.fault ==
          Fault::damaged_avro);
    CHECK(header_of(after().number(1).number(-1).raw(sync)).finding.fault == Fault::damaged_avro);
    CHECK(header_of(after().number(-1).number(-1).raw(sync)).finding.fault == Fault::damaged_avro);
    CHECK(header_of(after().raw(repeated(11, 255)).raw(sync)).finding.fault == Fault::damaged_avro);
    CHECK(header_of(after().number(1).number(1LL << 40).raw(sync)).finding.fault == Fault::too_large);
    CHECK(header_of(after().number(1).number(std::numeric_limits<std::int64_t>::max())).finding.fault ==
          Fault::too_large);
    CHECK(header_of(after().number(std::numeric_limits<std::int64_t>::min()).number(0)).finding.fault ==
          Fault::truncated);
    // Metadata without an end is too large at some point, not truncated for ever.
    Avro endless = after();
    endless.number(1LL << 60).raw(repeated(kLargestHeader, 0));
    CHECK(header_of(endless).finding.fault == Fault::too_large);
}

void block_heads() {
    const auto head_of = [](const Avro &header) {
        const Room bytes = header.bytes();
        return s2v::decode::read_block_head(bytes);
    };
    const auto head = head_of(Avro().number(500).number(123456).raw({1, 2, 3}));
    CHECK(!head.finding && head.records == 500 && head.packed == 123456 && head.size == 5);
    CHECK(head_of(Avro().number(0).number(0)).size == 2);
    CHECK(head_of(Avro()).finding.fault == Fault::truncated);
    CHECK(head_of(Avro().number(500)).finding.fault == Fault::truncated);
    CHECK(head_of(Avro().number(500).raw({0x80})).finding.fault == Fault::truncated);
    CHECK(head_of(Avro().number(-1).number(5)).finding.fault == Fault::damaged_avro);
    CHECK(head_of(Avro().number(1).number(-5)).finding.fault == Fault::damaged_avro);
    CHECK(head_of(Avro().raw(repeated(12, 255))).finding.fault == Fault::damaged_avro);
    CHECK(head_of(Avro().number(1).number(kLargestBlock)).packed == kLargestBlock);
    CHECK(head_of(Avro().number(1).number(kLargestBlock + 1)).finding.fault == Fault::too_large);
    CHECK(head_of(Avro().number(1).number(std::numeric_limits<std::int64_t>::max())).size == 0);
}

// Cut at any byte, a block is damaged, and what is given of it is its beginning.
void cut(Codec codec, const Room &packed, Bytes plain) {
    for (std::size_t size = 0; size < packed.size(); ++size) {
        const Room part(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
        Room room;
        const Unpacked result = s2v::decode::unpack_block(codec, part, room);
        CHECK(result.finding.fault == Fault::damaged_block || result.finding.fault == Fault::checksum);
        CHECK(result.finding.offset <= size);
        if (codec != Codec::snappy)  // whose last four bytes are a checksum, wherever it is cut
            CHECK(result.plain.size() <= plain.size() && same(result.plain, plain.first(result.plain.size())));
    }
}

void plain_blocks() {
    Room room;
    const Room bytes = bytes_of("records");
    const Unpacked result = s2v::decode::unpack_block(Codec::null, bytes, room);
    CHECK(!result.finding && result.plain.data() == bytes.data() && result.plain.size() == bytes.size() &&
          room.empty());
    CHECK(s2v::decode::unpack_block(Codec::unknown, bytes, room).finding.fault == Fault::unknown_codec);
}

void deflated_blocks() {
    Room room;
    // A stored block of 5 bytes; then the fixed code: 'a' and a copy of 258 at distance 1, over and over.
    const Room stored = Avro().raw({1, 5, 0, 250, 255, 'h', 'e', 'l', 'l', 'o'}).bytes();
    const Unpacked hello = s2v::decode::unpack_block(Codec::deflate, stored, room);
    CHECK(!hello.finding && same(hello.plain, "hello"));
    cut(Codec::deflate, stored, bytes_of("hello"));
    CHECK(s2v::decode::unpack_block(Codec::deflate, Avro().raw({7, 0, 0}).bytes(), room).finding.fault ==
          Fault::damaged_block);
    std::uint64_t bits = 0;
    int held = 0;
    Room bomb;
    const auto put = [&](std::uint64_t value, int count) {
        bits |= value << held;
        for (held += count; held >= 8; held -= 8, bits >>= 8) bomb.push_back(static_cast<std::uint8_t>(bits));
    };
    const auto deflated = [&](std::size_t copies) {
        bomb.clear();
        bits = 0;
        held = 0;
        put(3, 3);     // the last block, of the fixed code
        put(0x89, 8);  // 'a' is 10010001, its first bit first
        for (std::size_t i = 0; i < copies; ++i) {
            put(0xA3, 8);  // length 258 is 11000101
            put(0, 5);
        }
        put(0, 7);
        put(0, 7);
        return bomb;
    };
    for (const std::size_t copies : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{20000}}) {
        const Unpacked result = s2v::decode::unpack_block(Codec::deflate, deflated(copies), room);
        CHECK(!result.finding && same(result.plain, repeated(1 + 258 * copies, 'a')));
    }
    const std::size_t most = (kLargestBlock - 1) / 258;
    const Unpacked largest = s2v::decode::unpack_block(Codec::deflate, deflated(most), room);
    CHECK(!largest.finding && largest.plain.size() == 1 + 258 * most);
    const Unpacked beyond = s2v::decode::unpack_block(Codec::deflate, deflated(most + 1), room);
    CHECK(beyond.finding.fault == Fault::too_large && beyond.plain.size() <= kLargestBlock);
    CHECK(room.size() <= kLargestBlock);
}

// Snappy's elements behind their announced length, and the checksum that Avro puts at the end.
Room snappy(std::uint64_t length, const Avro &elements, std::string_view plain) {
    Room out;
    for (; length >= 0x80; length >>= 7) out.push_back(static_cast<std::uint8_t>(length | 0x80));
    out.push_back(static_cast<std::uint8_t>(length));
    const Room body = elements.bytes();
    out.insert(out.end(), body.begin(), body.end());
    std::uint32_t crc = 0xFFFFFFFFU;
    for (const char c : plain) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(~crc >> shift));
    return out;
}

void snappy_blocks() {
    const auto unpacks = [](const Avro &elements, std::string_view plain) {
        Room room;
        const Room packed = snappy(plain.size(), elements, plain);
        const Unpacked result = s2v::decode::unpack_block(Codec::snappy, packed, room);
        cut(Codec::snappy, packed, bytes_of(plain));
        return !result.finding && same(result.plain, plain);
    };
    const auto fault = [](const Room &packed) {
        Room room;
        const Fault found = s2v::decode::unpack_block(Codec::snappy, packed, room).finding.fault;
        CHECK(room.size() <= 1U << 20);  // nothing is made that the bytes cannot fill
        return found;
    };
    const Room abcd = bytes_of("abcd");
    const auto literal = [&] { return Avro().raw({3 << 2}).raw(abcd); };
    const std::string text(1000, 'x');
    CHECK(unpacks(Avro(), ""));
    CHECK(unpacks(literal(), "abcd"));
    for (const int longer : {1, 2, 3, 4}) {
        Avro block = Avro().raw({(59 + longer) << 2});
        for (int i = 0; i < longer; ++i) block.raw({i == 0 ? 199 : 0});
        CHECK(unpacks(block.raw(bytes_of(text.substr(0, 200))), text.substr(0, 200)));
    }
    CHECK(unpacks(literal().raw({1 | 2 << 2, 4}), "abcdabcdab"));                       // 6 bytes, distance 4
    CHECK(unpacks(literal().raw({1 | 7 << 2, 1}), "abcd" + std::string(11, 'd')));      // 11 bytes, distance 1
    CHECK(unpacks(literal().raw({2 | 1 << 2, 3, 0}), "abcdbc"));                        // 2 bytes, distance 3
    CHECK(unpacks(literal().raw({3 | 2 << 2, 4, 0, 0, 0}), "abcdabc"));                 // 3 bytes, distance 4
    CHECK(unpacks(literal().raw({2 | 63 << 2, 1, 0}), "abcd" + std::string(64, 'd')));  // 64 bytes
    {
        const std::string far = std::string(300, 'x') + "abcd";
        Avro block = Avro().raw({61 << 2, 47, 1}).raw(bytes_of(far));
        CHECK(unpacks(block.raw({1 | 1 << 5, 48}), far + far.substr(0, 4)));  // 4 bytes, distance 304
    }
    CHECK(fault(snappy(5, literal(), "abcd")) == Fault::damaged_block);          // too few
    CHECK(fault(snappy(3, literal(), "abc")) == Fault::damaged_block);           // too many
    CHECK(fault(snappy(8, literal().raw({1, 0}), "")) == Fault::damaged_block);  // distance 0
    CHECK(fault(snappy(8, literal().raw({1, 5}), "")) == Fault::damaged_block);  // before the start
    CHECK(fault(snappy(8, literal().raw({3, 0, 0, 0, 255}), "")) == Fault::damaged_block);
    CHECK(fault(snappy(8, literal().raw({63 << 2, 255, 255, 255, 255}), "")) == Fault::damaged_block);
    CHECK(fault(snappy(4, literal(), "abce")) == Fault::checksum);
    CHECK(fault(snappy(kLargestBlock + 1, literal(), "")) == Fault::too_large);
    CHECK(fault(snappy((1LL << 32) - 1, literal(), "")) == Fault::too_large);
    CHECK(fault(snappy(1LL << 32, literal(), "")) == Fault::damaged_block);
    CHECK(fault(snappy(kLargestBlock, literal(), "")) == Fault::damaged_block);
    CHECK(fault({}) == Fault::damaged_block);
    CHECK(fault(repeated(10, 255)) == Fault::damaged_block);
    Room room;
    const Unpacked wrong = s2v::decode::unpack_block(Codec::snappy, snappy(4, literal(), "abce"), room);
    CHECK(same(wrong.plain, "abcd") && wrong.finding.offset == 6);
}

// A Zstandard frame with a window of 1 MiB, of raw and repeated blocks.
class Frame {
public:
    Frame() {
        made_.raw({0x28, 0xB5, 0x2F, 0xFD, 0, 10 << 3});
    }
    Frame &raw(std::string_view text, bool last) {
        return head(text.size(), 0, last, bytes_of(text));
    }
    Frame &repeat(std::uint8_t value, std::size_t count, bool last) {
        return head(count, 1, last, {value});
    }
    [[nodiscard]] Room bytes() const {
        return made_.bytes();
    }

private:
    Avro made_;

    Frame &head(std::size_t size, unsigned type, bool last, const Room &rest) {
        const auto head = static_cast<unsigned>(size << 3 | type << 1 | (last ? 1 : 0));
        made_.raw({static_cast<int>(head & 255), static_cast<int>(head >> 8 & 255), static_cast<int>(head >> 16)});
        made_.raw(rest);
        return *this;
    }
};

void zstandard_blocks() {
    Room room;
    const Room hello = Frame().raw("hel", false).raw("lo", true).bytes();
    if (!s2v::decode::has_zstandard()) {
        CHECK(s2v::decode::unpack_block(Codec::zstandard, hello, room).finding.fault == Fault::unknown_codec);
        return;
    }
    const Unpacked result = s2v::decode::unpack_block(Codec::zstandard, hello, room);
    CHECK(!result.finding && same(result.plain, "hello"));
    cut(Codec::zstandard, hello, bytes_of("hello"));
    Room two = hello;
    two.insert(two.end(), hello.begin(), hello.end());
    CHECK(same(s2v::decode::unpack_block(Codec::zstandard, two, room).plain, "hellohello"));
    two.push_back(1);
    CHECK(s2v::decode::unpack_block(Codec::zstandard, two, room).finding.fault == Fault::damaged_block);
    CHECK(s2v::decode::unpack_block(Codec::zstandard, bytes_of("no frame at all"), room).finding.fault ==
          Fault::damaged_block);
    constexpr std::size_t kMostInBlock = std::size_t{128} << 10;
    const auto zeros = [](std::size_t blocks) {
        Frame frame;
        for (std::size_t i = 0; i < blocks; ++i) frame.repeat(0, kMostInBlock, i + 1 == blocks);
        return frame.bytes();
    };
    const Unpacked grown = s2v::decode::unpack_block(Codec::zstandard, zeros(50), room);
    CHECK(!grown.finding && same(grown.plain, repeated(50 * kMostInBlock, 0)));
    const Unpacked largest = s2v::decode::unpack_block(Codec::zstandard, zeros(kLargestBlock / kMostInBlock), room);
    CHECK(!largest.finding && largest.plain.size() == kLargestBlock);
    const Unpacked beyond = s2v::decode::unpack_block(Codec::zstandard, zeros(kLargestBlock / kMostInBlock + 1), room);
    CHECK(beyond.finding.fault == Fault::too_large && beyond.plain.size() == kLargestBlock &&
          room.size() == kLargestBlock);
}

}  // namespace

int main() {
    headers();
    block_heads();
    plain_blocks();
    deflated_blocks();
    snappy_blocks();
    zstandard_blocks();
    return check::report();
}
