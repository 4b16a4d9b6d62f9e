// FITS images in memory: what headers mean, what pixels become, and what is told of damage.
#include "check.hpp"
#include "decode/fits.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

using namespace s2v::decode;

namespace {

constexpr std::size_t kCard = 80;
constexpr std::size_t kBlock = 2880;

std::string padded(std::string text, char with) {
    text.resize((text.size() + kBlock - 1) / kBlock * kBlock, with);
    return text;
}

std::string header(std::initializer_list<std::string> cards) {
    std::string text;
    for (std::string card : cards) {
        card.resize(kCard, ' ');
        text += card;
    }
    std::string end = "END";
    end.resize(kCard, ' ');
    return padded(text + end, ' ');
}

// Numbers as FITS stores them.
template <typename Bits, typename Stored>
std::string big_endian(std::initializer_list<Stored> values) {
    std::string bytes;
    for (const Stored value : values) {
        const Bits bits = std::bit_cast<Bits>(value);
        for (std::size_t i = sizeof(Bits); i-- > 0;) bytes += static_cast<char>(bits >> (8 * i) & 0xFF);
    }
    return bytes;
}

struct Decoded {
    Image image;
    std::vector<float> pixels;
};

Decoded decode(const std::string &file, std::string_view unit = {}) {
    // The file ends where its memory does, for the address sanitizer.
    const std::vector<char> exact(file.begin(), file.end());
    const Bytes bytes(reinterpret_cast<const std::uint8_t *>(exact.data()), exact.size());
    Decoded decoded{find_image(bytes, unit), {}};
    if (decoded.image.finding) return decoded;
    decoded.pixels.resize(static_cast<std::size_t>(decoded.image.height * decoded.image.width));
    read_pixels(bytes, decoded.image, decoded.pixels.data());
    return decoded;
}

bool is(const Finding &finding, Fault fault, std::size_t offset) {
    return finding.fault == fault && finding.offset == offset;
}

// A file of 2 x 3 floats.
std::string floats(std::initializer_list<float> values = {1, 2, 3, 4, 5, 6}) {
    return header({"SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2",
                   "NAXIS1  =                    3", "NAXIS2  =                    2"}) +
           padded(big_endian<std::uint32_t>(values), '\0');
}

// A file of four pixels in a row, with cards.
template <typename Bits, typename Stored>
std::string row(const std::string &bitpix, std::initializer_list<Stored> values, const std::string &card = "COMMENT",
                const std::string &another = "COMMENT") {
    return header({"SIMPLE  = T", "BITPIX  = " + bitpix, "NAXIS   = 2", "NAXIS1  = 4", "NAXIS2  = 1", card, another}) +
           padded(big_endian<Bits>(values), '\0');
}

bool same_bits(const std::vector<float> &got, std::initializer_list<float> want) {
    return got.size() == want.size() && std::memcmp(got.data(), want.begin(), got.size() * sizeof(float)) == 0;
}

void headers_are_read_in_every_style() {
    const Decoded fixed = decode(floats());
    CHECK(!fixed.image.finding);
    CHECK(fixed.image.height == 2 && fixed.image.width == 3 && fixed.image.bitpix == -32);
    CHECK(fixed.image.begin == kBlock && fixed.image.scale == 1.0 && fixed.image.zero == 0.0);
    CHECK(!fixed.image.has_blank && std::isnan(fixed.image.crpix[0]) && std::isnan(fixed.image.crpix[1]));
    CHECK(same_bits(fixed.pixels, {1, 2, 3, 4, 5, 6}));

    const std::string data = padded(std::string("\1\2\3\4\5\6", 6), '\0');
    const auto good = decode(
        header({"SIMPLE  =  T", "NAXIS1 = 3/ before NAXIS", "naxis   = +2", "NAXIS2= 2", "BITPIX  =   8 / bits",
                "BSCALE  = 2.5D-1", "BZERO   = -.5 E 0 / zero", "CRPIX1  = 1.5d0", "CRPIX2  =                 1e999",
                "COMMENT = BZERO = 7", "NAXIS1  = 9 / of two cards the first counts", "BLANK   = 2.0 / no integer"}) +
        data);
    CHECK(!good.image.finding && good.image.height == 2 && good.image.width == 3);
    CHECK(good.image.scale == 0.25 && good.image.zero == -0.5 && !good.image.has_blank);
    CHECK(good.image.crpix[1] == 1.5 && std::isinf(good.image.crpix[0]));
    CHECK(same_bits(good.pixels, {-0.25f, 0, 0.25f, 0.5f, 0.75f, 1}));
}

void pixels_are_scaled_as_they_are_meant() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float inf = std::numeric_limits<float>::infinity();
    CHECK(same_bits(decode(row<std::uint8_t, std::uint8_t>("8", {0, 1, 128, 255})).pixels, {0, 1, 128, 255}));
    CHECK(same_bits(decode(row<std::uint8_t, std::uint8_t>("8", {0, 1, 128, 255}, "BZERO   = -128")).pixels,
                    {-128, -127, 0, 127}));
    CHECK(same_bits(decode(row<std::uint16_t, std::int16_t>("16", {-32768, -1, 0, 32767})).pixels,
                    {-32768, -1, 0, 32767}));
    CHECK(same_bits(decode(row<std::uint16_t, std::int16_t>("16", {-32768, -1, 0, 32767}, "BZERO   = 32768")).pixels,
                    {0, 32767, 32768, 65535}));
    CHECK(
        same_bits(decode(row<std::uint16_t, std::int16_t>("16", {-7, 1, 0, 4}, "BSCALE  = 0.5", "BLANK   = -7")).pixels,
                  {nan, 0.5f, 0, 2}));
    // In double, then to float: 16777217 + 0.5 lies between two floats.
    CHECK(same_bits(decode(row<std::uint32_t, std::int32_t>("32", {16777217, 3, 0, -1}, "BZERO   = 0.5")).pixels,
                    {16777218, 3.5f, 0.5f, -0.5f}));
    CHECK(same_bits(
        decode(row<std::uint32_t, std::int32_t>("32", {INT32_MIN, -1, 0, INT32_MAX}, "BZERO   = 2147483648")).pixels,
        {0, 2147483647.0f, 2147483648.0f, 4294967295.0f}));
    // 2^40 + 2^16 + 1 is rounded up at once, but down by way of double only where that is asked for.
    const std::int64_t odd = (std::int64_t{1} << 60) + (std::int64_t{1} << 36) + 1;
    CHECK(
        same_bits(decode(row<std::uint64_t, std::int64_t>("64", {odd, 1, 0, -1})).pixels, {0x1.000002p60f, 1, 0, -1}));
    CHECK(same_bits(decode(row<std::uint64_t, std::int64_t>("64", {odd, 1, 0, -1}, "BLANK   = 0")).pixels,
                    {0x1p60f, 1, nan, -1}));
    CHECK(same_bits(
        decode(row<std::uint64_t, std::int64_t>("64", {INT64_MIN, odd, 0, -1}, "BZERO   = 9223372036854775808")).pixels,
        {0, static_cast<float>(0x8000000000000000u + static_cast<std::uint64_t>(odd)), 0x1p63f, 0x1p63f}));
    CHECK(same_bits(decode(row<std::uint32_t, float>("-32", {-0.0f, nan, inf, 1e-45f}, "BLANK   = 0")).pixels,
                    {-0.0f, nan, inf, 1e-45f}));
    CHECK(same_bits(decode(row<std::uint32_t, float>("-32", {-0.0f, nan, inf, 3}, "BSCALE  = 2")).pixels,
                    {-0.0f, nan, inf, 6}));
    CHECK(same_bits(decode(row<std::uint32_t, float>("-32", {-0.0f, nan, -inf, 3}, "BZERO   = 2")).pixels,
                    {2, nan, -inf, 5}));
    CHECK(same_bits(decode(row<std::uint64_t, double>("-64", {1e300, -1e-300, 0.1, 1.0 / 3})).pixels,
                    {inf, -0.0f, 0.1f, 1.0f / 3}));
}

