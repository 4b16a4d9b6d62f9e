// space2vec._core.Reader: paths or bytes in, batches of rows out.
#include "batch.hpp"
#include "model.hpp"
#include "reading.hpp"
#include "register.hpp"

#include <pybind11/stl.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace py = pybind11;

namespace {

struct Close {
    pid_t owner = getpid();
    void operator()(s2v_reader *reader) const noexcept {
        // A forked child has none of its threads: what they hold is left to them.
        if (getpid() != owner) return;
        // Its threads are waited for.
        const py::gil_scoped_release release;
        s2v_reader_close(reader);
    }
};

using Handle = std::unique_ptr<s2v_reader, Close>;

// Texts one after another, and where each ends.
using TextColumn = std::pair<Column<std::uint8_t>, Column<std::int64_t>>;

class Reader {
public:
    // inputs: paths, as bytes of the file system, or the inputs themselves if in_memory.
    Reader(std::vector<py::bytes> inputs, bool in_memory, std::vector<std::string> columns,
           std::vector<std::string> fields, std::vector<std::pair<std::uint32_t, std::string>> schemas,
           std::uint32_t planes, bool pixels, std::int32_t sets, std::int32_t convention, float saturation, int threads,
           const Memory &pixels_in, py::object decode_image,
           std::tuple<std::int32_t, std::uint64_t, std::int64_t> start, std::shared_ptr<Model> model,
           const Limits &limits, bool catalogue, std::shared_ptr<Model> embedder)
        : inputs_(std::move(inputs)),
          column_count_(columns.size()),
          field_count_(fields.size()),
          sets_(sets),
          model_(std::move(model)),
          embedder_(std::move(embedder)),
          decoder_(std::move(decode_image)) {
        std::vector<const char *> paths, names, values, texts;
        std::vector<const void *> memory;
        std::vector<std::int64_t> sizes;
        for (const py::bytes &input : inputs_) {
            char *data = nullptr;
            py::ssize_t size = 0;
            if (PyBytes_AsStringAndSize(input.ptr(), &data, &size) != 0) throw py::error_already_set();
            paths.push_back(data);
            memory.push_back(data);
            sizes.push_back(size);
        }
        std::vector<std::uint32_t> numbers;
        for (const std::string &column : columns) names.push_back(column.c_str());
        for (const std::string &field : fields) values.push_back(field.c_str());
        for (const auto &[number, text] : schemas) {
            numbers.push_back(number);
            texts.push_back(text.c_str());
        }
        const std::optional<s2v_allocator> allocator = allocator_of(pixels_in);
        s2v_reading reading = reading_of(planes, pixels, sets, convention, saturation, threads, allocator, model_.get(),
                                         embedder_.get(), catalogue);
        decoder_.serve(reading);
        reading.count = static_cast<std::int64_t>(inputs_.size());
        reading.paths = in_memory ? nullptr : paths.data();
        reading.memory = in_memory ? memory.data() : nullptr;
        reading.memory_size = sizes.data();
        reading.column_count = static_cast<std::int32_t>(names.size());
        reading.columns = names.data();
        reading.field_count = static_cast<std::int32_t>(values.size());
        reading.fields = values.data();
        reading.schema_count = static_cast<std::int32_t>(numbers.size());
        reading.schema_ids = numbers.data();
        reading.schemas = texts.data();
        std::tie(reading.start_source, reading.start_block, reading.start_row) = start;
        const s2v_limits within = limits_of(limits);
        s2v_reader *made = nullptr;
        check(s2v_reader_open_within(&reading, &within, &made), "Reader");
        reader_.reset(made);
    }

