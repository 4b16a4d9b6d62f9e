// space2vec._core.features and prepare.
#include "stamps.hpp"

#include "register.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace py = pybind11;

namespace {

template <typename T>
Column<T> attribute(const py::object &stamps, const char *name, const char *type) {
    const py::object array = stamps.attr(name);
    if (!py::isinstance<Column<T>>(array))
        throw py::type_error(std::string("stamps.") + name + " must be an array of " + type + " in C order");
    return py::reinterpret_borrow<Column<T>>(array);
}

float saturation_of(const py::object &stamps) {
    const py::object level = stamps.attr("saturation");
    return level.is_none() ? std::numeric_limits<float>::quiet_NaN() : level.cast<float>();
}

}  // namespace

StampArrays::StampArrays(const py::object &stamps)
    : pixels_(attribute<float>(stamps, "buffer", "float32")),
      offset_(attribute<std::int64_t>(stamps, "offset", "int64")),
      shape_(attribute<std::int32_t>(stamps, "shape", "int32")),
      centre_(attribute<std::int32_t>(stamps, "centre", "int32")) {
    const py::ssize_t n = offset_.ndim() == 2 ? offset_.shape(0) : -1;
    if (n < 0 || offset_.size() != n * S2V_CHANNELS || shape_.size() != 2 * offset_.size() || centre_.size() != 2 * n)
        throw std::invalid_argument("offset must have shape (n, 3), shape (n, 3, 2) and centre (n, 2)");
    view_ = {sizeof(s2v_stamps),   pixels_.data(), pixels_.size(), offset_.data(), shape_.data(), centre_.data(), n,
             saturation_of(stamps)};
}

Column<std::uint32_t> raised_flags(const py::object &stamps, std::int64_t n) {
    Column<std::uint32_t> flags = attribute<std::uint32_t>(stamps, "flags", "uint32");
    if (flags.size() != n) throw std::invalid_argument("stamps.flags must have shape (n,)");
    return flags;
}

namespace {

void features(const py::object &given, int sets, bool paper, Column<float> &values, Column<std::uint32_t> &flags,
              int threads) {
    const StampArrays arrays(given);
    const s2v_stamps &stamps = arrays.view();
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

void prepare(const py::object &given, const std::string &recipe, Column<float> &planes, Column<std::uint32_t> &flags,
             int threads) {
    const StampArrays arrays(given);
    const s2v_stamps &stamps = arrays.view();
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

// Flags of others need not lie in C order, as those of rows that were picked.
using FlagArray = py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>;
using OffsetArray = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

py::array_t<std::uint32_t> join_flags(const OffsetArray &offset, const FlagArray &raised, const FlagArray &flags) {
    const py::ssize_t n = flags.size();
    if (raised.size() != n || offset.size() != n * S2V_CHANNELS)
        throw std::invalid_argument("offset must have shape (n, 3), raised and flags (n,)");
    py::array_t<std::uint32_t> joined(n);
    std::uint32_t *const to = joined.mutable_data();
    std::copy_n(flags.data(), n, to);
    check(s2v_join_flags(offset.data(), raised.data(), n, to), "join_flags");
    return joined;
}

}  // namespace

void register_stamps(py::module_ &module) {
    module.def("isa", []() -> py::object {
        const char *const name = s2v_isa();
        return name ? py::object(py::str(name)) : py::object(py::none());
    });
    module.def("usable_cores", &s2v_usable_cores);
    module.def("registry", &s2v_registry);
    module.def("stamp_feature_name", &s2v_stamp_feature_name, py::arg("sets"), py::arg("index"));
    module.def("features", &features, py::arg("stamps"), py::arg("sets"), py::arg("paper"),
               py::arg("values").noconvert(), py::arg("flags").noconvert(), py::arg("threads"));
    module.def("join_flags", &join_flags, py::arg("offset"), py::arg("raised"), py::arg("flags"));
    module.def("prepare", &prepare, py::arg("stamps"), py::arg("recipe"), py::arg("planes").noconvert(),
               py::arg("flags").noconvert(), py::arg("threads"));
}