std::string extension(const std::string &kind, const std::string &name, std::initializer_list<std::string> more,
                      const std::string &data) {
    std::string cards = header(more);
    std::string first = "XTENSION= '" + kind + "'";
    first.resize(kCard, ' ');
    std::string second = "EXTNAME = '" + name + "' / name";
    second.resize(kCard, ' ');
    cards.resize(cards.find("END") + kCard);
    return padded(first + second + cards, ' ') + padded(data, '\0');
}

std::string image_extension(const std::string &name, int width, float value) {
    std::string data;
    for (int i = 0; i < width; ++i) data += big_endian<std::uint32_t, float>({value});
    return extension("IMAGE   ", name,
                     {"BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = " + std::to_string(width), "NAXIS2  = 1",
                      "PCOUNT  = 0", "GCOUNT  = 1"},
                     data);
}

void the_right_unit_is_found() {
    const std::string empty = header({"SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"});
    const std::string table = extension(
        "BINTABLE", "CATALOG",
        {"BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 10", "NAXIS2  = 300", "PCOUNT  = 100", "GCOUNT  = 1", "ZIMAGE  = T"},
        std::string(3100, 'x'));
    const std::string cube =
        extension("IMAGE", "CUBE", {"BITPIX  = 16", "NAXIS   = 3", "NAXIS1  = 2", "NAXIS2  = 2", "NAXIS3  = 2"},
                  std::string(16, '\1'));
    const std::string file = empty + table + cube + image_extension("O''NE", 2, 1) + image_extension("two  ", 3, 2);
    CHECK(decode(file).image.width == 2);
    CHECK(decode(file, "TWO").image.width == 3 && same_bits(decode(file, "two").pixels, {2, 2, 2}));
    CHECK(decode(file, "O'NE").image.width == 2);
    CHECK(decode(file, "three").image.finding.fault == Fault::no_image);
    CHECK(decode(file, "cube").image.finding.fault == Fault::no_image);
    CHECK(decode(file, "catalog").image.finding.fault == Fault::no_image);
    CHECK(decode(file, "PRIMARY").image.finding.fault == Fault::no_image);
    CHECK(decode(floats() + file.substr(empty.size()), "primary").image.width == 3);
    CHECK(decode(floats() + std::string(kBlock, '\0'), "two").image.finding.fault == Fault::no_image);
    // Random groups: NAXIS1 of 0 does not mean that there are no data.
    const std::string groups = header({"SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 3", "NAXIS1  = 0", "NAXIS2  = 3",
                                       "NAXIS3  = 100", "GROUPS  = T", "PCOUNT  = 6", "GCOUNT  = 4"}) +
                               padded(std::string(std::size_t{4} * 4 * 306, '\1'), '\0');
    CHECK(decode(groups + image_extension("A", 2, 1)).image.begin == groups.size() + kBlock);
}

