// A unit of work: bytes of the input cut into pieces that can be decoded on their own, and the rows that come of them.
#pragma once

#include "decode/container.hpp"
#include "decode/packet.hpp"
#include "decode/rows.hpp"

#include <atomic>
#include <memory>

namespace s2v::decode {

// A schema that several pieces share, and its number.
struct NumberedSchema {
    PacketSchema packet;
    std::int32_t number;
};

// Part of an input: records of one block, the first record of a message, or a row of a table; where it has a finding,
// one row stands for what is lost.
struct Piece {
    std::shared_ptr<const NumberedSchema> schema;  // null: no records
    const s2v_cutouts *table = nullptr;
    Codec codec = Codec::null;
    const std::uint8_t *memory = nullptr;  // the bytes that hold the block; null: those of the unit
    std::size_t begin = 0;                 // of the block there
    std::size_t size = 0;
    bool message = false;  // one row, whatever the bytes hold
    bool surplus = false;  // of a message: further blocks follow
    std::int64_t records = 0;
    std::uint64_t allowance = ~std::uint64_t{0};           // bytes that the block and its cutouts may unpack to
    std::shared_ptr<std::atomic<std::uint64_t>> unpacked;  // bytes that pieces of the input have unpacked to, or null
    Place place{};                                         // of the first record
    std::string member;
    Finding finding;  // after the records
    std::string detail;
};

struct Unit {
    std::uint64_t number = 0;
    Buffer<std::uint8_t> bytes;
    std::vector<Piece> pieces;
    Rows rows;
};

}  // namespace s2v::decode
