// space2vec._core.fits_image: bytes in, pixels out.
#include "arrays.hpp"
#include "register.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace py = pybind11;

namespace {

py::tuple fits_image(const py::bytes &bytes, const std::string &unit) {
    const std::string_view file = bytes;
    s2v_image image{};
    image.size = sizeof image;
    const auto read = [&](float *pixels, std::int64_t capacity) {
        const py::gil_scoped_release release;
        return s2v_fits_image(file.data(), static_cast<std::int64_t>(file.size()), unit.c_str(), pixels, capacity,
                              &image);
    };
    // Most stamps fit; what does not is read again.
    float small[64 * 64];
    constexpr std::int64_t kSmall = std::size(small);
    s2v_status status = read(small, kSmall);
    if (status == S2V_BAD_INPUT) return py::make_tuple(py::none(), s2v_fault_name(image.fault), image.fault_offset);
    const std::int64_t count = std::int64_t{image.height} * image.width;
    const bool again = status == S2V_INVALID_ARGUMENT && count > kSmall;
    if (!again) check(status, "FITS image");
    py::array_t<float> pixels({image.height, image.width});
    float *const out = pixels.mutable_data();
    if (again)
        check(read(out, count), "FITS image");
    else
        std::copy_n(small, count, out);
    return py::make_tuple(pixels, image.crpix[0], image.crpix[1]);
}

}  // namespace

void register_fits(py::module_ &module) {
    module.def("fits_image", &fits_image, py::arg("bytes"), py::arg("unit"));
    module.def("fault_name", &s2v_fault_name, py::arg("fault"));
}
