// Inflate: whatever encoders write is unpacked, several streams together as each alone; whatever is damaged is a fault.
//
//     test_inflate [refused]      refused: SPACE2VEC_INFLATE names what is not there
#include "check.hpp"
#include "synthetic_deflate.hpp"

#include "decode/inflate.hpp"
#include "decode/inflate_engine.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>

using namespace s2v::decode;
using synthetic::Block;
using synthetic::Data;
using synthetic::Kind;

namespace {

constexpr std::uint8_t kGuard = 0xa5;

// A stream in memory of just its size, so that a sanitizer sees what reads or writes past it.
struct Held {
    explicit Held(const Data &data, std::size_t capacity)
        : packed(new std::uint8_t[data.size()]), out(new std::uint8_t[capacity + 16]) {
        std::copy(data.begin(), data.end(), packed.get());
        std::fill_n(out.get(), capacity + 16, kGuard);
        stream.packed = {packed.get(), data.size()};
        stream.out = out.get();
        stream.capacity = capacity;
    }
    [[nodiscard]] bool gave(const Data &plain) const {
        return !stream.finding && stream.size == plain.size() && std::equal(plain.begin(), plain.end(), out.get());
    }
    [[nodiscard]] bool kept_out() const {
        return std::all_of(out.get() + stream.capacity, out.get() + stream.capacity + 16,
                           [](std::uint8_t byte) { return byte == kGuard; });
    }
    std::unique_ptr<std::uint8_t[]> packed;
    std::unique_ptr<std::uint8_t[]> out;
    Stream stream;
};

Held unpacked(const Data &packed, std::size_t capacity, Wrapping wrapping = Wrapping::gzip) {
    Held held(packed, capacity);
    unpack({&held.stream, 1}, wrapping);
    return held;
}

Fault fault_of(const Data &deflated) {
    return unpacked(deflated, 70000, Wrapping::raw).stream.finding.fault;
}

const std::vector<std::vector<Block>> kMixes = {
    {Block::stored}, {Block::fixed}, {Block::dynamic}, {Block::dynamic, Block::stored, Block::fixed}};

void whatever_is_written_is_read() {
    for (int kind = 0; kind < static_cast<int>(Kind::kinds); ++kind)
        for (const std::size_t size : {0, 1, 2, 3, 17, 63, 64, 65, 300, 1000, 4096, 20160, 65535})
            for (const std::vector<Block> &mix : kMixes) {
                const Data plain = synthetic::bytes_of(static_cast<Kind>(kind), size);
                const Data deflated = synthetic::deflate(plain, mix);
                CHECK(unpacked(deflated, size, Wrapping::raw).gave(plain));
                Data packed = synthetic::gzip(deflated, plain);
                CHECK(announced_size(packed) == size);
                const std::size_t length = packed.size();
                packed.insert(packed.end(), {1, 2, 3});
                const Held more = unpacked(packed, size + 100);
                CHECK(more.gave(plain) && more.stream.used == length && more.kept_out());
                if (size == 0) continue;
                const Held less = unpacked(packed, size - 1);
                CHECK(less.stream.finding.fault == Fault::too_large && less.kept_out());
            }
}

void headers_of_gzip() {
    const Data plain = synthetic::bytes_of(Kind::words, 500);
    const Data deflated = synthetic::deflate(plain, {Block::dynamic});
    for (const synthetic::GzipFields &fields : std::initializer_list<synthetic::GzipFields>{
             {"ab", "", "", false}, {"", "name.fits", "", false}, {"", "", "a comment", true}, {"x", "y", "z", true}}) {
        const Data packed = synthetic::gzip(deflated, plain, fields);
        CHECK(unpacked(packed, 500).gave(plain));
        for (std::size_t size = 0; size < packed.size(); ++size)
            CHECK(unpacked(Data(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size)), 500)
                      .stream.finding.fault == Fault::truncated);
    }
    Data wrong = synthetic::gzip(deflated, plain, {"", "name", "", true});
    wrong[11] ^= 1;  // in the name: the header's CRC tells
    CHECK(unpacked(wrong, 500).stream.finding.fault == Fault::damaged_gzip);
    // As zlib 1.2.13 writes it.
    const Data hello = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9,
                        0x57, 0xc8, 0x40, 0x27, 0xb9, 0x00, 0x00, 0x88, 0x59, 0x0b, 0x18, 0x00, 0x00, 0x00};
    const char *const text = "hello hello hello hello\n";
    CHECK(unpacked(hello, 24).gave(Data(text, text + 24)));
}

