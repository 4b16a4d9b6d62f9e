// space2vec._core.Model and Scorer: arguments in, pointers out.
#include "register.hpp"

#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace py = pybind11;

namespace {

// Raises what a status stands for, with the reason.
void check_model(s2v_status status, const std::string &what) {
    if (status == S2V_OK || status == S2V_OUT_OF_MEMORY) return check(status, what);
    throw std::invalid_argument(what + ": " + s2v_last_error());
}

class Model {
public:
    explicit Model(const py::bytes &bytes) {
        const auto view = static_cast<std::string_view>(bytes);
        s2v_model *made = nullptr;
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = s2v_model_from_memory(view.data(), static_cast<std::int64_t>(view.size()), &made);
        }
        check_model(status, "Model");
        model_.reset(made);
        needs_.size = sizeof needs_;
        check(s2v_model_needs(made, &needs_), "Model");
    }

    [[nodiscard]] const s2v_model *c() const noexcept {
        return model_.get();
    }
    [[nodiscard]] bool runs() const noexcept {
        return needs_.runs != 0;
    }
    [[nodiscard]] std::string header() const {
        return s2v_model_header(model_.get());
    }

    void predict(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                 Column<float> &score, int threads) const {
        const py::ssize_t n = score.size();
        const py::ssize_t pixels = py::ssize_t{needs_.shape[0]} * needs_.shape[1] * needs_.shape[2];
        if ((planes ? planes->size() : 0) != n * pixels || (columns ? columns->size() : 0) != n * needs_.columns)
            throw std::invalid_argument("Model.predict: planes and columns must be what the model takes, (n, ...)");
        const float *const seen = planes ? planes->data() : nullptr;
        const float *const known = columns ? columns->data() : nullptr;
        float *const out = score.mutable_data();
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = s2v_model_predict(model_.get(), seen, known, n, out, threads);
        }
        check_model(status, "Model.predict");
    }

private:
    struct Free {
        void operator()(s2v_model *model) const noexcept {
            s2v_model_free(model);
        }
    };
    std::unique_ptr<s2v_model, Free> model_;
    s2v_needs needs_{};
};

class Scorer {
public:
    Scorer(const Model &model, int threads) {
        s2v_scorer_options options;
        s2v_scorer_options_init(&options);
        options.threads = threads;
        s2v_scorer *made = nullptr;
        check_model(s2v_scorer_create(model.c(), &options, &made), "Scorer");
        scorer_.reset(made);
    }

    void score(const Column<float> &pixels, const Column<std::int64_t> &offset, const Column<std::int32_t> &shape,
               const Column<std::int32_t> &centre, float saturation, const std::optional<Column<float>> &catalogue,
               const std::optional<Column<std::uint32_t>> &raised, Column<float> &score, Column<std::uint32_t> &flags) {
        const s2v_stamps stamps = stamps_view(pixels, offset, shape, centre, saturation);
        if ((catalogue && catalogue->size() != stamps.n * S2V_CATALOGUE_COLUMNS) ||
            (raised && raised->size() != stamps.n) || score.size() != stamps.n || flags.size() != stamps.n)
            throw std::invalid_argument("Scorer.score: catalogue must be (n, 20); raised, score and flags (n,)");
        const s2v_catalogue known = {sizeof known, catalogue ? catalogue->data() : nullptr,
                                     raised ? raised->data() : nullptr};
        float *const out = score.mutable_data();
        std::uint32_t *const bits = flags.mutable_data();
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = s2v_score_stamps(scorer_.get(), &stamps, &known, out, bits);
        }
        check_model(status, "Scorer.score");
    }

private:
    struct Free {
        void operator()(s2v_scorer *scorer) const noexcept {
            s2v_scorer_free(scorer);
        }
    };
    std::unique_ptr<s2v_scorer, Free> scorer_;
};

}  // namespace

void register_model(py::module_ &module) {
    py::class_<Model>(module, "Model")
        .def(py::init<const py::bytes &>(), py::arg("bytes"))
        .def_property_readonly("header", &Model::header)
        .def_property_readonly("runs", &Model::runs)
        .def("predict", &Model::predict, py::arg("planes").noconvert().none(true),
             py::arg("columns").noconvert().none(true), py::arg("score").noconvert(), py::arg("threads"));
    py::class_<Scorer>(module, "Scorer")
        .def(py::init<const Model &, int>(), py::arg("model"), py::arg("threads"), py::keep_alive<1, 2>())
        .def("score", &Scorer::score, py::arg("pixels").noconvert(), py::arg("offset").noconvert(),
             py::arg("shape").noconvert(), py::arg("centre").noconvert(), py::arg("saturation"),
             py::arg("catalogue").noconvert().none(true), py::arg("raised").noconvert().none(true),
             py::arg("score").noconvert(), py::arg("flags").noconvert());
}
