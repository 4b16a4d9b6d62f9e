// space2vec._cuda.Model: the bytes of a model file in, rows on a device scored.
#include "register.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace py = pybind11;

namespace {

class Model {
public:
    Model(int device, const py::bytes &file) {
        const auto view = static_cast<std::string_view>(file);
        const py::gil_scoped_release release;
        s2v_model *read = nullptr;
        const s2v_status status = s2v_model_from_memory(view.data(), static_cast<std::int64_t>(view.size()), &read);
        if (status != S2V_OK) throw s2v::Failure(status, std::string("Model: ") + s2v_last_error());
        const std::unique_ptr<s2v_model, decltype(&s2v_model_free)> here(read, &s2v_model_free);
        s2v_cuda_model *made = nullptr;
        ::check(s2v_cuda_model_create(device, read, &made));
        model_.reset(made);
    }

    [[nodiscard]] std::int64_t scratch(std::int64_t rows) const {
        return s2v_cuda_model_scratch(model_.get(), rows);
    }

    void score(Address stream, const s2v_stamps &stamps, Address raised, Address catalogue, Address scratch,
               std::int64_t rows, Address score, Address flags) const {
        const s2v_catalogue known = known_at(raised, catalogue);
        ::check(s2v_cuda_model_score(model_.get(), at<void>(stream), &stamps, &known, at<void>(scratch), rows,
                                     at<float>(score), at<std::uint32_t>(flags)));
    }

    void embed(Address stream, const s2v_stamps &stamps, Address raised, Address catalogue, Address scratch,
               std::int64_t rows, Address vectors, Address flags) const {
        const s2v_catalogue known = known_at(raised, catalogue);
        ::check(s2v_cuda_model_embed(model_.get(), at<void>(stream), &stamps, &known, at<void>(scratch), rows,
                                     at<std::int8_t>(vectors), at<std::uint32_t>(flags)));
    }

    void inputs(Address stream, const s2v_stamps &stamps, Address raised, Address catalogue, Address scratch,
                std::int64_t rows, Address planes, Address columns, Address flags, Address scored) const {
        const s2v_catalogue known = known_at(raised, catalogue);
        ::check(s2v_cuda_model_inputs(model_.get(), at<void>(stream), &stamps, &known, at<void>(scratch), rows,
                                      at<float>(planes), at<float>(columns), at<std::uint32_t>(flags),
                                      at<std::uint8_t>(scored)));
    }

    void score_columns(Address stream, Address columns, Address raised, std::int64_t n, Address score,
                       Address flags) const {
        ::check(s2v_cuda_model_score_columns(model_.get(), at<void>(stream), at<const float>(columns),
                                             at<const std::uint32_t>(raised), n, at<float>(score),
                                             at<std::uint32_t>(flags)));
    }

    void check_columns(Address stream, Address columns, Address raised, std::int64_t n, Address score,
                       Address flags) const {
        ::check(s2v_cuda_model_check_columns(model_.get(), at<void>(stream), at<const float>(columns),
                                             at<const std::uint32_t>(raised), n, at<float>(score),
                                             at<std::uint32_t>(flags)));
    }

    void predict(Address stream, Address planes, Address columns, std::int64_t n, Address score) const {
        ::check(s2v_cuda_model_predict(model_.get(), at<void>(stream), at<const float>(planes),
                                       at<const float>(columns), n, at<float>(score)));
    }

    void predict_vectors(Address stream, Address planes, Address columns, std::int64_t n, Address vectors) const {
        ::check(s2v_cuda_model_predict_vectors(model_.get(), at<void>(stream), at<const float>(planes),
                                               at<const float>(columns), n, at<std::int8_t>(vectors)));
    }

private:
    struct Free {
        void operator()(s2v_cuda_model *model) const noexcept {
            s2v_cuda_model_free(model);
        }
    };
    static s2v_catalogue known_at(Address raised, Address catalogue) {
        return {sizeof(s2v_catalogue), at<const float>(catalogue), at<const std::uint32_t>(raised)};
    }

    std::unique_ptr<s2v_cuda_model, Free> model_;
};

}  // namespace

void register_model(py::module_ &module) {
    using Released = py::call_guard<py::gil_scoped_release>;
    py::class_<Model>(module, "Model", py::module_local())
        .def(py::init<int, const py::bytes &>(), py::arg("device"), py::arg("file"))
        .def("scratch", &Model::scratch, py::arg("rows"))
        .def("score", &Model::score, Released(), py::arg("stream"), py::arg("stamps"), py::arg("raised"),
             py::arg("catalogue"), py::arg("scratch"), py::arg("rows"), py::arg("score"), py::arg("flags"))
        .def("inputs", &Model::inputs, Released(), py::arg("stream"), py::arg("stamps"), py::arg("raised"),
             py::arg("catalogue"), py::arg("scratch"), py::arg("rows"), py::arg("planes"), py::arg("columns"),
             py::arg("flags"), py::arg("scored"))
        .def("score_columns", &Model::score_columns, Released(), py::arg("stream"), py::arg("columns"),
             py::arg("raised"), py::arg("n"), py::arg("score"), py::arg("flags"))
        .def("check_columns", &Model::check_columns, Released(), py::arg("stream"), py::arg("columns"),
             py::arg("raised"), py::arg("n"), py::arg("score"), py::arg("flags"))
        .def("predict", &Model::predict, Released(), py::arg("stream"), py::arg("planes"), py::arg("columns"),
             py::arg("n"), py::arg("score"))
        .def("embed", &Model::embed, Released(), py::arg("stream"), py::arg("stamps"), py::arg("raised"),
             py::arg("catalogue"), py::arg("scratch"), py::arg("rows"), py::arg("vectors"), py::arg("flags"))
        .def("predict_vectors", &Model::predict_vectors, Released(), py::arg("stream"), py::arg("planes"),
             py::arg("columns"), py::arg("n"), py::arg("vectors"));
}