std::string unit_of(std::vector<std::string> cards, std::string_view axis_name, const std::vector<int> &sizes) {
    for (std::size_t axis = 0; axis < sizes.size(); ++axis)
        cards.push_back(std::string(axis_name) + std::to_string(axis + 1) + " = " + std::to_string(sizes[axis]));
    cards.emplace_back("END");
    std::string text;
    for (std::string &card : cards) {
        card.resize(kCard, ' ');
        text += card;
    }
    return padded(text, ' ') + padded("abcdefghijklmnopqrstuvwxyz", '\0');
}

std::string shaped(const std::vector<int> &sizes, const std::string &first = "SIMPLE  = T") {
    return unit_of({first, "BITPIX  = 8", "NAXIS   = " + std::to_string(sizes.size()), "CRPIX1  = 1.5", "CRPIX2  = 2.5",
                    "PCOUNT  = 0", "GCOUNT  = 1"},
                   "NAXIS", sizes);
}

std::string tiles(const std::vector<int> &sizes, const std::string &truth = "T") {
    return unit_of({"XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 2", "PCOUNT  = 9",
                    "GCOUNT  = 1", "EXTNAME = 'T'", "CRPIX2  = 4", "ZIMAGE  = " + truth, "ZBITPIX = 16",
                    "ZNAXIS  = " + std::to_string(sizes.size()), "BSCALE  = 'x'"},
                   "ZNAXIS", sizes);
}

