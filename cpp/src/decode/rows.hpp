// Decoded candidates, column by column.
#pragma once

#include "decode/avro.hpp"
#include "decode/buffer.hpp"
#include "decode/bytes.hpp"
#include "space2vec/space2vec.h"

#include <string>
#include <vector>

namespace s2v::decode {

// Where rows come from.
using Place = s2v_place;

// Something wrong with a row.
struct Problem {
    std::int64_t row = 0;
    Place place{};
    Finding finding;            // its offset counts from the cutout's start if there is a channel, else from the place
    std::int32_t channel = -1;  // the cutout that is meant; -1: the record, or the rest of the file
    std::string member;         // of an archive
    std::string detail;
};

// How many numbers a row has in each column.
struct RowShape {
    std::size_t columns = 0;   // catalogue fields asked for
    std::size_t fields = 0;    // values asked for
    std::size_t features = 0;  // 0: features are not computed
    bool pixels = true;        // whether pixels are kept
    bool scores = false;       // whether a model scores the rows
    std::size_t vector = 0;    // 0: no model turns them into vectors
    bool catalogue = false;    // whether they have the catalogue's columns
};

// Texts of rows, one after another.
struct Texts {
    std::string letters;
    std::vector<std::int64_t> end;  // (n)

    void clear() noexcept {
        letters.clear();
        end.clear();
    }
    // Close the last row's text behind what has been appended to the letters.
    void close() {
        end.back() = static_cast<std::int64_t>(letters.size());
    }
    void add() {
        end.push_back(static_cast<std::int64_t>(letters.size()));
    }
    void append(const Texts &others, std::size_t from, std::size_t to);
};

struct Rows {
    RowShape shape;
    Buffer<float> pixels;
    std::vector<std::int64_t> offset;          // (n, 3) into pixels, -1: missing
    std::vector<std::int32_t> size;            // (n, 3, 2) height, width
    std::vector<std::int32_t> centre;          // (n, 2)
    std::vector<std::uint32_t> flags;          // (n)
    std::vector<std::int64_t> candidate_id;    // (n), -1: unknown, or no signed number
    std::vector<std::uint8_t> candidate_kind;  // (n) an s2v_id_kind
    Texts candidate_text;                      // (n) of ids that are no signed numbers
    Texts object_id;                           // (n)
    std::vector<std::uint8_t> survey;          // (n) an s2v_survey
    std::vector<std::int32_t> schema;          // (n) number of the schema; -1: none
    std::vector<double> columns;               // (n, columns)
    std::vector<s2v_value> values;             // (n, fields)
    std::string value_texts;                   // one after another
    std::vector<float> catalogue;              // (n, kCatalogueColumns); empty where it is not asked for
    std::vector<float> features;               // (n, features)
    std::vector<std::uint32_t> feature_flags;  // (n) as s2v_features gives them; empty where they are not computed
    std::vector<float> score;                  // (n) and the flags of these; empty where no model scores
    std::vector<std::uint32_t> score_flags;
    std::vector<std::int8_t> vectors;         // (n, vector)
    std::vector<std::uint32_t> vector_flags;  // (n); empty where there are no vectors
    std::vector<Place> place;                 // (n)
    std::vector<Problem> problems;

    [[nodiscard]] std::size_t count() const noexcept {
        return flags.size();
    }
    // Roughly what they take.
    [[nodiscard]] std::size_t bytes() const noexcept {
        constexpr std::size_t kRow = 200;
        return pixels.size() * sizeof(float) + problems.size() * sizeof(Problem) + value_texts.size() +
               count() * (kRow + shape.columns * sizeof(double) + shape.fields * sizeof(s2v_value) +
                          (shape.features + catalogue_width()) * sizeof(float) + shape.vector);
    }
    // Columns of the catalogue that a row has.
    [[nodiscard]] std::size_t catalogue_width() const noexcept {
        return shape.catalogue ? std::size_t{S2V_CATALOGUE_COLUMNS} : 0;
    }
    void clear() noexcept;
    // Add a row without planes, ids, columns or values; returns its number.
    std::size_t add(const Place &place);
    // Say what the last row has at the fields that are asked for.
    void set_values(const Field *fields);
    // Add rows [begin, end) of others; pixels are copied where they are kept. That is the one copy on the way from a
    // worker to NumPy, C or a device: where in a batch a unit's rows begin is known only once all units before it are
    // decoded.
    void append(const Rows &others, std::size_t begin, std::size_t end);

private:
    void append_values(const Rows &others, std::size_t begin, std::size_t end);
};

}  // namespace s2v::decode
