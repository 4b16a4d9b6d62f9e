// The rows of a reader as objects of Python.
#pragma once

#include "arrays.hpp"

#include <pybind11/pybind11.h>

// Text of others, which may be no UTF-8.
pybind11::str decode_text(const char *text, std::size_t size);

// A batch of at least one row as a dict of arrays and lists. columns, fields, sets: as the reader was asked.
pybind11::dict to_python(const s2v_batch &batch, pybind11::array_t<float> pixels, std::size_t columns,
                         std::size_t fields, std::int32_t sets);
