#include "decode/rows.hpp"

#include <limits>

namespace s2v::decode {
namespace {

template <typename T>
void extend(std::vector<T> &to, const std::vector<T> &from, std::size_t begin, std::size_t end, std::size_t width) {
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin * width),
              from.begin() + static_cast<std::ptrdiff_t>(end * width));
}

}  // namespace

void Rows::clear() noexcept {
    pixels.clear();
    offset.clear();
    size.clear();
    centre.clear();
    flags.clear();
    candidate_id.clear();
    candidate_kind.clear();
    candidate_text.clear();
    object_id.clear();
    survey.clear();
    schema.clear();
    columns.clear();
    values.clear();
    value_texts.clear();
    catalogue.clear();
    features.clear();
    feature_flags.clear();
    score.clear();
    score_flags.clear();
    vectors.clear();
    vector_flags.clear();
    place.clear();
    problems.clear();
}

std::size_t Rows::add(const Place &where) {
    offset.insert(offset.end(), S2V_CHANNELS, -1);
    size.insert(size.end(), 2 * S2V_CHANNELS, 0);
    centre.insert(centre.end(), 2, 0);
    flags.push_back(0);
    candidate_id.push_back(-1);
    candidate_kind.push_back(S2V_ID_UNKNOWN);
    candidate_text.add();
    object_id.add();
    survey.push_back(S2V_SURVEY_OTHER);
    schema.push_back(-1);
    columns.insert(columns.end(), shape.columns, std::numeric_limits<double>::quiet_NaN());
    values.insert(values.end(), shape.fields,
                  s2v_value{S2V_VALUE_NONE, 0, 0, static_cast<std::int64_t>(value_texts.size())});
    catalogue.insert(catalogue.end(), catalogue_width(), std::numeric_limits<float>::quiet_NaN());
    features.insert(features.end(), shape.features, std::numeric_limits<float>::quiet_NaN());
    if (shape.features) feature_flags.push_back(0);
    if (shape.scores) {
        score.push_back(std::numeric_limits<float>::quiet_NaN());
        score_flags.push_back(0);
    }
    vectors.insert(vectors.end(), shape.vector, 0);
    if (shape.vector) vector_flags.push_back(0);
    place.push_back(where);
    return flags.size() - 1;
}

void Rows::set_values(const Field *fields) {
    s2v_value *value = values.data() + values.size() - shape.fields;
    for (std::size_t k = 0; k < shape.fields; ++k, ++value) {
        const Field &field = fields[k];
        if (field.kind == Field::Kind::integer) {
            value->kind = S2V_VALUE_INTEGER;
            value->integer = field.integer;
        } else if (field.kind == Field::Kind::real) {
            value->kind = S2V_VALUE_REAL;
            value->real = field.real;
        } else if (field.kind == Field::Kind::bytes) {
            value->kind = S2V_VALUE_TEXT;
            value_texts.append(reinterpret_cast<const char *>(field.bytes.data()), field.bytes.size());
        }
        value->text_end = static_cast<std::int64_t>(value_texts.size());
    }
}

void Rows::append_values(const Rows &others, std::size_t begin, std::size_t end) {
    if (begin == end) return;
    const std::int64_t from = begin ? others.values[begin - 1].text_end : 0;
    const std::int64_t shift = static_cast<std::int64_t>(value_texts.size()) - from;
    value_texts.append(others.value_texts, static_cast<std::size_t>(from),
                       static_cast<std::size_t>(others.values[end - 1].text_end - from));
    for (std::size_t at = begin; at < end; ++at) {
        values.push_back(others.values[at]);
        values.back().text_end += shift;
    }
}

void Texts::append(const Texts &others, std::size_t from, std::size_t to) {
    const std::int64_t begin = from ? others.end[from - 1] : 0;
    const std::int64_t shift = static_cast<std::int64_t>(letters.size()) - begin;
    letters.append(others.letters, static_cast<std::size_t>(begin),
                   static_cast<std::size_t>(others.end[to - 1] - begin));
    for (std::size_t row = from; row < to; ++row) end.push_back(others.end[row] + shift);
}

void Rows::append(const Rows &others, std::size_t begin, std::size_t end) {
    if (begin == end) return;
    const std::size_t first = count();
    for (std::size_t row = begin; row < end; ++row)
        for (std::size_t at = row * S2V_CHANNELS; at < (row + 1) * S2V_CHANNELS; ++at) {
            const std::int64_t from = others.offset[at];
            if (from < 0 || !shape.pixels) {
                offset.push_back(-1);
                continue;
            }
            const auto pixel_count = static_cast<std::size_t>(others.size[2 * at]) * others.size[2 * at + 1];
            offset.push_back(static_cast<std::int64_t>(pixels.size()));
            pixels.append(others.pixels.data() + from, pixel_count);
        }
    extend(size, others.size, begin, end, 2 * S2V_CHANNELS);
    extend(centre, others.centre, begin, end, 2);
    extend(flags, others.flags, begin, end, 1);
    extend(candidate_id, others.candidate_id, begin, end, 1);
    extend(candidate_kind, others.candidate_kind, begin, end, 1);
    extend(survey, others.survey, begin, end, 1);
    extend(schema, others.schema, begin, end, 1);
    extend(columns, others.columns, begin, end, shape.columns);
    extend(catalogue, others.catalogue, begin, end, catalogue_width());
    extend(features, others.features, begin, end, shape.features);
    if (shape.features) extend(feature_flags, others.feature_flags, begin, end, 1);
    if (shape.scores) {
        extend(score, others.score, begin, end, 1);
        extend(score_flags, others.score_flags, begin, end, 1);
    }
    extend(vectors, others.vectors, begin, end, shape.vector);
    if (shape.vector) extend(vector_flags, others.vector_flags, begin, end, 1);
    extend(place, others.place, begin, end, 1);
    object_id.append(others.object_id, begin, end);
    candidate_text.append(others.candidate_text, begin, end);
    append_values(others, begin * shape.fields, end * shape.fields);
    for (const Problem &problem : others.problems) {
        const auto row = static_cast<std::size_t>(problem.row);
        if (row < begin || row >= end) continue;
        problems.push_back(problem);
        problems.back().row = static_cast<std::int64_t>(row - begin + first);
    }
}

}  // namespace s2v::decode