// A flipped bit is noticed, or it lies where nothing of the contents depends on it.
void flipped_bits() {
    for (const Kind kind : {Kind::pixels, Kind::words})
        for (const Block block : {Block::stored, Block::fixed, Block::dynamic}) {
            const Data plain = synthetic::bytes_of(kind, 700);
            const Data packed = synthetic::gzip(synthetic::deflate(plain, {block}), plain);
            for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
                Data flipped = packed;
                flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
                const Held held = unpacked(flipped, 700);
                CHECK(held.stream.finding ? held.stream.size <= 700 && held.stream.finding.offset <= packed.size()
                                          : held.gave(plain));
                CHECK(held.kept_out());
            }
            Data flipped = packed;
            flipped[packed.size() - 1] ^= 1;
            CHECK(unpacked(flipped, 700).stream.finding.fault == Fault::checksum);
            flipped = packed;
            flipped[packed.size() - 8] ^= 1;
            CHECK(unpacked(flipped, 700).stream.finding.fault == Fault::checksum);
        }
}

void cut_streams() {
    const Data plain = synthetic::bytes_of(Kind::pixels, 3000);
    for (const std::vector<Block> &mix : kMixes) {
        const Data packed = synthetic::gzip(synthetic::deflate(plain, mix), plain);
        for (std::size_t size = 0; size < packed.size(); size += size < 400 || size + 400 > packed.size() ? 1 : 37) {
            const Held held = unpacked(Data(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size)), 3000);
            CHECK(held.stream.finding.fault == Fault::truncated && held.stream.size <= 3000);
            CHECK(std::equal(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(held.stream.size),
                             held.out.get()));
        }
    }
}

// A dynamic block with these lengths and this text of bits behind its head.
Data dynamic(const std::vector<int> &literals, const std::vector<int> &distances, const char *bits) {
    synthetic::BitWriter out;
    out.bits(1, 1);
    out.bits(2, 2);
    synthetic::put_dynamic_head(out, literals, distances);
    for (; *bits; ++bits) out.bits(*bits == '1', 1);
    return out.data;
}

std::vector<int> lengths(std::size_t size, std::initializer_list<std::pair<int, int>> of) {
    std::vector<int> all(size, 0);
    for (const auto &[symbol, length] : of) all[static_cast<std::size_t>(symbol)] = length;
    return all;
}

// libdeflate takes some codes that RFC 1951 and zlib do not allow; what they mean in it only a checksum can tell.
bool refused_unless_lenient(const Data &deflated) {
    return fault_of(deflated) == Fault::damaged_gzip || std::strcmp(inflate_engine(), "libdeflate") == 0;
}

