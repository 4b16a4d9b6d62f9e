// space2vec._cuda.Planes and normalise.
#include "register.hpp"
#include "steps.hpp"

#include <pybind11/stl.h>

namespace py = pybind11;

namespace {

s2v_planes planes_at(Address pixels, Address mask, std::int64_t n, std::int32_t height, std::int32_t width,
                     std::int64_t plane_stride, std::int64_t row_stride) {
    return {sizeof(s2v_planes), at<const float>(pixels), at<const std::uint8_t>(mask), n, height, width, plane_stride,
            row_stride};
}

void normalise(int device, Address stream, const s2v_planes &planes, const Steps &chain, float fill, Address out,
               Address flags) {
    const std::vector<s2v_step> steps = steps_of(chain);
    check(s2v_cuda_normalise(device, at<void>(stream), &planes, steps.data(), static_cast<std::int32_t>(steps.size()),
                             fill, at<float>(out), at<std::uint32_t>(flags)));
}

}  // namespace

void register_planes(py::module_ &module) {
    py::class_<s2v_planes>(module, "Planes", py::module_local())
        .def(py::init(&planes_at), py::arg("pixels"), py::arg("mask"), py::arg("n"), py::arg("height"),
             py::arg("width"), py::arg("plane_stride"), py::arg("row_stride"))
        .def_property_readonly("pixels", [](const s2v_planes &planes) { return address_of(planes.pixels); })
        .def_property_readonly("mask", [](const s2v_planes &planes) { return address_of(planes.mask); })
        .def_readonly("n", &s2v_planes::n)
        .def_readonly("height", &s2v_planes::height)
        .def_readonly("width", &s2v_planes::width)
        .def_readonly("plane_stride", &s2v_planes::plane_stride)
        .def_readonly("row_stride", &s2v_planes::row_stride);
    module.def("normalise", &normalise, py::call_guard<py::gil_scoped_release>(), py::arg("device"), py::arg("stream"),
               py::arg("planes"), py::arg("steps"), py::arg("fill"), py::arg("out"), py::arg("flags"));
}
