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

// values, columns, n, flags, raised, offset, refusing, beside, beside_columns, beside_needed
using TableOnDevice = std::tuple<Address, std::int32_t, std::int64_t, Address, Address, Address, std::uint32_t, Address,
                                 std::int32_t, bool>;

class Forest {
public:
    Forest(int device, const Column<std::int64_t> &tree_start, const Column<std::int32_t> &left,
           const Column<std::int32_t> &right, const Column<std::int32_t> &feature, const Column<float> &threshold,
           const Column<std::uint8_t> &missing_left, const Column<float> &value, std::int32_t features,
           const std::optional<Column<float>> &fill, const std::optional<Column<std::int32_t>> &columns,
           const std::optional<Knots> &calibration) {
        if (columns && columns->size() != features)
            throw std::invalid_argument("Forest: columns has another length than there are features");
        const ForestHandle forest =
            make_forest(tree_start, left, right, feature, threshold, missing_left, value, features, fill, calibration);
        s2v_cuda_forest *made = nullptr;
        const py::gil_scoped_release release;
        ::check(s2v_cuda_forest_create(device, forest.get(), columns ? columns->data() : nullptr, &made));
        forest_.reset(made);
    }

    void predict(Address stream, Address x, std::int64_t n, Address score) const {
        ::check(s2v_cuda_forest_predict(forest_.get(), at<void>(stream), at<const float>(x), n, at<float>(score)));
    }

    void score(Address stream, const TableOnDevice &given, Address score) const {
        const auto &[values, columns, n, flags, raised, offset, refusing, beside, beside_columns, needed] = given;
        const s2v_cuda_table table = {at<const float>(values),
                                      columns,
                                      n,
                                      at<std::uint32_t>(flags),
                                      at<const std::uint32_t>(raised),
                                      at<const std::int64_t>(offset),
                                      refusing,
                                      at<const float>(beside),
                                      beside_columns,
                                      needed};
        ::check(s2v_cuda_forest_score(forest_.get(), at<void>(stream), &table, at<float>(score)));
    }

private:
    std::unique_ptr<s2v_cuda_forest, Free> forest_;
};

}  // namespace

void register_forest(py::module_ &module) {
    py::class_<Forest>(module, "Forest", py::module_local())
        .def(py::init<int, const Column<std::int64_t> &, const Column<std::int32_t> &, const Column<std::int32_t> &,
                      const Column<std::int32_t> &, const Column<float> &, const Column<std::uint8_t> &,
                      const Column<float> &, std::int32_t, const std::optional<Column<float>> &,
                      const std::optional<Column<std::int32_t>> &, const std::optional<Knots> &>(),
             py::arg("device"), py::arg("tree_start").noconvert(), py::arg("left").noconvert(),
             py::arg("right").noconvert(), py::arg("feature").noconvert(), py::arg("threshold").noconvert(),
             py::arg("missing_left").noconvert(), py::arg("value").noconvert(), py::arg("n_features"),
             py::arg("fill").noconvert().none(true), py::arg("columns").noconvert().none(true),
             py::arg("calibration").none(true) = py::none())
        .def("predict", &Forest::predict, py::call_guard<py::gil_scoped_release>(), py::arg("stream"), py::arg("x"),
             py::arg("n"), py::arg("score"))
        .def("score", &Forest::score, py::call_guard<py::gil_scoped_release>(), py::arg("stream"), py::arg("table"),
             py::arg("score"));
}
