// space2vec._cuda.features, prepare and compose.
#include "register.hpp"
#include "steps.hpp"

#include <pybind11/stl.h>

#include <string>

namespace py = pybind11;

namespace {

void features(int device, Address stream, const StampsOnDevice &given, int sets, bool paper, Address values,
              Address flags) {
    const s2v_stamps stamps = stamps_of(given);
    check(s2v_cuda_features(device, at<void>(stream), &stamps, sets, paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE,
                            at<float>(values), at<std::uint32_t>(flags)));
}

void prepare(int device, Address stream, const StampsOnDevice &given, const std::string &recipe, Address planes,
             Address flags) {
    const s2v_stamps stamps = stamps_of(given);
    check(s2v_cuda_prepare(device, at<void>(stream), &stamps, recipe.c_str(), at<float>(planes),
                           at<std::uint32_t>(flags)));
}

void compose(int device, Address stream, const StampsOnDevice &given, int side,
             const std::vector<std::int32_t> &channels, const Steps &chain, Address planes, Address flags) {
    const s2v_stamps stamps = stamps_of(given);
    const std::vector<s2v_step> steps = steps_of(chain);
    const s2v_composition how = composition_of(side, channels, steps);
    check(s2v_cuda_compose(device, at<void>(stream), &stamps, &how, at<float>(planes), at<std::uint32_t>(flags)));
}

}  // namespace

void register_stamps(py::module_ &module) {
    using Released = py::call_guard<py::gil_scoped_release>;
    module.def("features", &features, Released(), py::arg("device"), py::arg("stream"), py::arg("stamps"),
               py::arg("sets"), py::arg("paper"), py::arg("values"), py::arg("flags"));
    module.def("prepare", &prepare, Released(), py::arg("device"), py::arg("stream"), py::arg("stamps"),
               py::arg("recipe"), py::arg("planes"), py::arg("flags"));
    module.def("compose", &compose, Released(), py::arg("device"), py::arg("stream"), py::arg("stamps"),
               py::arg("side"), py::arg("channels"), py::arg("steps"), py::arg("planes"), py::arg("flags"));
}
