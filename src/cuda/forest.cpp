// space2vec._cuda.Forest: NumPy arrays in, rows on a device scored.
#include "forest_arrays.hpp"
#include "register.hpp"

#include <pybind11/stl.h>

#include <memory>
#include <optional>

namespace py = pybind11;

namespace {

struct Free {
    void operator()(s2v_cuda_forest *forest) const noexcept {
        s2v_cuda_forest_free(forest);
    }
};

class Forest {
public:
    Forest(int device, const Column<std::int64_t> &tree_start, const Column<std::int32_t> &left,
           const Column<std::int32_t> &right, const Column<std::int32_t> &feature, const Column<float> &threshold,
           const Column<std::uint8_t> &missing_left, const Column<float> &value, std::int32_t features,
           const std::optional<Column<float>> &fill) {
        const ForestHandle forest =
            make_forest(tree_start, left, right, feature, threshold, missing_left, value, features, fill);
        s2v_cuda_forest *made = nullptr;
        const py::gil_scoped_release release;
        ::check(s2v_cuda_forest_create(device, forest.get(), &made));
        forest_.reset(made);
    }

    void predict(Address stream, Address x, std::int64_t n, Address score) const {
        ::check(s2v_cuda_forest_predict(forest_.get(), at<void>(stream), at<const float>(x), n, at<float>(score)));
    }

private:
    std::unique_ptr<s2v_cuda_forest, Free> forest_;
};

}  // namespace

void register_forest(py::module_ &module) {
    py::class_<Forest>(module, "Forest", py::module_local())
        .def(py::init<int, const Column<std::int64_t> &, const Column<std::int32_t> &, const Column<std::int32_t> &,
                      const Column<std::int32_t> &, const Column<float> &, const Column<std::uint8_t> &,
                      const Column<float> &, std::int32_t, const std::optional<Column<float>> &>(),
             py::arg("device"), py::arg("tree_start").noconvert(), py::arg("left").noconvert(),
             py::arg("right").noconvert(), py::arg("feature").noconvert(), py::arg("threshold").noconvert(),
             py::arg("missing_left").noconvert(), py::arg("value").noconvert(), py::arg("n_features"),
             py::arg("fill").noconvert().none(true))
        .def("predict", &Forest::predict, py::call_guard<py::gil_scoped_release>(), py::arg("stream"), py::arg("x"),
             py::arg("n"), py::arg("score"));
}