void what_is_no_code() {
    const std::vector<int> a_b_end_match = lengths(258, {{'a', 2}, {'b', 2}, {256, 2}, {257, 2}});
    const std::vector<int> no_distance = lengths(1, {});
    const std::vector<int> one_distance = lengths(1, {{0, 1}});
    CHECK(fault_of(dynamic(a_b_end_match, no_distance, "000110")) == Fault::none);
    CHECK(refused_unless_lenient(dynamic(a_b_end_match, no_distance, "0011010")));          // a match without a code
    CHECK(fault_of(dynamic(a_b_end_match, one_distance, "0011010")) == Fault::none);        // a, 3 bytes of it, end
    CHECK(refused_unless_lenient(dynamic(a_b_end_match, one_distance, "0011110")));         // the code that is not
    CHECK(fault_of(dynamic(a_b_end_match, one_distance, "11010")) == Fault::damaged_gzip);  // nothing to copy yet
    CHECK(fault_of(dynamic(a_b_end_match, lengths(2, {{0, 2}, {1, 2}}), "10")) == Fault::damaged_gzip);  // incomplete
    CHECK(fault_of(dynamic(a_b_end_match, lengths(3, {{0, 1}, {1, 1}, {2, 1}}), "10")) == Fault::damaged_gzip);
    CHECK(fault_of(dynamic(lengths(257, {{'a', 1}, {'b', 1}}), one_distance, "0")) == Fault::damaged_gzip);  // no end
    CHECK(fault_of(dynamic(lengths(257, {{256, 1}}), one_distance, "0")) == Fault::none);
    CHECK(fault_of(dynamic(lengths(257, {{256, 2}}), one_distance, "00")) == Fault::damaged_gzip);
    CHECK(refused_unless_lenient(dynamic(lengths(287, {{'a', 1}, {256, 1}}), one_distance, "1")));
    CHECK(refused_unless_lenient(dynamic(lengths(257, {{'a', 1}, {256, 1}}), lengths(31, {{0, 1}}), "1")));
    CHECK(fault_of({0x07}) == Fault::damaged_gzip);                         // a block of the fourth kind
    CHECK(fault_of({0x01, 1, 0, 0xfe, 0xfe, 'a'}) == Fault::damaged_gzip);  // a stored length that is not
    CHECK(fault_of({0x01, 1, 0, 0xfe, 0xff, 'a'}) == Fault::none);
    CHECK(fault_of({}) == Fault::truncated);
    synthetic::BitWriter repeat;  // the first length is "as before"
    repeat.bits(1 | 2 << 1, 3);
    repeat.bits(0, 10);
    repeat.bits(0, 4);
    for (const std::uint32_t length : {1u, 0u, 0u, 1u}) repeat.bits(length, 3);
    repeat.bits(0xff, 8);
    CHECK(fault_of(repeat.data) == Fault::damaged_gzip);
}

// Distances and lengths at every symbol's bounds, near and far, long codes among them.
void every_length_and_distance() {
    const Data plain = synthetic::bytes_of(Kind::noise, 33000);
    for (const bool fixed : {true, false}) {
        std::vector<synthetic::Token> tokens;
        Data expected = plain;
        for (const std::uint8_t byte : plain) tokens.push_back({0, 0, byte});
        const auto match = [&](int length, int distance) {
            tokens.push_back({length, distance, 0});
            for (int i = 0; i < length; ++i)
                expected.push_back(expected[expected.size() - static_cast<std::size_t>(distance)]);
        };
        for (int length = 3; length <= 258; ++length) match(length, 1 + length % 40);
        for (int bits = 0; bits < 15; ++bits)
            for (const int distance : {(1 << bits), (1 << bits) + 1, (3 << bits) / 2, (2 << bits) - 1, 2 << bits}) {
                match(3, distance);
                match(17, distance);
            }
        synthetic::BitWriter out;
        synthetic::put_block(out, fixed ? Block::fixed : Block::dynamic, expected, tokens, true);
        CHECK(unpacked(out.data, expected.size(), Wrapping::raw).gave(expected));
        for (const int distance : {1000, 1001}) {
            std::vector<synthetic::Token> far(tokens.begin(), tokens.begin() + 1000);
            far.push_back({3, distance, 0});
            far.resize(1200);
            synthetic::BitWriter reaching;
            synthetic::put_block(reaching, fixed ? Block::fixed : Block::dynamic, expected, far, true);
            CHECK(fault_of(reaching.data) == (distance == 1000 ? Fault::none : Fault::damaged_gzip));
        }
    }
}

// A stream is all of its members, in as much room as all of them need; what follows them is left alone.
void members_follow_each_other() {
    Data both, packed;
    std::size_t last = 0;
    for (const std::size_t size : {4000, 0, 300, 9000}) {
        const Data plain = synthetic::bytes_of(Kind::pixels, size);
        const Data member = synthetic::gzip(synthetic::deflate(plain, kMixes[size / 100 % 4]), plain);
        both.insert(both.end(), plain.begin(), plain.end());
        last = packed.size();
        packed.insert(packed.end(), member.begin(), member.end());
    }
    const Held whole = unpacked(packed, both.size());
    CHECK(whole.gave(both) && whole.stream.used == packed.size() && whole.kept_out());
    const Held less = unpacked(packed, both.size() - 1);
    CHECK(less.stream.finding.fault == Fault::too_large && less.stream.finding.offset > last && less.kept_out());
    const Held cut = unpacked({packed.begin(), packed.end() - 1}, both.size());
    CHECK(cut.stream.finding.fault == Fault::truncated && cut.stream.finding.offset == packed.size() - 1);
    Data wrong = packed;
    wrong[last - 8] ^= 1;
    CHECK(unpacked(wrong, both.size()).stream.finding.offset == last - 8);
    packed.insert(packed.end(), {0x1f, 0x8b});  // no member begins so
    CHECK(unpacked(packed, both.size()).gave(both) && unpacked(packed, both.size()).stream.used == packed.size() - 2);
}