void axes_of_one_pixel_do_not_count() {
    const auto is_of = [](const std::vector<int> &sizes, int height, int width, bool placed = true) {
        const Image image = decode(shaped(sizes)).image;
        CHECK(!image.finding && image.height == height && image.width == width);
        CHECK(placed ? image.crpix[0] == 2.5 && image.crpix[1] == 1.5 : std::isnan(image.crpix[0] + image.crpix[1]));
    };
    is_of({3, 2}, 2, 3);
    is_of({3, 2, 1}, 2, 3);
    is_of({3, 2, 1, 1, 1}, 2, 3);
    is_of({3, 1, 1}, 1, 3);
    is_of({1, 1, 1}, 1, 1);
    is_of({1, 3, 1}, 3, 1);
    is_of({1, 3, 2}, 2, 3, false);
    is_of({3, 1, 2}, 2, 3, false);
    for (const std::vector<int> &sizes : {std::vector<int>{3}, {1}, {3, 2, 2}, {3, 2, 2, 1}, {1, 3, 2, 2}})
        CHECK(decode(shaped(sizes)).image.finding.fault == Fault::no_image);
}

void an_extension_may_come_first() {
    const std::string first = shaped({3, 2}, "XTENSION= 'IMAGE   '");
    CHECK(decode(first).image.width == 3 && decode(first, "primary").image.height == 2);
    CHECK(decode(first + image_extension("A", 2, 1), "A").image.width == 2);
    CHECK(is(decode("XTEN").image.finding, Fault::truncated, 4));
    CHECK(is(decode("XTENTION").image.finding, Fault::not_fits, 0));
}

void images_in_tiles_are_told() {
    const std::string empty = header({"SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"});
    const auto told = [&](const std::string &unit, std::string_view name = {}) {
        return decode(empty + unit + image_extension("after", 2, 1), name).image;
    };
    for (const std::vector<int> &sizes : {std::vector<int>{30, 20}, {30, 20, 1}}) {
        const Image image = told(tiles(sizes));
        CHECK(is(image.finding, Fault::compressed_image, kBlock) && image.height == 20 && image.width == 30);
        CHECK(image.crpix[0] == 4 && std::isnan(image.crpix[1]));
        CHECK(told(tiles(sizes), "t").finding.fault == Fault::compressed_image);
    }
    CHECK(told(tiles({30, 20}), "after").width == 2);
    // What is no image of two axes is passed over, as is any other table.
    for (const std::vector<int> &sizes : {std::vector<int>{30}, {30, 20, 2}, {30, 0}})
        CHECK(told(tiles(sizes)).width == 2 && told(tiles(sizes), "T").finding.fault == Fault::no_image);
    CHECK(told(tiles({30, 20}, "F")).width == 2);
    CHECK(told(tiles({20000, 2})).finding.fault == Fault::too_large);
}

