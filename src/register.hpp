// What the topics of space2vec._core share.
#pragma once

#include "arrays.hpp"

#include <pybind11/pybind11.h>

// The stamps of a batch, its arrays checked.
s2v_stamps stamps_view(const Column<float> &pixels, const Column<std::int64_t> &offset,
                       const Column<std::int32_t> &shape, const Column<std::int32_t> &centre, float saturation);

void register_fits(pybind11::module_ &module);
void register_forest(pybind11::module_ &module);
void register_model(pybind11::module_ &module);
void register_normalise(pybind11::module_ &module);
void register_reader(pybind11::module_ &module);
void register_stamps(pybind11::module_ &module);
