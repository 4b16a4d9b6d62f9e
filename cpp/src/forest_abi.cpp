// The forest behind the C ABI.
#include "error.hpp"
#include "forest.hpp"
#include "model.hpp"
#include "safetensors.hpp"
#include "space2vec/space2vec.h"

#include <memory>
#include <utility>

namespace {

void require(bool condition, const char *reason) {
    if (!condition) throw s2v::Failure(S2V_INVALID_ARGUMENT, reason);
}

}  // namespace

extern "C" {

s2v_status s2v_forest_create(int32_t trees, const int64_t *tree_start, const int32_t *left, const int32_t *right,
                             const int32_t *feature, const float *threshold, const uint8_t *missing_left,
                             const float *value, int32_t features, const float *fill, s2v_forest **forest) {
    return s2v::guarded([&] {
        require(forest != nullptr, "forest is NULL");
        *forest = nullptr;
        require(trees > 0 && features > 0, "no trees or no features");
        require(tree_start != nullptr && left != nullptr && right != nullptr && feature != nullptr &&
                    threshold != nullptr && missing_left != nullptr && value != nullptr,
                "an array is NULL");
        require(tree_start[trees] > 0, "no nodes");
        const auto nodes = static_cast<std::size_t>(tree_start[trees]);
        s2v::ForestArrays arrays;
        arrays.tree_start = {tree_start, static_cast<std::size_t>(trees) + 1};
        arrays.left = {left, nodes};
        arrays.right = {right, nodes};
        arrays.feature = {feature, nodes};
        arrays.threshold = {threshold, nodes};
        arrays.missing_left = {missing_left, nodes};
        arrays.value = {value, nodes};
        arrays.features = features;
        if (fill != nullptr) arrays.fill = {fill, static_cast<std::size_t>(features)};
        *forest = std::make_unique<s2v_forest>(s2v::pack_forest(arrays)).release();
    });
}

s2v_status s2v_forest_load(const char *path, s2v_forest **forest) {
    return s2v::guarded([&] {
        require(forest != nullptr, "forest is NULL");
        *forest = nullptr;
        require(path != nullptr, "path is NULL");
        s2v_model model = s2v::parse_model(s2v::read_file(path));
        if (!model.forest) throw s2v::Failure(S2V_BAD_MODEL, "not a forest");
        *forest = std::make_unique<s2v_forest>(std::move(*model.forest)).release();
    });
}

s2v_status s2v_forest_calibrate(s2v_forest *forest, int32_t knots, const float *x, const float *y) {
    return s2v::guarded([&] {
        require(forest != nullptr, "forest is NULL");
        require(x != nullptr && y != nullptr && knots >= 0, "an array is NULL");
        const auto count = static_cast<std::size_t>(knots);
        s2v::check_calibration({x, count}, {y, count});
        s2v::Calibration given{{x, x + count}, {y, y + count}};
        forest->calibration = std::move(given);
    });
}

void s2v_forest_free(s2v_forest *forest) {
    delete forest;
}

int32_t s2v_forest_feature_count(const s2v_forest *forest) {
    return forest == nullptr ? 0 : forest->features;
}

const char *s2v_forest_feature_name(const s2v_forest *forest, int32_t index) {
    if (forest == nullptr || index < 0 || static_cast<std::size_t>(index) >= forest->names.size()) return nullptr;
    return forest->names[static_cast<std::size_t>(index)].c_str();
}

s2v_status s2v_forest_predict(const s2v_forest *forest, const float *x, int64_t n, float *score, int32_t threads) {
    return s2v::guarded([&] {
        require(forest != nullptr, "forest is NULL");
        require(n >= 0 && threads >= 0, "n or threads is negative");
        if (n == 0) return;
        require(x != nullptr && score != nullptr, "an array is NULL");
        s2v::predict(*forest, x, n, score, threads);
    });
}

}  // extern "C"