void damage_is_told() {
    CHECK(is(decode("").image.finding, Fault::empty_cutout, 0));
    CHECK(is(decode("plain text").image.finding, Fault::not_fits, 0));
    CHECK(is(decode("SIMP").image.finding, Fault::truncated, 4));
    const auto with = [](const std::string &card, const std::string &other = "COMMENT") {
        return decode(header({"SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 2", card, other}) + std::string(kBlock, '\0'))
            .image.finding;
    };
    CHECK(is(with("NAXIS1  = 3", "NAXIS2  = -2"), Fault::damaged_fits, 4 * kCard));
    CHECK(is(with("NAXIS1  = 3", "NAXIS2  = 2 2"), Fault::damaged_fits, 4 * kCard));
    CHECK(is(with("NAXIS1  = 3", "NAXIS2  = 2.0"), Fault::damaged_fits, 4 * kCard));
    CHECK(is(with("NAXIS1  = 3", "NAXIS2    2"), Fault::damaged_fits, 4 * kCard));
    CHECK(is(with("NAXIS1  = 3"), Fault::damaged_fits, 5 * kCard));  // noticed at END
    CHECK(is(with("NAXIS1  = 16385", "NAXIS2  = 1"), Fault::too_large, 0));
    CHECK(is(with("NAXIS1  = 4096", "NAXIS2  = 4096"), Fault::too_large, 0));
    CHECK(is(with("NAXIS1  = 99999999999999999999999", "NAXIS2  = 1"), Fault::too_large, 0));
    CHECK(is(with("NAXIS1  = 1024", "NAXIS2  = 1024"), Fault::truncated, 2 * kBlock));
    CHECK(with("NAXIS1  = 0", "NAXIS2  = 5").fault == Fault::no_image);
    CHECK(is(with("XTENSION= 'IMAGE'"), Fault::damaged_fits, 3 * kCard));
    const auto alone = [](const std::string &card) {
        return decode(header({"SIMPLE  = T", card, "NAXIS   = 2", "NAXIS1  = 3", "NAXIS2  = 2", "BITPIX  = 8"}) +
                      std::string(kBlock, '\1'))
            .image.finding;
    };
    CHECK(!alone("COMMENT"));
    for (const char *card : {"BITPIX  = 12", "BITPIX  = -8", "BITPIX  =", "NAXIS   = 1000", "NAXIS   = -1",
                             "PCOUNT  = -1", "GCOUNT  = x", "BSCALE  = 'two'", "BZERO   = 1.2.3", "BZERO   = T",
                             "BSCALE  = .", "BSCALE  = 1E", "BLANK   = 1 2", "BLANK", "\200OMMENT"})
        CHECK(is(alone(card), Fault::damaged_fits, kCard));
    CHECK(is(decode(header({"SIMPLE  = maybe"})).image.finding, Fault::damaged_fits, 0));
    CHECK(!alone("BLANK   = 99999999999999999999"));
    CHECK(!alone("BLANK   = 1.5"));
    // A file that ends within the padding of a unit that is passed over.
    CHECK(is(decode(floats().substr(0, kBlock + 30), "A").image.finding, Fault::truncated, kBlock + 30));
    // Sizes beyond all numbers, in a unit that is passed over.
    CHECK(decode(header({"SIMPLE  = T", "BITPIX  = 64", "NAXIS   = 3", "NAXIS1  = 9999999999", "NAXIS2  = 9999999999",
                         "NAXIS3  = 9999999999", "PCOUNT  = 9223372036854775807", "GCOUNT  = 77777777777777"}))
              .image.finding.fault == Fault::truncated);
    // No END: the pixels are no cards, nor is the next unit's header part of this one.
    std::string endless = floats({-1, -2, -3, -4, -5, -6});
    endless.replace(endless.find("END"), 3, "   ");
    CHECK(is(decode(endless).image.finding, Fault::damaged_fits, kBlock));
    CHECK(is(decode(endless.substr(0, kBlock)).image.finding, Fault::truncated, kBlock));
    endless = floats({0, 0, 0, 0, 0, 0});
    endless.replace(endless.find("END"), 3, "   ");
    CHECK(is(decode(endless).image.finding, Fault::damaged_fits, kBlock));
    endless = floats().substr(0, kBlock) + image_extension("A", 1, 1);
    endless.replace(endless.find("END"), 3, "   ");
    CHECK(is(decode(endless).image.finding, Fault::damaged_fits, kBlock));
    std::string second = floats() + image_extension("A", 1, 1);
    second[2 * kBlock] = 'Y';
    CHECK(is(decode(second, "A").image.finding, Fault::damaged_fits, 2 * kBlock));
    CHECK(!decode(second).image.finding);
}

void every_cut_and_flip_is_survived() {
    const std::string file = floats() + image_extension("A", 7, 2);
    const Decoded whole = decode(file, "A");
    for (std::size_t size = 0; size < file.size(); ++size) {
        const Decoded cut = decode(file.substr(0, size), "A");
        if (!cut.image.finding)
            CHECK(cut.pixels == whole.pixels && size >= whole.image.begin + 28);
        else if (size > 0)
            CHECK(cut.image.finding.offset == size);
    }
    std::mt19937 random(1);
    for (int round = 0; round < 20000; ++round) {
        std::string flipped = file;
        for (int i = 0; i < 3; ++i) flipped[random() % file.size()] ^= static_cast<char>(1 << random() % 8);
        const Decoded found = decode(flipped, round % 2 == 0 ? "A" : "");
        CHECK(found.image.finding ? found.image.finding.offset <= file.size() : !found.pixels.empty());
    }
}

}  // namespace

int main() {
    headers_are_read_in_every_style();
    pixels_are_scaled_as_they_are_meant();
    the_right_unit_is_found();
    axes_of_one_pixel_do_not_count();
    an_extension_may_come_first();
    images_in_tiles_are_told();
    damage_is_told();
    every_cut_and_flip_is_survived();
    return check::report();
}
