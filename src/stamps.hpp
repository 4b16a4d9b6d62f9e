// The stamps of a batch as Python has them.
#pragma once

#include "arrays.hpp"

#include <cstdint>

// The arrays of an object that has the attributes of space2vec.Stamps, checked and kept while their view is used.
class StampArrays {
public:
    // Raises TypeError where an array is of another type, ValueError where lengths differ.
    explicit StampArrays(const pybind11::object &stamps);

    [[nodiscard]] const s2v_stamps &view() const noexcept {
        return view_;
    }

private:
    Column<float> pixels_;
    Column<std::int64_t> offset_;
    Column<std::int32_t> shape_;
    Column<std::int32_t> centre_;
    s2v_stamps view_;
};

// The flags (n,) that the reader of stamps raised.
Column<std::uint32_t> raised_flags(const pybind11::object &stamps, std::int64_t n);
