// What the topics of space2vec._core share.
#pragma once

#include <pybind11/pybind11.h>

void register_decoder(pybind11::module_ &module);
void register_fits(pybind11::module_ &module);
void register_frames(pybind11::module_ &module);
void register_model(pybind11::module_ &module);
void register_normalise(pybind11::module_ &module);
void register_packing(pybind11::module_ &module);
void register_reader(pybind11::module_ &module);
void register_stamps(pybind11::module_ &module);
