// A forest in a model file.
#include "error.hpp"
#include "model_file.hpp"

#include <algorithm>
#include <limits>

namespace s2v {
namespace {

[[noreturn]] void bad(const std::string &reason) {
    throw Failure(S2V_BAD_MODEL, reason);
}

}  // namespace

Forest read_forest(const Safetensors &file, std::size_t columns) {
    const auto tree_start = file.tensor<std::int64_t>("tree_start", {-1});
    auto right = file.tensor<std::int32_t>("right", {-1});
    const auto feature = file.tensor<std::int16_t>("feature", {-1});
    const auto missing_left = file.tensor<std::uint8_t>("missing_left", {-1});
    const auto value = file.tensor<float>("value", {-1});
    std::vector<float> fill;
    if (file.has("fill")) fill = file.tensor<float>("fill", {static_cast<std::int64_t>(columns)});
    if (columns > kernel::kNodeFeatureLimit || tree_start.size() < 2 || feature.size() != right.size())
        bad("the sizes of the tensors do not agree");
    if (tree_start.front() != 0 || !std::is_sorted(tree_start.begin(), tree_start.end()) ||
        tree_start.back() != static_cast<std::int64_t>(right.size()))
        bad("tree_start does not divide the nodes into trees");
    // From offsets to children counted from the first node of the tree, as pack_forest takes and checks them.
    std::vector<std::int32_t> left(right.size());
    std::size_t tree = 0;
    for (std::size_t node = 0; node < right.size(); ++node) {
        while (tree + 2 < tree_start.size() && static_cast<std::int64_t>(node) >= tree_start[tree + 1]) ++tree;
        const std::int64_t local = static_cast<std::int64_t>(node) - tree_start[tree];
        const std::int64_t child = local + right[node];
        if (local < 0 || right[node] < 0 || child >= std::numeric_limits<std::int32_t>::max())
            bad("a child lies outside its tree");
        const bool leaf = right[node] == 0;
        left[node] = leaf ? -1 : static_cast<std::int32_t>(local + 1);
        right[node] = leaf ? -1 : static_cast<std::int32_t>(child);
    }
    ForestArrays arrays;
    const std::vector<std::int32_t> features(feature.begin(), feature.end());
    arrays.tree_start = tree_start;
    arrays.left = left;
    arrays.right = right;
    arrays.feature = features;
    arrays.threshold = value;
    arrays.missing_left = missing_left;
    arrays.value = value;
    arrays.features = static_cast<std::int32_t>(columns);
    arrays.fill = fill;
    try {
        return pack_forest(arrays);
    } catch (const Failure &failure) {
        bad(failure.what());
    }
}

}  // namespace s2v
