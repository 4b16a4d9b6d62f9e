// space2vec._core.Decoder: messages in, one row each out; and the catalogue's columns.
#include "batch.hpp"
#include "model.hpp"
#include "reading.hpp"
#include "register.hpp"

#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

namespace py = pybind11;

namespace {

struct Free {
    void operator()(s2v_decoder *decoder) const noexcept {
        s2v_decoder_free(decoder);
    }
};

class Decoder {
public:
    Decoder(std::vector<std::string> fields, std::uint32_t planes, bool pixels, std::int32_t sets,
            std::int32_t convention, float saturation, bool catalogue, py::object decode_image,
            std::shared_ptr<Model> model, const Limits &limits, std::shared_ptr<Model> embedder)
        : field_count_(fields.size()),
          sets_(sets),
          model_(std::move(model)),
          embedder_(std::move(embedder)),
          image_decoder_(std::move(decode_image)) {
        std::vector<const char *> paths;
        for (const std::string &field : fields) paths.push_back(field.c_str());
        s2v_reading reading = reading_of(planes, pixels, sets, convention, saturation, 1, std::nullopt, model_.get(),
                                         embedder_.get(), catalogue);
        image_decoder_.serve(reading);
        reading.field_count = static_cast<std::int32_t>(paths.size());
        reading.fields = paths.data();
        const s2v_limits within = limits_of(limits);
        s2v_decoder *made = nullptr;
        check(s2v_decoder_create_within(&reading, &within, &made), "Decoder");
        decoder_.reset(made);
    }

    void add_schema(std::optional<std::uint32_t> id, const std::string &json) {
        const s2v_status status = id ? s2v_decoder_add_schema(decoder_.get(), *id, json.c_str())
                                     : s2v_decoder_set_bare_schema(decoder_.get(), json.c_str());
        if (status == S2V_BAD_INPUT) throw py::value_error(s2v_last_error());
        check(status, "Decoder.add_schema");
    }

    // One row a message; None: there is none.
    py::object decode(const std::vector<std::optional<py::bytes>> &messages) {
        std::vector<const void *> bytes;
        std::vector<std::int64_t> sizes;
        for (const std::optional<py::bytes> &message : messages) {
            bytes.push_back(message ? PyBytes_AS_STRING(message->ptr()) : nullptr);
            sizes.push_back(message ? PyBytes_GET_SIZE(message->ptr()) : 0);
        }
        auto batch = s2v::sized<s2v_batch>();
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = s2v_decode_messages(decoder_.get(), bytes.data(), sizes.data(),
                                         static_cast<std::int64_t>(bytes.size()), &batch);
        }
        check(status, "Decoder.decode");
        if (batch.stamps.n == 0) return py::none();
        auto pixels = s2v::sized<s2v_pixels>();
        check(s2v_decoder_take_pixels(decoder_.get(), &pixels), "Decoder.decode");
        return to_python(batch, as_array(pixels), 0, field_count_, sets_);
    }

    py::bytes schema_fields(std::int32_t schema) const {
        return ::schema_fields(s2v_decoder_schema_fields, decoder_.get(), schema, field_count_);
    }

    py::list schema_paths(std::int32_t schema) const {
        return ::schema_paths(s2v_decoder_schema_paths, decoder_.get(), schema);
    }

private:
    std::size_t field_count_;
    std::int32_t sets_;
    std::shared_ptr<Model> model_;
    std::shared_ptr<Model> embedder_;
    ImageDecoder image_decoder_;
    std::unique_ptr<s2v_decoder, Free> decoder_;
};

}  // namespace

void register_decoder(py::module_ &module) {
    module.def(
        "catalogue_from",
        [](std::int32_t survey, const py::array_t<double, py::array::c_style> &fields,
           const py::array_t<std::uint8_t, py::array::c_style> &present) {
            const char *const *paths = nullptr;
            std::int32_t count = 0;
            check(s2v_catalogue_columns(survey, &paths, &count), "catalogue_from");
            if (fields.ndim() != 2 || fields.shape(1) != count || present.size() != count)
                throw std::invalid_argument("catalogue_from: fields or present have another number of columns");
            py::array_t<float> columns({fields.shape(0), py::ssize_t{S2V_CATALOGUE_COLUMNS}});
            check(s2v_catalogue_from(survey, fields.shape(0), fields.data(), present.data(), columns.mutable_data()),
                  "catalogue_from");
            return columns;
        },
        py::arg("survey"), py::arg("fields"), py::arg("present"));
    py::class_<Decoder>(module, "Decoder")
        .def(py::init<std::vector<std::string>, std::uint32_t, bool, std::int32_t, std::int32_t, float, bool,
                      py::object, std::shared_ptr<Model>, Limits, std::shared_ptr<Model>>(),
             py::arg("fields"), py::arg("planes"), py::arg("pixels"), py::arg("sets"), py::arg("convention"),
             py::arg("saturation"), py::arg("catalogue"), py::arg("decode_image"), py::arg("model"), py::arg("limits"),
             py::arg("embedder") = std::shared_ptr<Model>())
        .def("add_schema", &Decoder::add_schema, py::arg("id"), py::arg("json"))
        .def("decode", &Decoder::decode, py::arg("messages"))
        .def("schema_fields", &Decoder::schema_fields, py::arg("schema"))
        .def("schema_paths", &Decoder::schema_paths, py::arg("schema"));
}
