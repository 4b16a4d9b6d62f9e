// The frames of a field as Python has them.
#pragma once

#include "arrays.hpp"

#include <cstdint>

// An object with the attributes of space2vec's Frame (pixels, mask, bad_bits, saturated_bits, variance, saturation, x0,
// y0), or None, checked and kept while its view is used.
class FrameArrays {
public:
    explicit FrameArrays(const pybind11::object &frame);

    // Null for None.
    [[nodiscard]] const s2v_frame *view() const noexcept {
        return there_ ? &view_ : nullptr;
    }

private:
    bool there_ = false;
    pybind11::array pixels_;
    pybind11::array mask_;
    pybind11::array variance_;
    s2v_frame view_{};
};

// Frames and detections in them.
class FieldArrays {
public:
    FieldArrays(const pybind11::object &science, const pybind11::object &reference, const pybind11::object &difference,
                const Column<double> &x, const Column<double> &y);

    [[nodiscard]] std::int64_t n() const noexcept {
        return x_.size();
    }
    [[nodiscard]] const s2v_frame *science() const noexcept {
        return science_.view();
    }
    [[nodiscard]] const s2v_frame *reference() const noexcept {
        return reference_.view();
    }
    [[nodiscard]] const s2v_frame *difference() const noexcept {
        return difference_.view();
    }
    [[nodiscard]] const double *x() const noexcept {
        return x_.data();
    }
    [[nodiscard]] const double *y() const noexcept {
        return y_.data();
    }

private:
    FrameArrays science_;
    FrameArrays reference_;
    FrameArrays difference_;
    Column<double> x_;
    Column<double> y_;
};