// Streams together, good and bad, short and long: each comes out as if it were alone.
void lanes_do_not_disturb_each_other() {
    std::vector<Data> packed;
    std::vector<std::size_t> capacity;
    for (std::uint32_t i = 0; i < 60; ++i) {
        const Data plain = synthetic::bytes_of(static_cast<Kind>(i % 5), i % 7 == 0 ? i : 200 * i + i % 13, i);
        Data one = synthetic::gzip(synthetic::deflate(plain, kMixes[i / 2 % 4]), plain);
        if (i % 9 == 2) one.insert(one.end(), packed.back().begin(), packed.back().end());
        if (i % 6 == 1) one[one.size() / 2] ^= 16;
        if (i % 6 == 3) one.resize(one.size() * 2 / 3);
        if (i % 11 == 5) one.clear();
        packed.push_back(std::move(one));
        capacity.push_back(i % 8 == 7 ? plain.size() / 2 : plain.size() + (i % 9 == 2 ? 12000 : i % 3));
    }
    std::vector<Held> alone;
    std::vector<Held> together;
    std::vector<Stream> streams;
    int faults = 0;
    for (std::size_t i = 0; i < packed.size(); ++i) {
        alone.push_back(unpacked(packed[i], capacity[i]));
        together.emplace_back(packed[i], capacity[i]);
        streams.push_back(together.back().stream);
        faults += alone.back().stream.finding ? 1 : 0;
    }
    CHECK(faults > 15 && faults < 45);
    for (int lanes = 1; lanes <= kMostLanes + 1; ++lanes) {
        if (lanes <= kMostLanes)
            unpack_in_lanes(streams, Wrapping::gzip, lanes);
        else
            unpack(streams, Wrapping::gzip);
        for (std::size_t i = 0; i < packed.size(); ++i) {
            const Stream &one = alone[i].stream;
            CHECK(one.size == streams[i].size && one.used == streams[i].used);
            CHECK(one.finding.fault == streams[i].finding.fault && one.finding.offset == streams[i].finding.offset);
            CHECK(std::memcmp(one.out, streams[i].out, one.size) == 0);
            CHECK(together[i].kept_out());
            std::fill_n(streams[i].out, streams[i].capacity, kGuard);
        }
    }
}

struct Gunzipped {
    Data plain;
    Finding finding;
    bool ended = false;
};

Gunzipped gunzip(const Data &packed, std::size_t piece, std::size_t room) {
    Gunzip stream;
    Gunzipped all;
    std::vector<std::uint8_t> out(room);
    for (std::size_t at = 0; !all.ended && !all.finding;) {
        const std::size_t size = std::min(piece, packed.size() - at);
        const auto step = stream.step({packed.data() + at, size}, out, at + size == packed.size());
        CHECK(step.used <= size && step.written <= room);
        at += step.used;
        all.plain.insert(all.plain.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(step.written));
        all.finding = step.finding;
        all.ended = step.ended;
    }
    return all;
}

