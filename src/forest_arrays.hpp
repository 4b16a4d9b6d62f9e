// A forest from NumPy arrays.
#pragma once

#include "arrays.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

struct FreeForest {
    void operator()(s2v_forest *forest) const noexcept {
        s2v_forest_free(forest);
    }
};

using ForestHandle = std::unique_ptr<s2v_forest, FreeForest>;

// The knots of a calibration, x and y.
using Knots = std::pair<Column<float>, Column<float>>;

inline ForestHandle make_forest(const Column<std::int64_t> &tree_start, const Column<std::int32_t> &left,
                                const Column<std::int32_t> &right, const Column<std::int32_t> &feature,
                                const Column<float> &threshold, const Column<std::uint8_t> &missing_left,
                                const Column<float> &value, std::int32_t features,
                                const std::optional<Column<float>> &fill, const std::optional<Knots> &calibration) {
    const pybind11::ssize_t nodes = left.size();
    if (tree_start.size() < 2 || tree_start.data()[tree_start.size() - 1] != nodes || right.size() != nodes ||
        feature.size() != nodes || threshold.size() != nodes || missing_left.size() != nodes || value.size() != nodes ||
        (fill && fill->size() != features))
        throw std::invalid_argument("Forest: the arrays differ in length");
    s2v_forest *made = nullptr;
    check(s2v_forest_create(static_cast<std::int32_t>(tree_start.size() - 1), tree_start.data(), left.data(),
                            right.data(), feature.data(), threshold.data(), missing_left.data(), value.data(), features,
                            fill ? fill->data() : nullptr, &made),
          "Forest");
    ForestHandle forest(made);
    if (calibration) {
        const auto &[x, y] = *calibration;
        if (x.size() != y.size()) throw std::invalid_argument("Forest: the knots of the calibration differ in length");
        check(s2v_forest_calibrate(made, static_cast<std::int32_t>(x.size()), x.data(), y.data()),
              "the calibration of a forest");
    }
    return forest;
}
