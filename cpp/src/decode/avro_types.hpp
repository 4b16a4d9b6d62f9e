// The types that an Avro schema describes: a graph, since names may be used again and records may hold themselves.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace s2v::decode {

struct AvroType {
    enum class Kind : std::uint8_t {
        null,
        boolean,
        int_or_long,
        float32,
        float64,
        bytes_or_string,
        fixed,
        enumeration,
        array,
        map,
        union_of,
        record,
    };
    // A size of values that differ in size.
    static constexpr std::int64_t kVaries = -1;

    Kind kind = Kind::null;
    std::int64_t size = kVaries;       // of every value, where all take the same number of bytes
    std::vector<std::uint32_t> parts;  // the items, the branches, or the types of the fields
    std::vector<std::string> names;    // of the fields or the symbols
};

struct AvroTypes {
    std::vector<AvroType> all;
    std::uint32_t root = 0;
    std::string name;  // full, of the root; empty where it has none
};

// Read a schema. Throws SchemaError.
AvroTypes read_types(std::string_view json);

// The dotted paths that lead to single values, through records and unions of records; of a schema beyond all use not
// all.
std::vector<std::string> value_paths(const AvroTypes &types);

}  // namespace s2v::decode
