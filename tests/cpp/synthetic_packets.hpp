// Alert packets made by hand: FITS cutouts in Avro records, in containers, archives and messages.
#pragma once

#include "synthetic_avro.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

namespace synthetic {

using Octets = std::vector<std::uint8_t>;

inline const std::string kPacketSchema = R"({"type": "record", "name": "alert", "fields": [
    {"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"},
    {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
        {"name": "magpsf", "type": ["null", "float"]}, {"name": "xpos", "type": "double"},
        {"name": "ypos", "type": "double"}]}},
    {"name": "prv_candidates", "type": ["null", {"type": "array", "items": "candidate"}]},
    {"name": "cutoutScience", "type": ["null", "bytes"]}, {"name": "cutoutTemplate", "type": ["null", "bytes"]},
    {"name": "cutoutDifference", "type": ["null", "bytes"]}]})";

// A FITS file of one float32 image of noise about a source.
inline Octets fits(Random &random, int side) {
    std::string header;
    const auto card = [&](const char *key, const std::string &value) {
        std::string text = std::string(key) + std::string(8 - std::strlen(key), ' ') + "= " + value;
        header += text + std::string(80 - text.size(), ' ');
    };
    card("SIMPLE", "T");
    card("BITPIX", "-32");
    card("NAXIS", "2");
    card("NAXIS1", std::to_string(side));
    card("NAXIS2", std::to_string(side));
    header += "END";
    header.resize(2880, ' ');
    Octets bytes(header.begin(), header.end());
    for (int i = 0; i < side * side; ++i) {
        const int x = i % side - side / 2, y = i / side - side / 2;
        const auto value = static_cast<float>(random.normal() + (x * x + y * y < 9 ? 30 : 0));
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(bits >> shift));
    }
    bytes.resize((bytes.size() + 2879) / 2880 * 2880);
    return bytes;
}

// One alert; stamps of odd sizes from 21 to 127, the same for the same number.
inline Octets packet(int number) {
    Random random(static_cast<std::uint64_t>(number));
    const int side = 21 + 2 * (number * 7 % 54);
    Avro avro;
    avro.text("object" + std::to_string(number)).number(1000 + number);
    avro.number(1).real(18.0F + static_cast<float>(number)).real(700.0).real(800.0);
    avro.number(1).number(2);
    for (int i = 0; i < 2; ++i) avro.number(0).real(1.0).real(2.0);
    avro.number(0);
    for (int channel = 0; channel < 3; ++channel) {
        const Octets image = fits(random, side);
        avro.number(1).number(static_cast<std::int64_t>(image.size())).raw(image);
    }
    return avro.bytes();
}

inline Octets sync() {
    Octets marker(16);
    for (std::size_t i = 0; i < marker.size(); ++i) marker[i] = static_cast<std::uint8_t>(0xa0 + i);
    return marker;
}

// A container of packets [begin, end), so many to a block.
inline Octets container(int begin, int end, int to_a_block) {
    Avro file;
    file.raw({'O', 'b', 'j', 1}).number(1).text("avro.schema").text(kPacketSchema).number(0).raw(sync());
    while (begin < end) {
        const int stop = std::min(end, begin + to_a_block);
        Octets block;
        for (int number = begin; number < stop; ++number) {
            const Octets one = packet(number);
            block.insert(block.end(), one.begin(), one.end());
        }
        file.number(stop - begin).number(static_cast<std::int64_t>(block.size())).raw(block).raw(sync());
        begin = stop;
    }
    return file.bytes();
}

// Containers of whole packets, damaged ones, and an input that is none.
inline std::vector<Octets> whole_and_damaged_inputs() {
    std::vector<Octets> out = {container(0, 20, 3), container(20, 23, 1)};
    Octets cut = container(30, 39, 3);
    cut.resize(cut.size() * 2 / 3);
    out.push_back(cut);
    Octets flipped = container(40, 49, 3);
    for (std::size_t at = flipped.size() / 2; at < flipped.size(); at += 1009) flipped[at] ^= 0x41;
    out.push_back(flipped);
    out.push_back(Octets(100, 0x20));
    return out;
}

inline Octets message(int number, std::uint32_t schema) {
    Avro bytes;
    bytes.raw({0}).raw({static_cast<int>(schema >> 24), static_cast<int>(schema >> 16 & 255),
                        static_cast<int>(schema >> 8 & 255), static_cast<int>(schema & 255)});
    return bytes.raw(packet(number)).bytes();
}

// A member of a tar archive: its ustar header, its bytes, padding.
inline void add_member(Octets &archive, const std::string &name, const Octets &bytes) {
    char header[512] = {};
    std::memcpy(header, name.data(), std::min<std::size_t>(name.size(), 100));
    std::snprintf(header + 124, 12, "%011llo", static_cast<unsigned long long>(bytes.size()));
    header[156] = '0';
    std::memcpy(header + 257, "ustar\00000", 8);
    std::memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (const char byte : header) sum += static_cast<unsigned char>(byte);
    std::snprintf(header + 148, 8, "%06o", sum);
    archive.insert(archive.end(), header, header + 512);
    archive.insert(archive.end(), bytes.begin(), bytes.end());
    archive.resize((archive.size() + 511) / 512 * 512);
}

}  // namespace synthetic
