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
    object_ids.clear();
    object_end.clear();
    schema.clear();
    columns.clear();
    features.clear();
    feature_flags.clear();
    place.clear();
    problems.clear();
}

std::size_t Rows::add(const Place &where) {
    offset.insert(offset.end(), S2V_CHANNELS, -1);
    size.insert(size.end(), 2 * S2V_CHANNELS, 0);
    centre.insert(centre.end(), 2, 0);
    flags.push_back(0);
    candidate_id.push_back(-1);
    object_end.push_back(static_cast<std::int64_t>(object_ids.size()));
    schema.push_back(-1);
    columns.insert(columns.end(), shape.columns, std::numeric_limits<double>::quiet_NaN());
    features.insert(features.end(), shape.features, std::numeric_limits<float>::quiet_NaN());
    if (shape.features) feature_flags.push_back(0);
    place.push_back(where);
    return flags.size() - 1;
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
    extend(schema, others.schema, begin, end, 1);
    extend(columns, others.columns, begin, end, shape.columns);
    extend(features, others.features, begin, end, shape.features);
    if (shape.features) extend(feature_flags, others.feature_flags, begin, end, 1);
    extend(place, others.place, begin, end, 1);
    const std::int64_t text_begin = begin ? others.object_end[begin - 1] : 0;
    const std::int64_t shift = static_cast<std::int64_t>(object_ids.size()) - text_begin;
    object_ids.append(others.object_ids, static_cast<std::size_t>(text_begin),
                      static_cast<std::size_t>(others.object_end[end - 1] - text_begin));
    for (std::size_t row = begin; row < end; ++row) object_end.push_back(others.object_end[row] + shift);
    for (const Problem &problem : others.problems) {
        const auto row = static_cast<std::size_t>(problem.row);
        if (row < begin || row >= end) continue;
        problems.push_back(problem);
        problems.back().row = static_cast<std::int64_t>(row - begin + first);
    }
}

}  // namespace s2v::decode
