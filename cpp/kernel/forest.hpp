// A forest of decision trees, packed for traversal: nodes of eight bytes, depth first, a left child next to its parent.
#pragma once

#include "macros.hpp"

#include <cstddef>
#include <cstdint>

namespace s2v::kernel {

// value: the threshold of a split, P(real) of a leaf.
// bits, from the lowest: 20 offset of the right child from this node, 1 set at a split, 1 NaN goes left, 10 feature.
// A leaf has no bit set: a step from it leads to itself, so that trees of unequal depth can be walked together.
struct Node {
    float value;
    std::uint32_t bits;
};
static_assert(sizeof(Node) == 8);

inline constexpr std::uint32_t kNodeOffsetBits = 20;
inline constexpr std::uint32_t kNodeSplit = 1U << kNodeOffsetBits;
inline constexpr std::uint32_t kNodeMissingLeft = kNodeSplit << 1;
inline constexpr std::uint32_t kNodeFeatureShift = kNodeOffsetBits + 2;
inline constexpr std::uint32_t kNodeOffsetLimit = kNodeSplit;  // an offset is below it
inline constexpr std::uint32_t kNodeFeatureLimit = 1U << (32 - kNodeFeatureShift);

// What a walk needs of a forest; it owns nothing.
struct ForestView {
    const Node *nodes;
    const std::int64_t *tree_start;  // (trees): first node of each tree
    std::int32_t trees;
    std::int32_t features;
};

namespace {

// How many nodes to move on from a node for a row, whose features are row[0], row[1] and so on; 0 at a leaf.
template <class Row>
S2V_HD std::uint32_t forest_step(const Node &node, const Row &row) {
    const float x = row[node.bits >> kNodeFeatureShift];
    const bool missing = x != x;  // NaN
    const bool left = (x <= node.value) | (missing & ((node.bits & kNodeMissingLeft) != 0));
    // Chosen without a branch: which way a row goes cannot be predicted.
    const std::uint32_t to_left = (node.bits >> kNodeOffsetBits) & 1U;
    const std::uint32_t to_right = node.bits & (kNodeOffsetLimit - 1);
    return to_right ^ ((to_right ^ to_left) & (0U - static_cast<std::uint32_t>(left)));
}

// P(real) of the leaf that a row reaches in one tree.
template <class Row>
S2V_HD float forest_leaf(const Node *root, const Row &row) {
    const Node *node = root;
    for (std::uint32_t step = forest_step(*node, row); step != 0; step = forest_step(*node, row)) node += step;
    return node->value;
}

// The mean over the trees: a double sum in the order of the trees, then one division, then one rounding.
S2V_HD inline float forest_mean(double sum, std::int32_t trees) {
    return static_cast<float>(sum / static_cast<double>(trees));
}

// P(real) of one row.
template <class Row>
S2V_HD float forest_row(const ForestView &forest, const Row &row) {
    double sum = 0.0;
    for (std::int32_t tree = 0; tree < forest.trees; ++tree)
        sum += static_cast<double>(forest_leaf(forest.nodes + forest.tree_start[tree], row));
    return forest_mean(sum, forest.trees);
}

// Walks of one tree by several rows, or of several trees by one row, hide each other's memory latency.
inline constexpr int kForestLanes = 8;

inline void forest_walk(const Node *(&node)[kForestLanes], const float *const (&row)[kForestLanes]) {
    std::uint32_t moved = 1;
    while (moved != 0) {
        moved = 0;
        for (int lane = 0; lane < kForestLanes; ++lane) {
            const std::uint32_t step = forest_step(*node[lane], row[lane]);
            node[lane] += step;
            moved |= step;
        }
    }
}

// P(real) of one row, several trees at a time; the same bits as forest_row.
inline float forest_row_interleaved(const ForestView &forest, const float *x) {
    double sum = 0.0;
    std::int32_t tree = 0;
    const float *row[kForestLanes];
    for (int lane = 0; lane < kForestLanes; ++lane) row[lane] = x;
    for (; tree + kForestLanes <= forest.trees; tree += kForestLanes) {
        const Node *node[kForestLanes];
        for (int lane = 0; lane < kForestLanes; ++lane) node[lane] = forest.nodes + forest.tree_start[tree + lane];
        forest_walk(node, row);
        for (int lane = 0; lane < kForestLanes; ++lane) sum += static_cast<double>(node[lane]->value);
    }
    for (; tree < forest.trees; ++tree)
        sum += static_cast<double>(forest_leaf(forest.nodes + forest.tree_start[tree], x));
    return forest_mean(sum, forest.trees);
}

// P(real) of n rows of x (n, features), tree by tree so that a tree is read once a block; sum: scratch (n).
inline void forest_block(const ForestView &forest, const float *x, std::int64_t n, double *sum, float *score) {
    const std::int64_t together = n - n % kForestLanes;
    for (std::int64_t i = 0; i < together; ++i) sum[i] = 0.0;
    for (std::int32_t tree = 0; tree < forest.trees && together > 0; ++tree) {
        const Node *root = forest.nodes + forest.tree_start[tree];
        for (std::int64_t i = 0; i < together; i += kForestLanes) {
            const Node *node[kForestLanes];
            const float *row[kForestLanes];
            for (int lane = 0; lane < kForestLanes; ++lane) {
                node[lane] = root;
                row[lane] = x + (i + lane) * forest.features;
            }
            forest_walk(node, row);
            for (int lane = 0; lane < kForestLanes; ++lane) sum[i + lane] += static_cast<double>(node[lane]->value);
        }
    }
    for (std::int64_t i = 0; i < together; ++i) score[i] = forest_mean(sum[i], forest.trees);
    for (std::int64_t i = together; i < n; ++i) score[i] = forest_row_interleaved(forest, x + i * forest.features);
}

}  // namespace
}  // namespace s2v::kernel
