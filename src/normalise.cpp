// space2vec._core.normalise and compose: arguments in, pointers out.
#include "register.hpp"
#include "stamps.hpp"
#include "steps.hpp"

#include <pybind11/stl.h>

#include <optional>

namespace py = pybind11;

namespace {

void normalise(const Column<float> &pixels, const std::optional<Column<std::uint8_t>> &mask, const Steps &given,
               float fill, Column<float> &out, Column<std::uint32_t> &flags, int threads) {
    if (pixels.ndim() != 3 || out.size() != pixels.size() || flags.size() != pixels.shape(0) ||
        (mask && mask->size() != pixels.size()))
        throw std::invalid_argument("pixels must have shape (n, height, width), mask and out as many, flags (n,)");
    const std::vector<s2v_step> steps = steps_of(given);
    const s2v_planes planes = {sizeof(s2v_planes),
                               pixels.data(),
                               mask ? mask->data() : nullptr,
                               pixels.shape(0),
                               static_cast<std::int32_t>(pixels.shape(1)),
                               static_cast<std::int32_t>(pixels.shape(2)),
                               0,
                               0};
    float *const planes_out = out.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_normalise(&planes, steps.data(), static_cast<std::int32_t>(steps.size()), fill, planes_out, bits,
                               threads);
    }
    check(status, "normalise");
}

void compose(const py::object &given, int side, const std::vector<std::int32_t> &channels, const Steps &chain,
             Column<float> &planes, Column<std::uint32_t> &flags, int threads) {
    const StampArrays arrays(given);
    const s2v_stamps &stamps = arrays.view();
    const std::vector<s2v_step> steps = steps_of(chain);
    const s2v_composition how = composition_of(side, channels, steps);
    if (planes.size() != stamps.n * how.channel_count * side * side || flags.size() != stamps.n)
        throw std::invalid_argument("planes must have shape (n, channel, side, side) and flags (n,)");
    float *const out = planes.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_compose(&stamps, &how, out, bits, threads);
    }
    check(status, "compose");
}

}  // namespace

void register_normalise(py::module_ &module) {
    module.def("normalise", &normalise, py::arg("pixels").noconvert(), py::arg("mask").noconvert().none(true),
               py::arg("steps"), py::arg("fill"), py::arg("out").noconvert(), py::arg("flags").noconvert(),
               py::arg("threads"));
    module.def("compose", &compose, py::arg("stamps"), py::arg("side"), py::arg("channels"), py::arg("steps"),
               py::arg("planes").noconvert(), py::arg("flags").noconvert(), py::arg("threads"));
}
