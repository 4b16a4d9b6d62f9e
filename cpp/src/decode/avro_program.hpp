// The program that a schema is compiled to: small steps that walk a record.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace s2v::decode {

struct AvroStep {
    enum class Code : std::uint8_t {
        done,           // of the record, the item or the routine
        skip,           // `size` bytes
        skip_longs,     // `count` of them
        skip_text,      // bytes behind their length
        nullable,       // `count` unions of null and `size` bytes
        nullable_long,  // `count` unions of null and a long
        nullable_text,  // `count` unions of null and bytes behind their length
        choose,         // go on at targets[target + branch], of `size` branches
        jump,           // go on at `target`
        call,           // walk the routine at `target`
        items,          // blocks of items, each walked by the routine at `target`
        items_of_size,  // blocks of items of `size` bytes
        take_null,      // into field `target`, as those below
        take_boolean,
        take_long,
        take_float,
        take_double,
        take_text,
        take_fixed,   // `size` bytes
        take_symbol,  // of enumeration `size`
    };
    Code code = Code::done;
    std::uint8_t null_byte = 0;  // how the null branch of a nullable is written
    std::uint16_t count = 1;
    std::uint32_t target = 0;
    std::uint64_t size = 0;
};

struct AvroProgram {
    std::vector<AvroStep> steps;
    std::vector<std::uint32_t> targets;                         // of all unions
    std::vector<std::vector<std::string>> enumerations;         // the symbols of those that are taken
    std::vector<std::uint8_t> kinds;                            // one a wanted path, as Schema::kinds gives them
    std::vector<std::pair<std::uint32_t, std::uint32_t>> same;  // a path that was wanted before: from, to
};

}  // namespace s2v::decode
