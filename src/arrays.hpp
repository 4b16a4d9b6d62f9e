// What the extension modules share: arrays, and statuses of the C ABI.
#pragma once

#include "space2vec/space2vec.h"

#include <pybind11/numpy.h>

#include <new>
#include <stdexcept>
#include <string>

template <typename T>
using Column = pybind11::array_t<T, pybind11::array::c_style>;

// Raises what a status stands for, with the reason that the library gave this thread.
inline void check(s2v_status status, const std::string &what) {
    if (status == S2V_OUT_OF_MEMORY) throw std::bad_alloc();
    if (status == S2V_SYSTEM_ERROR) throw std::runtime_error(what + ": " + s2v_last_error());
    if (status != S2V_OK) throw std::invalid_argument(what + ": " + s2v_last_error());
}