    // Alerts in columns: the cutouts of each channel one after another, and where they begin.
    Reader(std::vector<std::optional<std::pair<Column<std::uint8_t>, Column<std::int64_t>>>> cutouts,
           std::optional<std::pair<Column<double>, Column<double>>> position, std::optional<TextColumn> object_ids,
           std::optional<TextColumn> publishers, bool rubin, bool ztf_fields, std::uint32_t planes, bool pixels,
           std::int32_t sets, std::int32_t convention, float saturation, int threads, const Memory &pixels_in,
           py::object decode_image, std::shared_ptr<Model> model, const Limits &limits,
           std::optional<std::pair<Column<double>, Column<std::uint8_t>>> catalogue_fields,
           std::shared_ptr<Model> embedder)
        : sets_(sets),
          model_(std::move(model)),
          embedder_(std::move(embedder)),
          cutouts_(std::move(cutouts)),
          position_(std::move(position)),
          object_ids_(std::move(object_ids)),
          publishers_(std::move(publishers)),
          catalogue_(std::move(catalogue_fields)),
          decoder_(std::move(decode_image)) {
        if (cutouts_.size() != S2V_CHANNELS) throw std::invalid_argument("Reader: one entry a channel");
        table_ = std::make_unique<s2v_cutouts>();
        table_->size = sizeof *table_;
        table_->n = -1;
        const auto rows = [&](std::int64_t n) {
            if (table_->n >= 0 && table_->n != n) throw std::invalid_argument("Reader: columns differ in length");
            table_->n = n;
        };
        for (std::size_t channel = 0; channel < cutouts_.size(); ++channel) {
            if (!cutouts_[channel]) continue;
            const auto &[data, begin] = *cutouts_[channel];
            if (begin.size() < 1 || begin.data()[begin.size() - 1] > data.size())
                throw std::invalid_argument("Reader: cutouts outside their data");
            rows(begin.size() - 1);
            table_->data[channel] = data.data();
            table_->begin[channel] = begin.data();
        }
        if (position_) {
            rows(position_->first.size());
            rows(position_->second.size());
            table_->x = position_->first.data();
            table_->y = position_->second.data();
        }
        const auto spans = [&](const std::optional<TextColumn> &texts, const char *&data, const std::int64_t *&end) {
            if (!texts) return;
            const auto &[letters, ends] = *texts;
            rows(ends.size());
            const std::int64_t all = ends.size() ? ends.data()[ends.size() - 1] : 0;
            if (all > letters.size()) throw std::invalid_argument("Reader: texts outside their data");
            data = reinterpret_cast<const char *>(letters.data());
            end = ends.data();
        };
        spans(object_ids_, table_->object_ids, table_->object_end);
        spans(publishers_, table_->publishers, table_->publisher_end);
        if (catalogue_) {
            const auto &[fields, present] = *catalogue_;
            if (present.size() == 0 || fields.size() != table_->n * present.size())
                throw std::invalid_argument("Reader: the fields of the catalogue differ in length");
            table_->catalogue = fields.data();
            table_->catalogue_present = present.data();
        }
        const bool catalogue = catalogue_.has_value();
        table_->rubin = rubin;
        table_->ztf_fields = ztf_fields;
        const std::optional<s2v_allocator> allocator = allocator_of(pixels_in);
        s2v_reading reading = reading_of(planes, pixels, sets, convention, saturation, threads, allocator, model_.get(),
                                         embedder_.get(), catalogue);
        decoder_.serve(reading);
        const s2v_limits within = limits_of(limits);
        s2v_reader *made = nullptr;
        check(s2v_reader_open_cutouts_within(table_.get(), &reading, &within, &made), "Reader");
        reader_.reset(made);
    }

    py::object next(std::int64_t rows) {
        s2v_batch batch{};
        batch.size = sizeof batch;
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = s2v_reader_next(reader_.get(), rows, &batch);
        }
        if (status == S2V_INTERRUPTED) throw py::error_already_set();
        if (status == S2V_IO_ERROR) {
            PyErr_SetString(PyExc_OSError, s2v_reader_message(reader_.get()));
            throw py::error_already_set();
        }
        check(status, "Reader.next");
        if (batch.stamps.n == 0) return py::none();
        return to_python(batch, take_pixels(), column_count_, field_count_, sets_);
    }

    py::array_t<float> take_pixels() {
        auto held = s2v::sized<s2v_pixels>();
        check(s2v_reader_take_pixels(reader_.get(), &held), "Reader.next");
        return as_array(held);
    }

    std::vector<bool> schema_columns(std::int32_t schema) const {
        std::vector<std::uint8_t> present(column_count_);
        check(s2v_reader_schema_columns(reader_.get(), schema, present.data()), "Reader.schema_columns");
        return {present.begin(), present.end()};
    }

    py::bytes schema_fields(std::int32_t schema) const {
        return ::schema_fields(s2v_reader_schema_fields, reader_.get(), schema, field_count_);
    }

