#include "forest.hpp"

#include "error.hpp"
#include "threads.hpp"

#include <algorithm>
#include <cmath>

namespace s2v {
namespace {

constexpr std::int64_t kForestBlock = 256;  // rows that fit into the first cache level beside a tree

[[noreturn]] void invalid(const std::string &reason) {
    throw Failure(S2V_INVALID_ARGUMENT, reason);
}

void check_sizes(const ForestArrays &a) {
    if (a.tree_start.size() < 2) invalid("a forest has at least one tree");
    if (a.features < 1 || static_cast<std::uint32_t>(a.features) > kernel::kNodeFeatureLimit)
        invalid("a forest has 1 to 1024 features");
    if (!a.fill.empty() && a.fill.size() != static_cast<std::size_t>(a.features))
        invalid("fill has another length than there are features");
    const std::size_t nodes = a.left.size();
    if (a.right.size() != nodes || a.feature.size() != nodes || a.threshold.size() != nodes ||
        a.missing_left.size() != nodes || a.value.size() != nodes)
        invalid("the arrays of the nodes differ in length");
    if (a.tree_start.front() != 0 || a.tree_start.back() != static_cast<std::int64_t>(nodes))
        invalid("tree_start does not span the nodes");
    for (std::size_t tree = 1; tree < a.tree_start.size(); ++tree)
        if (a.tree_start[tree] <= a.tree_start[tree - 1]) invalid("tree_start does not rise");
}

kernel::Node pack_leaf(const ForestArrays &a, std::size_t at) {
    const float value = a.value[at];
    if (a.right[at] != -1) invalid("a node has one child");
    if (!(value >= 0.0F && value <= 1.0F)) invalid("the value of a leaf lies outside 0 to 1");
    return {value, 0};
}

kernel::Node pack_split(const ForestArrays &a, std::size_t at) {
    const std::int32_t feature = a.feature[at];
    if (feature < 0 || feature >= a.features) invalid("the feature of a split is out of range");
    if (std::isnan(a.threshold[at])) invalid("the threshold of a split is NaN");
    return {a.threshold[at], kernel::kNodeSplit | (a.missing_left[at] != 0 ? kernel::kNodeMissingLeft : 0U) |
                                 static_cast<std::uint32_t>(feature) << kernel::kNodeFeatureShift};
}

// Append one tree depth first. Every node is met exactly once: a cycle, a shared child and a stray node are refused.
void pack_tree(const ForestArrays &a, std::size_t start, std::size_t size, std::vector<kernel::Node> &nodes) {
    struct Pending {
        std::size_t node;
        std::int64_t parent;  // whose right child it is, as a position in nodes; -1: a root or a left child
    };
    std::vector<bool> met(size, false);
    std::vector<Pending> pending{{0, -1}};
    const std::size_t first = nodes.size();
    while (!pending.empty()) {
        const auto [node, parent] = pending.back();
        pending.pop_back();
        if (met[node]) invalid("a node has two parents");
        met[node] = true;
        if (parent >= 0) {
            const std::size_t offset = nodes.size() - static_cast<std::size_t>(parent);
            if (offset >= kernel::kNodeOffsetLimit)
                invalid("a tree is too large: a left branch of more than 1048574 nodes");
            nodes[static_cast<std::size_t>(parent)].bits |= static_cast<std::uint32_t>(offset);
        }
        const std::size_t at = start + node;
        if (a.left[at] == -1) {
            nodes.push_back(pack_leaf(a, at));
            continue;
        }
        for (const std::int32_t child : {a.left[at], a.right[at]})
            if (child < 0 || static_cast<std::size_t>(child) >= size) invalid("a child lies outside its tree");
        pending.push_back({static_cast<std::size_t>(a.right[at]), static_cast<std::int64_t>(nodes.size())});
        pending.push_back({static_cast<std::size_t>(a.left[at]), -1});
        nodes.push_back(pack_split(a, at));
    }
    if (nodes.size() - first != size) invalid("a node belongs to no tree");
}

}  // namespace

Forest pack_forest(const ForestArrays &arrays) {
    check_sizes(arrays);
    Forest forest;
    forest.features = arrays.features;
    forest.fill.assign(arrays.fill.begin(), arrays.fill.end());
    if (std::any_of(forest.fill.begin(), forest.fill.end(), [](float value) { return std::isinf(value); }))
        invalid("a fill value is infinite");
    forest.nodes.reserve(arrays.left.size());
    for (std::size_t tree = 0; tree + 1 < arrays.tree_start.size(); ++tree) {
        const auto start = static_cast<std::size_t>(arrays.tree_start[tree]);
        const auto end = static_cast<std::size_t>(arrays.tree_start[tree + 1]);
        forest.tree_start.push_back(arrays.tree_start[tree]);
        pack_tree(arrays, start, end - start, forest.nodes);
    }
    return forest;
}

void predict(const Forest &forest, const kernel::CalibrationView &table, const float *x, std::int64_t n, float *score,
             int threads) {
    const kernel::ForestView view = forest.view();
    const std::int64_t k = forest.features;
    parallel_for(n, kForestBlock, threads, [&](std::int64_t begin, std::int64_t end) {
        double sum[kForestBlock];
        std::vector<float> filled(forest.fill.empty() ? 0 : static_cast<std::size_t>(std::min(kForestBlock, n) * k));
        for (std::int64_t row = begin; row < end; row += kForestBlock) {
            const std::int64_t rows = std::min(kForestBlock, end - row);
            const float *block = x + row * k;
            if (!filled.empty()) {
                for (std::int64_t i = 0; i < rows * k; ++i) {
                    const float value = block[i];
                    filled[static_cast<std::size_t>(i)] =
                        value != value ? forest.fill[static_cast<std::size_t>(i % k)] : value;
                }
                block = filled.data();
            }
            kernel::forest_block(view, block, rows, sum, score + row);
            if (table.knots == 0) continue;
            for (std::int64_t i = row; i < row + rows; ++i) score[i] = kernel::apply_calibration(table, score[i]);
        }
    });
}

}  // namespace s2v
