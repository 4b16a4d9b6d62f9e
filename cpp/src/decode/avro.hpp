// Avro records: a writer's schema compiled into a walk that takes the fields that are asked for and skips the rest.
#pragma once

#include "decode/bytes.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace s2v::decode {

struct AvroProgram;
struct AvroTypes;

// One field of a record.
struct Field {
    enum class Kind : std::uint8_t {
        absent,   // the schema has no such field, or it lies in another branch of a union
        null,     // the record says null, for the field or on the way to it
        integer,  // int, long, boolean
        real,     // float, double
        bytes,    // bytes, string, fixed, the symbol of an enum
    };
    Kind kind = Kind::absent;
    union {
        std::int64_t integer = 0;
        double real;
    };
    Bytes bytes;  // in the record's own bytes, or in the schema (the symbol of an enum)
};

// A writer's schema, compiled. Immutable; threads may share it.
class Schema {
public:
    // Compile a schema. wanted: dotted paths into the record, as "candidate.magpsf"; a path leads through records and
    // unions of them, not into arrays or maps, and ends at a single value: a record, array or map there is absent.
    // Throws SchemaError.
    Schema(std::string_view json, std::span<const std::string_view> wanted);
    Schema(const AvroTypes &types, std::span<const std::string_view> wanted);
    ~Schema();
    Schema(Schema &&) noexcept;
    Schema &operator=(Schema &&) noexcept;

    // Of what kinds the values at a wanted path may be, other than null, as bits (1 << Field::Kind); 0: it has none.
    [[nodiscard]] std::uint8_t kinds(std::size_t wanted) const noexcept;
    [[nodiscard]] bool has(std::size_t wanted) const noexcept {
        return kinds(wanted) != 0;
    }

    // Walk one record at the start of `data`: fill `fields` (one a wanted path), return the bytes that it took, or a
    // finding (damaged_record or truncated) with 0; the fields before the damage are filled then too.
    struct Walked {
        std::size_t size = 0;
        Finding finding;
    };
    Walked walk(Bytes data, Field *fields) const noexcept;

private:
    std::unique_ptr<const AvroProgram> program_;
};

// A text that is no schema (damaged_schema); offset counts in the text where it is no JSON.
struct SchemaError {
    Finding finding;
    std::string reason;
};

// A zigzag varint at the start of `data`; size 0 where the bytes end before it does or it is longer than 10 bytes.
struct Long {
    std::int64_t value = 0;
    std::size_t size = 0;
};
Long read_long(Bytes data) noexcept;

}  // namespace s2v::decode