    py::list schema_paths(std::int32_t schema) const {
        return ::schema_paths(s2v_reader_schema_paths, reader_.get(), schema);
    }

private:
    std::vector<py::bytes> inputs_;
    std::size_t column_count_ = 0;
    std::size_t field_count_ = 0;
    std::int32_t sets_ = 0;
    std::shared_ptr<Model> model_;
    std::shared_ptr<Model> embedder_;
    std::vector<std::optional<std::pair<Column<std::uint8_t>, Column<std::int64_t>>>> cutouts_;
    std::optional<std::pair<Column<double>, Column<double>>> position_;
    std::optional<TextColumn> object_ids_;
    std::optional<TextColumn> publishers_;
    std::optional<std::pair<Column<double>, Column<std::uint8_t>>> catalogue_;
    std::unique_ptr<s2v_cutouts> table_;
    ImageDecoder decoder_;
    Handle reader_;  // the last: its workers use the others
};

}  // namespace

void register_reader(py::module_ &module) {
    module.def("inflate_engine", []() -> std::optional<std::string> {
        const char *const name = s2v_inflate_engine();
        return name ? std::optional<std::string>(name) : std::nullopt;
    });
    module.def(
        "codec_available", [](const std::string &codec) { return s2v_codec_available(codec.c_str()) != 0; },
        py::arg("codec"));
    module.def(
        "find_fields",
        [](const std::vector<std::string> &paths, const std::vector<std::string> &wanted) {
            std::vector<const char *> known;
            for (const std::string &path : paths) known.push_back(path.c_str());
            std::vector<std::int64_t> found;
            for (const std::string &name : wanted)
                found.push_back(s2v_find_field(known.data(), static_cast<std::int64_t>(known.size()), name.c_str()));
            return found;
        },
        py::arg("paths"), py::arg("wanted"));
    module.def(
        "schema_fault",
        [](const std::string &schema) {
            const std::string reason = text_of([&](char *to, std::int64_t capacity, std::int64_t *size) {
                const s2v_status status = s2v_schema_check(schema.c_str(), to, capacity, size);
                if (status != S2V_BAD_INPUT) check(status, "schema_fault");
            });
            return decode_text(reason.data(), reason.size());
        },
        py::arg("schema"));
    py::class_<Pixels>(module, "Pixels").def_property_readonly("allocated", &Pixels::allocated);
    py::class_<Reader>(module, "Reader")
        .def(py::init<std::vector<py::bytes>, bool, std::vector<std::string>, std::vector<std::string>,
                      std::vector<std::pair<std::uint32_t, std::string>>, std::uint32_t, bool, std::int32_t,
                      std::int32_t, float, int, Memory, py::object,
                      std::tuple<std::int32_t, std::uint64_t, std::int64_t>, std::shared_ptr<Model>, Limits, bool,
                      std::shared_ptr<Model>>(),
             py::arg("inputs"), py::arg("in_memory"), py::arg("columns"), py::arg("fields"), py::arg("schemas"),
             py::arg("planes"), py::arg("pixels"), py::arg("sets"), py::arg("convention"), py::arg("saturation"),
             py::arg("threads"), py::arg("memory"), py::arg("decode_image"), py::arg("start"),
             py::arg("model") = std::shared_ptr<Model>(), py::arg("limits") = Limits{}, py::arg("catalogue") = false,
             py::arg("embedder") = std::shared_ptr<Model>())
        .def(py::init<std::vector<std::optional<std::pair<Column<std::uint8_t>, Column<std::int64_t>>>>,
                      std::optional<std::pair<Column<double>, Column<double>>>, std::optional<TextColumn>,
                      std::optional<TextColumn>, bool, bool, std::uint32_t, bool, std::int32_t, std::int32_t, float,
                      int, Memory, py::object, std::shared_ptr<Model>, Limits,
                      std::optional<std::pair<Column<double>, Column<std::uint8_t>>>, std::shared_ptr<Model>>(),
             py::arg("cutouts"), py::arg("position"), py::arg("object_ids"), py::arg("publishers"), py::arg("rubin"),
             py::arg("ztf_fields"), py::arg("planes"), py::arg("pixels"), py::arg("sets"), py::arg("convention"),
             py::arg("saturation"), py::arg("threads"), py::arg("memory"), py::arg("decode_image"),
             py::arg("model") = std::shared_ptr<Model>(), py::arg("limits") = Limits{},
             py::arg("catalogue_fields") = std::nullopt, py::arg("embedder") = std::shared_ptr<Model>())
        .def("next", &Reader::next, py::arg("rows"))
        .def("schema_columns", &Reader::schema_columns, py::arg("schema"))
        .def("schema_fields", &Reader::schema_fields, py::arg("schema"))
        .def("schema_paths", &Reader::schema_paths, py::arg("schema"));
}
