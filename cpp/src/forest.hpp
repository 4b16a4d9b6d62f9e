// The forest that a host owns: packed nodes, what replaces NaN, names, calibration.
#pragma once

#include "calibration.hpp"
#include "kernel/forest.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

struct s2v_forest {
    std::vector<s2v::kernel::Node> nodes;
    std::vector<std::int64_t> tree_start;  // (trees)
    std::int32_t features = 0;
    std::vector<float> fill;         // (features) or empty
    std::vector<std::string> names;  // (features) or empty
    s2v::Calibration calibration;

    [[nodiscard]] s2v::kernel::ForestView view() const noexcept {
        return {nodes.data(), tree_start.data(), static_cast<std::int32_t>(tree_start.size()), features};
    }
};

namespace s2v {

// scikit-learn's arrays, all trees one after another; as in s2v_forest_create.
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
s2v_forest pack_forest(const ForestArrays &arrays);

// The scores of n rows of x (n, features): P(real) by the trees, and by the calibration where there is one.
void predict(const s2v_forest &forest, const float *x, std::int64_t n, float *score, int threads);

}  // namespace s2v
