// From the structures of the C ABI to those of the decoder and back, for readers and decoders alike.
#pragma once

#include "checks.hpp"
#include "decode/decoder.hpp"
#include "decode/schema_book.hpp"
#include "space2vec/limits.h"

#include <algorithm>
#include <string>
#include <vector>

namespace s2v {

// Convert and check the options of the C ABI. Each throws Failure (S2V_INVALID_ARGUMENT).
decode::Limits limits_of(const s2v_limits &given);
// Whether one of its models takes columns of the catalogue.
bool takes_catalogue(const s2v_reading &reading);

decode::DecodeSettings decode_settings(const s2v_reading &reading, const decode::Limits &limits);
decode::PacketSelection packet_selection(const s2v_reading &reading, const decode::DecodeSettings &settings);

// Copy the kinds of values that a schema has at the selected fields, as bits (1 << s2v_value_kind).
void copy_kinds(const decode::SchemaBook &schemas, std::int32_t schema, std::uint8_t *kinds);

// Copy as much of a text as there is room for, and tell how long it is.
void copy_text(const std::string &text, char *to, std::int64_t capacity, std::int64_t *size);

// The questions about a schema that a reader and a decoder answer alike: Owner is s2v_reader or s2v_decoder, and has a
// SchemaBook schemas().
template <typename Owner>
s2v_status copy_schema_columns(const Owner *owner, std::int32_t schema, std::uint8_t *present) {
    return guarded([&] {
        require(owner && present && schema >= 0, "the reader, the decoder or present is NULL, or schema is negative");
        std::ranges::copy(owner->schemas().offer(schema).columns, present);
    });
}

template <typename Owner>
s2v_status copy_schema_fields(const Owner *owner, std::int32_t schema, std::uint8_t *kinds) {
    return guarded([&] {
        require(owner && kinds && schema >= 0, "the reader, the decoder or kinds is NULL, or schema is negative");
        copy_kinds(owner->schemas(), schema, kinds);
    });
}

template <typename Owner>
s2v_status copy_schema_paths(const Owner *owner, std::int32_t schema, char *paths, std::int64_t capacity,
                             std::int64_t *size) {
    return guarded([&] {
        require(owner && size && schema >= 0 && (paths || capacity == 0),
                "the reader, the decoder, paths or size is NULL, or schema is negative");
        copy_text(owner->schemas().offer(schema).paths, paths, capacity, size);
    });
}

// Hand the pixels of rows over to the caller.
void take_pixels(decode::Rows &rows, s2v_pixels &pixels);

// Let a batch point at rows; problems: memory for their problems.
void describe(const decode::Rows &rows, float saturation, std::vector<s2v_problem> &problems, s2v_batch &batch);

}  // namespace s2v
