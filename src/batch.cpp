#include "batch.hpp"

#include <cstring>
#include <vector>

namespace py = pybind11;

py::str decode_text(const char *text, std::size_t size) {
    PyObject *const made = PyUnicode_DecodeUTF8(text, static_cast<py::ssize_t>(size), "backslashreplace");
    if (!made) throw py::error_already_set();
    return py::reinterpret_steal<py::str>(made);
}

namespace {

template <typename T>
py::array_t<T> copy_array(const T *from, std::vector<py::ssize_t> shape) {
    py::array_t<T> array(std::move(shape));
    if (array.size()) std::memcpy(array.mutable_data(), from, static_cast<std::size_t>(array.nbytes()));
    return array;
}

py::list texts(const char *text, const std::int64_t *end, std::int64_t n) {
    py::list out(static_cast<py::ssize_t>(n));
    std::int64_t begin = 0;
    for (std::int64_t row = 0; row < n; begin = end[row++]) {
        PyObject *const made =
            PyUnicode_DecodeUTF8(text + begin, static_cast<py::ssize_t>(end[row] - begin), "backslashreplace");
        if (!made) throw py::error_already_set();
        PyList_SET_ITEM(out.ptr(), static_cast<py::ssize_t>(row), made);
    }
    return out;
}

// The ids of a batch that are no signed numbers, as texts by row; none, where all are numbers or unknown.
py::dict other_ids(const s2v_batch &batch) {
    py::dict out;
    const std::int64_t n = batch.stamps.n;
    if (batch.candidate_text_end[n - 1] == 0) return out;
    std::int64_t begin = 0;
    for (std::int64_t row = 0; row < n; begin = batch.candidate_text_end[row++])
        if (batch.candidate_kind[row] > S2V_ID_SIGNED)
            out[py::int_(row)] = decode_text(batch.candidate_texts + begin,
                                             static_cast<std::size_t>(batch.candidate_text_end[row] - begin));
    return out;
}

// The values of one field: their kinds, integers, real numbers, and texts by row.
py::tuple values_of(const s2v_batch &batch, std::size_t field, std::size_t count) {
    const auto n = static_cast<std::size_t>(batch.stamps.n);
    std::vector<std::uint8_t> kind(n);
    std::vector<std::int64_t> integer(n);
    std::vector<double> real(n);
    py::dict texts;
    for (std::size_t row = 0; row < n; ++row) {
        const std::size_t at = row * count + field;
        const s2v_value &value = batch.values[at];
        kind[row] = static_cast<std::uint8_t>(value.kind);
        integer[row] = value.integer;
        real[row] = value.real;
        if (value.kind != S2V_VALUE_TEXT) continue;
        const std::int64_t begin = at ? batch.values[at - 1].text_end : 0;
        texts[py::int_(row)] = decode_text(batch.value_texts + begin, static_cast<std::size_t>(value.text_end - begin));
    }
    const auto size = static_cast<py::ssize_t>(n);
    return py::make_tuple(copy_array(kind.data(), {size}), copy_array(integer.data(), {size}),
                          copy_array(real.data(), {size}), texts);
}

py::list problems_of(const s2v_batch &batch) {
    py::list out;
    for (std::int64_t i = 0; i < batch.problem_count; ++i) {
        const s2v_problem &problem = batch.problems[i];
        out.append(py::make_tuple(problem.row, problem.place.source, problem.place.record, problem.place.offset,
                                  s2v_fault_name(problem.fault), problem.fault_offset, problem.channel,
                                  decode_text(problem.member, std::strlen(problem.member)),
                                  decode_text(problem.detail, std::strlen(problem.detail))));
    }
    return out;
}

}  // namespace

py::dict to_python(const s2v_batch &batch, py::array_t<float> pixels, std::size_t columns, std::size_t fields,
                   std::int32_t sets) {
    const s2v_stamps &stamps = batch.stamps;
    const py::ssize_t n = stamps.n;
    py::dict out;
    out["pixels"] = std::move(pixels);
    out["offset"] = copy_array(stamps.offset, {n, 3});
    out["shape"] = copy_array(stamps.shape, {n, 3, 2});
    out["centre"] = copy_array(stamps.centre, {n, 2});
    out["flags"] = copy_array(batch.flags, {n});
    out["candidate_id"] = copy_array(batch.candidate_id, {n});
    out["other_ids"] = other_ids(batch);
    out["survey"] = copy_array(batch.survey, {n});
    out["object_id"] = texts(batch.object_ids, batch.object_end, n);
    out["schema"] = copy_array(batch.schema, {n});
    out["columns"] = copy_array(batch.columns, {n, static_cast<py::ssize_t>(columns)});
    py::list values;
    for (std::size_t k = 0; k < fields; ++k) values.append(values_of(batch, k, fields));
    out["fields"] = values;
    if (batch.catalogue) out["catalogue"] = copy_array(batch.catalogue, {n, py::ssize_t{S2V_CATALOGUE_COLUMNS}});
    if (batch.features) {
        out["features"] = copy_array(batch.features, {n, s2v_stamp_feature_count(sets)});
        out["feature_flags"] = copy_array(batch.feature_flags, {n});
    }
    if (batch.score) {
        out["score"] = copy_array(batch.score, {n});
        out["score_flags"] = copy_array(batch.score_flags, {n});
    }
    if (batch.vectors) {
        out["vectors"] = copy_array(batch.vectors, {n, py::ssize_t{batch.vector}});
        out["vector_flags"] = copy_array(batch.vector_flags, {n});
    }
    std::vector<std::int32_t> source(static_cast<std::size_t>(n));
    std::vector<std::int64_t> record(source.size());
    std::vector<std::uint64_t> offset(source.size()), block(source.size());
    for (std::size_t row = 0; row < source.size(); ++row) {
        source[row] = batch.place[row].source;
        record[row] = batch.place[row].record;
        offset[row] = batch.place[row].offset;
        block[row] = batch.place[row].block;
    }
    out["source"] = copy_array(source.data(), {n});
    out["record"] = copy_array(record.data(), {n});
    out["byte"] = copy_array(offset.data(), {n});
    out["block"] = copy_array(block.data(), {n});
    out["problems"] = problems_of(batch);
    return out;
}
