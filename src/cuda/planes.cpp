// space2vec._cuda.normalise.
#include "register.hpp"
#include "steps.hpp"

#include <pybind11/stl.h>

namespace py = pybind11;

namespace {

// pixels, mask, n, height, width, plane_stride, row_stride
using PlanesOnDevice =
    std::tuple<Address, Address, std::int64_t, std::int32_t, std::int32_t, std::int64_t, std::int64_t>;

void normalise(int device, Address stream, const PlanesOnDevice &given, const Steps &chain, float fill, Address out,
               Address flags) {
    const auto &[pixels, mask, n, height, width, plane_stride, row_stride] = given;
    const s2v_planes planes = {
        at<const float>(pixels), at<const std::uint8_t>(mask), n, height, width, plane_stride, row_stride};
    const std::vector<s2v_step> steps = steps_of(chain);
    check(s2v_cuda_normalise(device, at<void>(stream), &planes, steps.data(), static_cast<std::int32_t>(steps.size()),
                             fill, at<float>(out), at<std::uint32_t>(flags)));
}

}  // namespace

void register_planes(py::module_ &module) {
    module.def("normalise", &normalise, py::call_guard<py::gil_scoped_release>(), py::arg("device"), py::arg("stream"),
               py::arg("planes"), py::arg("steps"), py::arg("fill"), py::arg("out"), py::arg("flags"));
}
