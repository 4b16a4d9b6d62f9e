// The calibration of a model as a host owns it.
#pragma once

#include "kernel/calibration.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace s2v {

struct Calibration {
    std::vector<float> x, y;  // (knots) or empty: none

    [[nodiscard]] kernel::CalibrationView view() const noexcept {
        return {x.data(), y.data(), static_cast<std::int32_t>(x.size())};
    }
};

// Throws Failure (S2V_INVALID_ARGUMENT) where these are no table: another number of knots than 2 to
// kernel::kMostKnots, or of y than of x, values outside 0 to 1, x that does not rise, y that falls.
void check_calibration(std::span<const float> x, std::span<const float> y);

}  // namespace s2v
