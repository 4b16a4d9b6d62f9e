// The forest that a host owns: packed nodes, and what replaces NaN.
#pragma once

#include "kernel/calibration.hpp"
#include "kernel/forest.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace s2v {

struct Forest {
    std::vector<kernel::Node> nodes;
    std::vector<std::int64_t> tree_start;  // (trees)
    std::int32_t features = 0;
    std::vector<float> fill;  // (features) or empty

    [[nodiscard]] kernel::ForestView view() const noexcept {
        return {nodes.data(), tree_start.data(), static_cast<std::int32_t>(tree_start.size()), features};
    }
};

// scikit-learn's arrays, all trees one after another: a child is a node of the same tree counted from the tree's first,
// -1 at a leaf; x <= threshold goes left; NaN goes left where missing_left is not 0.
struct ForestArrays {
    std::span<const std::int64_t> tree_start;  // (trees + 1)
    std::span<const std::int32_t> left, right, feature;
    std::span<const float> threshold;
    std::span<const std::uint8_t> missing_left;
    std::span<const float> value;
    std::int32_t features = 0;
    std::span<const float> fill;  // (features) or empty
};

// Check everything and pack. Throws Failure (S2V_INVALID_ARGUMENT) where a tree is not one, a child, feature,
// threshold or value is out of range, or a tree is larger than the nodes can address.
Forest pack_forest(const ForestArrays &arrays);

// The scores of n rows of x (n, features): P(real) by the trees, then by the table where it has knots.
void predict(const Forest &forest, const kernel::CalibrationView &table, const float *x, std::int64_t n, float *score,
             int threads);

}  // namespace s2v
