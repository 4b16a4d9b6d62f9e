// space2vec._core.pack_pixels and widen_pixels: arguments in, pointers out.
#include "arrays.hpp"
#include "register.hpp"

namespace py = pybind11;

namespace {

s2v_packing packing_of(bool integers, float scale, float zero) {
    return {sizeof(s2v_packing), integers ? S2V_PACKED_INT16 : S2V_PACKED_FLOAT16, scale, zero};
}

// Whether every pixel is exact.
bool pack_pixels(const Column<float> &pixels, Column<std::uint16_t> &packed, bool integers, float scale, float zero,
                 bool only_exact, int threads) {
    if (packed.size() != pixels.size()) throw std::invalid_argument("packed must have as many elements as pixels");
    const s2v_packing how = packing_of(integers, scale, zero);
    const float *const from = pixels.data();
    std::uint16_t *const to = packed.mutable_data();
    const auto n = static_cast<std::int64_t>(pixels.size());
    std::int32_t exact = 0;
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_pack_pixels(&how, from, n, only_exact ? 1 : 0, to, &exact, threads);
    }
    check(status, "pack_pixels");
    return exact != 0;
}

void widen_pixels(const Column<std::uint16_t> &packed, Column<float> &pixels, bool integers, float scale, float zero,
                  int threads) {
    if (packed.size() != pixels.size()) throw std::invalid_argument("packed must have as many elements as pixels");
    const s2v_packing how = packing_of(integers, scale, zero);
    const std::uint16_t *const from = packed.data();
    float *const to = pixels.mutable_data();
    const auto n = static_cast<std::int64_t>(packed.size());
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_widen_pixels(&how, from, n, to, threads);
    }
    check(status, "widen_pixels");
}

}  // namespace

void register_packing(py::module_ &module) {
    module.def("pack_pixels", &pack_pixels, py::arg("pixels").noconvert(), py::arg("packed").noconvert(),
               py::arg("integers"), py::arg("scale"), py::arg("zero"), py::arg("only_exact"), py::arg("threads"));
    module.def("widen_pixels", &widen_pixels, py::arg("packed").noconvert(), py::arg("pixels").noconvert(),
               py::arg("integers"), py::arg("scale"), py::arg("zero"), py::arg("threads"));
}
