// space2vec._core.features and prepare.
#include "register.hpp"

namespace py = pybind11;

s2v_stamps stamps_view(const Column<float> &pixels, const Column<std::int64_t> &offset,
                       const Column<std::int32_t> &shape, const Column<std::int32_t> &centre, float saturation) {
    const py::ssize_t n = offset.ndim() == 2 ? offset.shape(0) : -1;
    if (n < 0 || offset.size() != n * S2V_CHANNELS || shape.size() != 2 * offset.size() || centre.size() != 2 * n)
        throw std::invalid_argument("offset must have shape (n, 3), shape (n, 3, 2) and centre (n, 2)");
    return {pixels.data(), pixels.size(), offset.data(), shape.data(), centre.data(), n, saturation};
}

namespace {

void features(const Column<float> &pixels, const Column<std::int64_t> &offset, const Column<std::int32_t> &shape,
              const Column<std::int32_t> &centre, float saturation, int sets, bool paper, Column<float> &values,
              Column<std::uint32_t> &flags, int threads) {
    const s2v_stamps stamps = stamps_view(pixels, offset, shape, centre, saturation);
    if (values.size() != stamps.n * s2v_stamp_feature_count(sets) || flags.size() != stamps.n)
        throw std::invalid_argument("values must have shape (n, features) and flags (n,)");
    float *const out = values.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_features(&stamps, sets, paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE, out, bits, threads);
    }
    check(status, "features");
}

void prepare(const Column<float> &pixels, const Column<std::int64_t> &offset, const Column<std::int32_t> &shape,
             const Column<std::int32_t> &centre, float saturation, const std::string &recipe, Column<float> &planes,
             Column<std::uint32_t> &flags, int threads) {
    const s2v_stamps stamps = stamps_view(pixels, offset, shape, centre, saturation);
    std::int32_t size[3];
    check(s2v_recipe_shape(recipe.c_str(), size), "prepare");
    if (planes.size() != stamps.n * size[0] * size[1] * size[2] || flags.size() != stamps.n)
        throw std::invalid_argument("planes must have the recipe's shape and flags (n,)");
    float *const out = planes.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_prepare(&stamps, recipe.c_str(), out, bits, threads);
    }
    check(status, "prepare");
}

}  // namespace

void register_stamps(py::module_ &module) {
    module.def("isa", []() -> py::object {
        const char *const name = s2v_isa();
        return name ? py::object(py::str(name)) : py::object(py::none());
    });
    module.def("registry", &s2v_registry);
    module.def("stamp_feature_name", &s2v_stamp_feature_name, py::arg("sets"), py::arg("index"));
    module.def("features", &features, py::arg("pixels").noconvert(), py::arg("offset").noconvert(),
               py::arg("shape").noconvert(), py::arg("centre").noconvert(), py::arg("saturation"), py::arg("sets"),
               py::arg("paper"), py::arg("values").noconvert(), py::arg("flags").noconvert(), py::arg("threads"));
    module.def("prepare", &prepare, py::arg("pixels").noconvert(), py::arg("offset").noconvert(),
               py::arg("shape").noconvert(), py::arg("centre").noconvert(), py::arg("saturation"), py::arg("recipe"),
               py::arg("planes").noconvert(), py::arg("flags").noconvert(), py::arg("threads"));
}
