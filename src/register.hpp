// What the topics of the extension module share.
#pragma once

#include "space2vec/space2vec.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <new>
#include <stdexcept>
#include <string>

template <typename T>
using Column = pybind11::array_t<T, pybind11::array::c_style>;

// Raises what a status stands for.
inline void check(s2v_status status, const std::string &what) {
    if (status == S2V_OUT_OF_MEMORY) throw std::bad_alloc();
    if (status != S2V_OK) throw std::invalid_argument(what + ": " + s2v_status_message(status));
}

// The stamps of a batch, its arrays checked.
s2v_stamps stamps_view(const Column<float> &pixels, const Column<std::int64_t> &offset,
                       const Column<std::int32_t> &shape, const Column<std::int32_t> &centre, float saturation);

void register_fits(pybind11::module_ &module);
void register_forest(pybind11::module_ &module);
void register_normalise(pybind11::module_ &module);
void register_reader(pybind11::module_ &module);
void register_stamps(pybind11::module_ &module);
