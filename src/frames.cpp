// space2vec._core: whole frames and lists of detections.
#include "frames.hpp"

#include "model.hpp"
#include "register.hpp"

#include <cmath>
#include <limits>
#include <string>

namespace py = pybind11;

namespace {

std::int32_t dtype_of(const py::array &array) {
    const py::dtype type = array.dtype();
    const char order = type.byteorder();
    const std::int32_t bytes = order == '>' ? S2V_BIG_ENDIAN : order == '<' ? S2V_LITTLE_ENDIAN : 0;
    const auto size = type.itemsize();
    switch (type.kind()) {
        case 'f':
            return (size == 8 ? S2V_FLOAT64 : size == 4 ? S2V_FLOAT32 : 0) | bytes;
        case 'i':
            return (size == 1 ? S2V_UINT8 : size == 2 ? S2V_INT16 : size == 4 ? S2V_INT32 : 0) | bytes;
        case 'u':
            return (size == 1 ? S2V_UINT8 : size == 2 ? S2V_UINT16 : size == 4 ? S2V_INT32 : 0) | bytes;
        case 'b':
            return S2V_UINT8;
        default:
            return 0;
    }
}

// The numbers from one row to the next.
std::int64_t stride_of(const py::array &array, const py::array &like, const char *what) {
    if (array.ndim() != 2 || array.shape(0) != like.shape(0) || array.shape(1) != like.shape(1))
        throw std::invalid_argument(std::string(what) + " must have the shape of pixels, (height, width)");
    const py::ssize_t size = array.itemsize();
    if ((array.shape(1) > 1 && array.strides(1) != size) || array.strides(0) % size != 0)
        throw std::invalid_argument(std::string(what) + " must have rows without gaps between pixels");
    return array.shape(0) > 1 ? array.strides(0) / size : 0;
}

py::array array_of(const py::object &frame, const char *name) {
    const py::object array = frame.attr(name);
    if (!py::isinstance<py::array>(array)) throw py::type_error(std::string(name) + " must be a NumPy array");
    return py::reinterpret_borrow<py::array>(array);
}

}  // namespace

FrameArrays::FrameArrays(const py::object &frame) {
    if (frame.is_none()) return;
    there_ = true;
    s2v_frame_init(&view_);
    pixels_ = array_of(frame, "pixels");
    if (pixels_.ndim() != 2 || pixels_.shape(0) > 1 << 24 || pixels_.shape(1) > 1 << 24)
        throw std::invalid_argument("pixels must have shape (height, width), each at most 2^24");
    view_.pixels = pixels_.data();
    view_.dtype = dtype_of(pixels_);
    view_.height = static_cast<std::int32_t>(pixels_.shape(0));
    view_.width = static_cast<std::int32_t>(pixels_.shape(1));
    view_.row_stride = stride_of(pixels_, pixels_, "pixels");
    if (!frame.attr("mask").is_none()) {
        mask_ = array_of(frame, "mask");
        view_.mask = mask_.data();
        view_.mask_dtype = dtype_of(mask_);
        view_.mask_stride = stride_of(mask_, pixels_, "mask");
        view_.bad_bits = frame.attr("bad_bits").cast<std::uint32_t>();
        view_.saturated_bits = frame.attr("saturated_bits").cast<std::uint32_t>();
    }
    if (!frame.attr("variance").is_none()) {
        variance_ = array_of(frame, "variance");
        view_.variance = variance_.data();
        view_.variance_dtype = dtype_of(variance_);
        view_.variance_stride = stride_of(variance_, pixels_, "variance");
    }
    const py::object level = frame.attr("saturation");
    if (!level.is_none()) view_.saturation = level.cast<float>();
    view_.x0 = frame.attr("x0").cast<double>();
    view_.y0 = frame.attr("y0").cast<double>();
}

FieldArrays::FieldArrays(const py::object &science, const py::object &reference, const py::object &difference,
                         const Column<double> &x, const Column<double> &y)
    : science_(science), reference_(reference), difference_(difference), x_(x), y_(y) {
    if (x.ndim() != 1 || y.ndim() != 1 || x.size() != y.size())
        throw std::invalid_argument("x and y must have shape (n,)");
}

namespace {

void measure_frames(const FieldArrays &field, int sets, bool paper, Column<float> &values, Column<std::uint32_t> &flags,
                    int threads) {
    if (values.size() != field.n() * s2v_stamp_feature_count(sets) || flags.size() != field.n())
        throw std::invalid_argument("values must have shape (n, features) and flags (n,)");
    float *const out = values.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status =
            s2v_measure_frames(field.science(), field.reference(), field.difference(), field.n(), field.x(), field.y(),
                               sets, paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE, out, bits, threads);
    }
    check(status, "features");
}

void cut(const py::object &frame, const Column<double> &x, const Column<double> &y, int side, Column<float> &out,
         Column<std::uint32_t> &flags) {
    const FrameArrays arrays(frame);
    if (x.ndim() != 1 || y.size() != x.size() || flags.size() != x.size() || side < 1 ||
        out.size() != x.size() * side * side)
        throw std::invalid_argument("x, y and flags must have shape (n,), out (n, side, side)");
    float *const pixels = out.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_cut(arrays.view(), x.size(), x.data(), y.data(), side, pixels, bits);
    }
    check(status, "cut");
}

}  // namespace

void register_frames(py::module_ &module) {
    py::class_<FieldArrays>(module, "Field")
        .def(py::init<const py::object &, const py::object &, const py::object &, const Column<double> &,
                      const Column<double> &>(),
             py::arg("science"), py::arg("template"), py::arg("difference"), py::arg("x").noconvert(),
             py::arg("y").noconvert());
    module.def("measure_frames", &measure_frames, py::arg("field"), py::arg("sets"), py::arg("paper"),
               py::arg("values").noconvert(), py::arg("flags").noconvert(), py::arg("threads"));
    module.def("cut", &cut, py::arg("frame"), py::arg("x").noconvert(), py::arg("y").noconvert(), py::arg("side"),
               py::arg("out").noconvert(), py::arg("flags").noconvert());
}
