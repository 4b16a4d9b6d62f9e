// What the C ABI is told of reading, and what it tells of rows: of files and of messages alike.
#pragma once

#include "decode/decoder.hpp"
#include "decode/schema_book.hpp"
#include "space2vec/limits.h"

#include <string>
#include <vector>

namespace s2v {

// Each throws Failure (S2V_INVALID_ARGUMENT) where what it is told makes no sense.
decode::Limits limits_of(const s2v_limits &given);
decode::Wish wish_of(const s2v_reading &reading, const decode::Limits &limits);
decode::Asked asked_of(const s2v_reading &reading, const decode::Wish &wish);

// The kinds of values that a schema has at the fields that are asked for, as bits (1 << s2v_value_kind).
void copy_kinds(const decode::SchemaBook &schemas, std::int32_t schema, std::uint8_t *kinds);

// As much of a text as there is room for, and how long it is.
void copy_text(const std::string &text, char *to, std::int64_t capacity, std::int64_t *size);

// Hand the pixels of rows over.
void take_pixels(decode::Rows &rows, s2v_pixels &pixels);

// Let a batch look at rows; problems: room for theirs.
void describe(const decode::Rows &rows, float saturation, std::vector<s2v_problem> &problems, s2v_batch &batch);

}  // namespace s2v
