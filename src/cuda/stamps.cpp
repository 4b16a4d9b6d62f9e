// space2vec._cuda.Stamps, widen_pixels, features, prepare and compose.
#include "register.hpp"
#include "steps.hpp"

#include <pybind11/stl.h>

#include <string>

namespace py = pybind11;

namespace {

s2v_stamps stamps_at(Address pixels, std::int64_t pixel_count, Address offset, Address shape, Address centre,
                     std::int64_t n, float saturation) {
    return {sizeof(s2v_stamps),
            at<const float>(pixels),
            pixel_count,
            at<const std::int64_t>(offset),
            at<const std::int32_t>(shape),
            at<const std::int32_t>(centre),
            n,
            saturation};
}

void widen_pixels(int device, Address stream, Address packed, std::int64_t n, Address pixels, bool integers,
                  float scale, float zero) {
    const s2v_packing how = {sizeof(s2v_packing), integers ? S2V_PACKED_INT16 : S2V_PACKED_FLOAT16, scale, zero};
    check(s2v_cuda_widen_pixels(device, at<void>(stream), &how, at<const std::uint16_t>(packed), n, at<float>(pixels)));
}

void features(int device, Address stream, const s2v_stamps &stamps, int sets, bool paper, Address values,
              Address flags) {
    check(s2v_cuda_features(device, at<void>(stream), &stamps, sets, paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE,
                            at<float>(values), at<std::uint32_t>(flags)));
}

void prepare(int device, Address stream, const s2v_stamps &stamps, const std::string &recipe, Address planes,
             Address flags) {
    check(s2v_cuda_prepare(device, at<void>(stream), &stamps, recipe.c_str(), at<float>(planes),
                           at<std::uint32_t>(flags)));
}

void compose(int device, Address stream, const s2v_stamps &stamps, int side, const std::vector<std::int32_t> &channels,
             const std::vector<Steps> &chains, Address planes, Address flags) {
    std::vector<std::vector<s2v_step>> steps;
    std::vector<s2v_composition> views;
    for (const Steps &chain : chains) steps.push_back(steps_of(chain));
    for (const std::vector<s2v_step> &chain : steps) views.push_back(composition_of(side, channels, chain));
    check(s2v_cuda_compose(device, at<void>(stream), &stamps, views.data(), static_cast<std::int32_t>(views.size()),
                           at<float>(planes), at<std::uint32_t>(flags)));
}

}  // namespace

void register_stamps(py::module_ &module) {
    using Released = py::call_guard<py::gil_scoped_release>;
    py::class_<s2v_stamps>(module, "Stamps", py::module_local())
        .def(py::init(&stamps_at), py::arg("pixels"), py::arg("pixel_count"), py::arg("offset"), py::arg("shape"),
             py::arg("centre"), py::arg("n"), py::arg("saturation"))
        .def_property_readonly("pixels", [](const s2v_stamps &stamps) { return address_of(stamps.pixels); })
        .def_readonly("pixel_count", &s2v_stamps::pixel_count)
        .def_property_readonly("offset", [](const s2v_stamps &stamps) { return address_of(stamps.offset); })
        .def_property_readonly("shape", [](const s2v_stamps &stamps) { return address_of(stamps.shape); })
        .def_property_readonly("centre", [](const s2v_stamps &stamps) { return address_of(stamps.centre); })
        .def_readonly("n", &s2v_stamps::n)
        .def_readonly("saturation", &s2v_stamps::saturation);
    module.def("widen_pixels", &widen_pixels, Released(), py::arg("device"), py::arg("stream"), py::arg("packed"),
               py::arg("n"), py::arg("pixels"), py::arg("integers"), py::arg("scale"), py::arg("zero"));
    module.def("features", &features, Released(), py::arg("device"), py::arg("stream"), py::arg("stamps"),
               py::arg("sets"), py::arg("paper"), py::arg("values"), py::arg("flags"));
    module.def("prepare", &prepare, Released(), py::arg("device"), py::arg("stream"), py::arg("stamps"),
               py::arg("recipe"), py::arg("planes"), py::arg("flags"));
    module.def("compose", &compose, Released(), py::arg("device"), py::arg("stream"), py::arg("stamps"),
               py::arg("side"), py::arg("channels"), py::arg("chains"), py::arg("planes"), py::arg("flags"));
}