void long_files() {
    Data plain = synthetic::bytes_of(Kind::words, 300000);
    const Data noise = synthetic::bytes_of(Kind::pixels, 100000);
    plain.insert(plain.end(), noise.begin(), noise.end());
    Data packed = synthetic::gzip(synthetic::deflate(plain, {Block::dynamic}), plain, {"ex", "name", "", true});
    const Data second = synthetic::bytes_of(Kind::ramp, 5000);
    const Data member = synthetic::gzip(synthetic::deflate(second, kMixes[3]), second);
    packed.insert(packed.end(), member.begin(), member.end());
    const std::size_t length = packed.size();
    Data both = plain;
    both.insert(both.end(), second.begin(), second.end());
    for (const auto &[piece, room] : {std::pair<std::size_t, std::size_t>{1, 1000},
                                      {7, 100000},
                                      {4096, 13},
                                      {100000, 65536},
                                      {1u << 22, 1u << 22}}) {
        const Gunzipped all = gunzip(packed, piece, room);
        CHECK(all.plain == both && all.ended && !all.finding);
    }
    packed.resize(length + 512, 0);  // padding, as on tapes
    CHECK(gunzip(packed, 1000, 1000).plain == both && gunzip(packed, 1000, 1000).ended);
    packed.push_back('x');
    const Gunzipped junk = gunzip(packed, 1000, 1000);
    CHECK(junk.plain == both && junk.finding.fault == Fault::damaged_gzip && junk.finding.offset == length + 512);
    for (const std::size_t cut : {std::size_t{1}, std::size_t{5}, std::size_t{9}, member.size() - 1}) {
        const Gunzipped part =
            gunzip(Data(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(length - cut)), 999, 777);
        CHECK(part.finding.fault == Fault::truncated && part.finding.offset == length - cut);
        CHECK(part.plain.size() >= plain.size() && std::equal(part.plain.begin(), part.plain.end(), both.begin()));
    }
    Data wrong = packed;
    wrong[length - 8] ^= 1;
    CHECK(gunzip(wrong, 5000, 5000).finding.fault == Fault::checksum);
    CHECK(gunzip(wrong, 5000, 5000).plain == both);
    CHECK(gunzip({}, 10, 10).finding.fault == Fault::truncated);
    CHECK(gunzip({'O', 'b', 'j', 1}, 10, 10).finding.fault == Fault::damaged_gzip);
}

void foreign_libraries_agree() {
    for (const InflateEngine engine : {InflateEngine::libdeflate, InflateEngine::zlib}) {
        const std::unique_ptr<ForeignInflate> foreign = make_foreign_inflate(engine);
        if (!foreign) continue;
        for (int kind = 0; kind < static_cast<int>(Kind::kinds); ++kind)
            for (const std::vector<Block> &mix : kMixes)
                for (const std::size_t size : {0, 1, 1000, 20160}) {
                    const Data plain = synthetic::bytes_of(static_cast<Kind>(kind), size);
                    const Data packed = synthetic::deflate(plain, mix);
                    Data out(size);
                    const Unpacking result = foreign->unpack(packed, out);
                    CHECK(result.whole && result.used == packed.size() && result.size == size && out == plain);
                    if (size == 0) continue;
                    CHECK(!foreign->unpack(packed, {out.data(), size - 1}).whole);
                    CHECK(!foreign->unpack(Bytes(packed).first(packed.size() - 1), out).whole);
                }
    }
    CHECK(make_foreign_inflate(InflateEngine::own) == nullptr);
}

void checksums() {
    CHECK(crc32({}) == 0);
    const char *const digits = "123456789";
    CHECK(crc32({reinterpret_cast<const std::uint8_t *>(digits), 9}) == 0xcbf43926);
    const Data data = synthetic::bytes_of(Kind::noise, 3000);
    std::uint32_t bitwise = ~0u;
    for (std::size_t size = 0; size < data.size(); ++size) {
        const std::size_t cut = size / 3;
        CHECK(crc32({data.data(), size}) == ~bitwise);
        CHECK(crc32({data.data() + cut, size - cut}, crc32({data.data(), cut})) == ~bitwise);
        bitwise ^= data[size];
        for (int bit = 0; bit < 8; ++bit) bitwise = bitwise >> 1 ^ (bitwise & 1 ? 0xedb88320 : 0);
    }
}

}  // namespace

int main(int count, char **arguments) {
    if (count > 1 && std::strcmp(arguments[1], "refused") == 0) {
        CHECK(inflate_engine() == nullptr);
        CHECK(fault_of({0x01, 0, 0, 0xff, 0xff}) == Fault::unknown_codec);
        return check::report();
    }
    if (inflate_engine() == nullptr) return 77;  // the machine lacks the library that was asked for
    const char *const forced = std::getenv("SPACE2VEC_INFLATE");
    if (forced != nullptr && *forced != 0) CHECK(std::strcmp(inflate_engine(), forced) == 0);
    checksums();
    whatever_is_written_is_read();
    headers_of_gzip();
    flipped_bits();
    cut_streams();
    what_is_no_code();
    every_length_and_distance();
    members_follow_each_other();
    lanes_do_not_disturb_each_other();
    long_files();
    foreign_libraries_agree();
    return check::report();
}
