// space2vec._core.Forest: arguments in, pointers out.
#include "forest_arrays.hpp"
#include "register.hpp"

#include <pybind11/stl.h>

#include <cstdint>
#include <optional>

namespace py = pybind11;

namespace {

class Forest {
public:
    Forest(const Column<std::int64_t> &tree_start, const Column<std::int32_t> &left, const Column<std::int32_t> &right,
           const Column<std::int32_t> &feature, const Column<float> &threshold,
           const Column<std::uint8_t> &missing_left, const Column<float> &value, std::int32_t features,
           const std::optional<Column<float>> &fill, const std::optional<Knots> &calibration)
        : forest_(make_forest(tree_start, left, right, feature, threshold, missing_left, value, features, fill,
                              calibration)) {}

    void predict(const Column<float> &x, Column<float> &out, int threads) const {
        if (x.ndim() != 2 || x.shape(1) != s2v_forest_feature_count(forest_.get()) || out.ndim() != 1 ||
            out.shape(0) != x.shape(0))
            throw std::invalid_argument("Forest.predict: x must have shape (n, features) and out (n,)");
        const float *rows = x.data();
        float *score = out.mutable_data();
        const auto n = static_cast<std::int64_t>(x.shape(0));
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = s2v_forest_predict(forest_.get(), rows, n, score, threads);
        }
        check(status, "Forest.predict");
    }

private:
    ForestHandle forest_;
};

void calibrate(const Column<float> &x, const Column<float> &y, Column<float> &score) {
    if (x.ndim() != 1 || y.ndim() != 1 || x.size() != y.size() || x.size() > 1024)
        throw std::invalid_argument("calibrate: x and y must have one value for each of 2 to 1024 knots");
    check(s2v_calibrate(static_cast<std::int32_t>(x.size()), x.data(), y.data(), score.mutable_data(), score.size()),
          "calibrate");
}

}  // namespace

void register_forest(py::module_ &m) {
    py::class_<Forest>(m, "Forest")
        .def(py::init<const Column<std::int64_t> &, const Column<std::int32_t> &, const Column<std::int32_t> &,
                      const Column<std::int32_t> &, const Column<float> &, const Column<std::uint8_t> &,
                      const Column<float> &, std::int32_t, const std::optional<Column<float>> &,
                      const std::optional<Knots> &>(),
             py::arg("tree_start").noconvert(), py::arg("left").noconvert(), py::arg("right").noconvert(),
             py::arg("feature").noconvert(), py::arg("threshold").noconvert(), py::arg("missing_left").noconvert(),
             py::arg("value").noconvert(), py::arg("n_features"), py::arg("fill").noconvert().none(true),
             py::arg("calibration").none(true) = py::none())
        .def("predict", &Forest::predict, py::arg("x").noconvert(), py::arg("out").noconvert(), py::arg("threads"));
    m.def("calibrate", &calibrate, py::arg("x").noconvert(), py::arg("y").noconvert(), py::arg("score").noconvert());
}
