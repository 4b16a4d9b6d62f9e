// Forests: what trees and calibrations compute, from arrays and from model files, and that what is no forest is
// refused.
#include "check.hpp"
#include "error.hpp"
#include "forest.hpp"
#include "space2vec/space2vec.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

const float nan_value = std::numeric_limits<float>::quiet_NaN();

// scikit-learn's arrays of a forest.
struct Arrays {
    std::vector<std::int64_t> tree_start;
    std::vector<std::int32_t> left, right, feature;
    std::vector<float> threshold;
    std::vector<std::uint8_t> missing_left;
    std::vector<float> value;
    std::int32_t features = 2;
    std::vector<float> fill;

    [[nodiscard]] s2v::Forest make() const {
        s2v::ForestArrays arrays;
        arrays.tree_start = tree_start;
        arrays.left = left;
        arrays.right = right;
        arrays.feature = feature;
        arrays.threshold = threshold;
        arrays.missing_left = missing_left;
        arrays.value = value;
        arrays.features = features;
        arrays.fill = fill;
        return s2v::pack_forest(arrays);
    }
};

// Two trees on two features. The second is numbered breadth first with its left child last.
Arrays two_trees() {
    Arrays a;
    a.tree_start = {0, 3, 8};
    a.left = {1, -1, -1, 2, -1, 3, -1, -1};
    a.right = {2, -1, -1, 1, -1, 4, -1, -1};
    a.feature = {0, -2, -2, 1, -2, 0, -2, -2};
    a.threshold = {0.5F, -2, -2, 1.0F, -2, -1.0F, -2, -2};
    a.missing_left = {1, 0, 0, 0, 0, 1, 0, 0};
    a.value = {0.5F, 0.25F, 1.0F, 0.5F, 0.75F, 0.5F, 0.0F, 0.5F};
    return a;
}

float one(const s2v::Forest &forest, const std::vector<float> &row) {
    float score = -1.0F;
    s2v::predict(forest, {}, row.data(), 1, &score, 1);
    return score;
}

float one(const s2v::Model &model, const std::vector<float> &row) {
    float score = -1.0F;
    model.predict({}, row, {&score, 1});
    return score;
}

void values_by_hand() {
    const s2v::Forest forest = two_trees().make();
    CHECK(forest.features == 2 && forest.nodes.size() == 8);
    CHECK(one(forest, {0.5F, 1.0F}) == 0.375F);       // at the threshold: left; then -1 < 0.5: right
    CHECK(one(forest, {0.6F, 1.0F}) == 0.75F);        // (1 + 0.5) / 2
    CHECK(one(forest, {-2.0F, 0.0F}) == 0.125F);      // (0.25 + 0) / 2
    CHECK(one(forest, {0.0F, 1.5F}) == 0.5F);         // (0.25 + 0.75) / 2
    CHECK(one(forest, {nan_value, 0.0F}) == 0.125F);  // NaN goes left twice
    CHECK(one(forest, {0.6F, nan_value}) == 0.875F);  // NaN goes right
    CHECK(one(forest, {INFINITY, -INFINITY}) == 0.75F);
}

void fill_replaces_nan() {
    Arrays a = two_trees();
    a.fill = {0.6F, nan_value};
    const s2v::Forest forest = a.make();
    CHECK(one(forest, {nan_value, 0.0F}) == 0.75F);
    CHECK(one(forest, {0.6F, nan_value}) == 0.875F);  // a fill of NaN leaves it
}

// Grow a random tree of scikit-learn's kind onto the arrays.
void grow(Arrays &a, int depth, std::mt19937 &random) {
    std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
    const auto start = static_cast<std::int32_t>(a.tree_start.back());
    const std::function<std::int32_t(int)> node = [&](int level) {
        const auto here = static_cast<std::int32_t>(a.left.size()) - start;
        const auto at = a.left.size();
        const bool leaf = level == depth || (level > 1 && uniform(random) < 0.2F);
        a.left.push_back(-1);
        a.right.push_back(-1);
        a.feature.push_back(leaf ? -2 : static_cast<std::int32_t>(random() % static_cast<unsigned>(a.features)));
        a.threshold.push_back(leaf ? -2.0F : uniform(random) * 2 - 1);
        a.missing_left.push_back(static_cast<std::uint8_t>(random() % 2));
        a.value.push_back(uniform(random));
        if (!leaf) {
            a.left[at] = node(level + 1);
            a.right[at] = node(level + 1);
        }
        return here;
    };
    node(0);
    a.tree_start.push_back(static_cast<std::int64_t>(a.left.size()));
}

float reference(const Arrays &a, const float *row) {
    double sum = 0.0;
    for (std::size_t tree = 0; tree + 1 < a.tree_start.size(); ++tree) {
        const auto start = static_cast<std::size_t>(a.tree_start[tree]);
        std::size_t at = start;
        while (a.left[at] != -1) {
            float x = row[a.feature[at]];
            if (std::isnan(x) && !a.fill.empty()) x = a.fill[static_cast<std::size_t>(a.feature[at])];
            const bool left = std::isnan(x) ? a.missing_left[at] != 0 : x <= a.threshold[at];
            at = start + static_cast<std::size_t>(left ? a.left[at] : a.right[at]);
        }
        sum += static_cast<double>(a.value[at]);
    }
    return static_cast<float>(sum / static_cast<double>(a.tree_start.size() - 1));
}

void every_way_gives_the_same_bits() {
    std::mt19937 random(7);
    for (const int trees : {1, 7, 8, 21}) {
        Arrays a;
        a.features = 5;
        a.tree_start = {0};
        for (int tree = 0; tree < trees; ++tree) grow(a, tree % 9, random);
        a.fill = trees == 7 ? std::vector<float>{0.1F, nan_value, 0.3F, nan_value, -0.5F} : std::vector<float>{};
        const s2v::Forest forest = a.make();
        for (const std::size_t n :
             {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{13}, std::size_t{1031}}) {
            std::vector<float> x(n * 5);
            for (float &value : x)
                value = random() % 6 == 0 ? nan_value : static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
            std::vector<float> score(n, -1.0F);
            for (const int threads : {1, 3, 0}) {
                s2v::predict(forest, {}, x.data(), static_cast<std::int64_t>(n), score.data(), threads);
                bool same = true;
                for (std::size_t row = 0; row < n; ++row) {
                    const float expected = reference(a, x.data() + row * 5);
                    same = same && std::memcmp(&expected, &score[row], sizeof(float)) == 0;
                }
                CHECK(same);
            }
        }
    }
}

float by(std::vector<float> x, std::vector<float> y, float score) {
    s2v::calibrate(x, y, {&score, 1});
    return score;
}

void calibration_by_hand() {
    const std::vector<float> x{0.25F, 0.5F, 0.75F};
    const std::vector<float> y{0.0F, 0.25F, 1.0F};
    CHECK(by(x, y, 0.0F) == 0.0F);
    CHECK(by(x, y, 0.25F) == 0.0F);
    CHECK(by(x, y, 0.375F) == 0.125F);
    CHECK(by(x, y, 0.5F) == 0.25F);
    CHECK(by(x, y, 0.625F) == 0.625F);
    CHECK(by(x, y, 0.75F) == 1.0F);
    CHECK(by(x, y, 1.0F) == 1.0F);
    CHECK(std::isnan(by(x, y, nan_value)));
    CHECK(!std::signbit(by({0.0F, 1.0F}, {-0.0F, 1.0F}, 0.0F)));
    const s2v::Forest forest = two_trees().make();
    const auto scored = [&](const std::vector<float> &row) {
        float score = -1.0F;
        s2v::predict(forest, {x.data(), y.data(), 3}, row.data(), 1, &score, 1);
        return score;
    };
    CHECK(scored({0.5F, 1.0F}) == 0.125F);     // 0.375
    CHECK(scored({-2.0F, 0.0F}) == 0.0F);      // 0.125
    CHECK(scored({0.6F, nan_value}) == 1.0F);  // 0.875
}

// A higher score never becomes a lower probability, whatever the knots.
void calibration_keeps_the_order() {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
    for (int table = 0; table < 200; ++table) {
        std::vector<float> x(2 + random() % 30), y(x.size());
        const float scale = table % 2 == 0 ? 1.0F : 1e-6F;
        for (float &value : x) value = uniform(random) * scale;
        std::sort(x.begin(), x.end());
        x.erase(std::unique(x.begin(), x.end()), x.end());
        if (x.size() < 2) continue;
        y.resize(x.size());
        for (float &value : y) value = uniform(random);
        std::sort(y.begin(), y.end());
        std::vector<float> score;
        for (const float knot : x)
            for (float s = knot, steps = 0; steps < 20; ++steps, s = std::nextafter(s, 2.0F)) score.push_back(s);
        for (int i = 0; i < 200; ++i) score.push_back(uniform(random) * scale);
        std::sort(score.begin(), score.end());
        s2v::calibrate(x, y, score);
        CHECK(std::is_sorted(score.begin(), score.end()));
        CHECK(score.front() >= y.front() && score.back() <= y.back());
    }
}

void no_calibration_is_refused() {
    const auto refused = [](const std::vector<float> &x, const std::vector<float> &y) {
        CHECK_THROWS((by(x, y, 0.5F), 0), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    };
    refused({}, {});
    refused({0.5F}, {0.5F});
    refused({0.0F, 1.0F}, {0.5F});
    refused({0.5F, 0.5F}, {0.0F, 1.0F});
    refused({0.6F, 0.5F}, {0.0F, 1.0F});
    refused({0.0F, 1.0F}, {0.6F, 0.5F});
    refused({-0.1F, 1.0F}, {0.0F, 1.0F});
    refused({0.0F, 1.1F}, {0.0F, 1.0F});
    refused({0.0F, 1.0F}, {-0.1F, 1.0F});
    refused({0.0F, 1.0F}, {0.0F, 1.1F});
    refused({0.0F, nan_value}, {0.0F, 1.0F});
    refused({0.0F, 1.0F}, {nan_value, 1.0F});
    std::vector<float> many(1025);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i) / 1025.0F;
    refused(many, many);
    many.pop_back();
    CHECK(by(many, many, 0.5F) == 0.5F);
    float score = 0.5F;
    CHECK(s2v_calibrate(2, nullptr, nullptr, &score, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_calibrate(-1, &score, &score, &score, 1) == S2V_INVALID_ARGUMENT);
}

void no_forest_is_refused() {
    const auto refused = [](const std::function<void(Arrays &)> &damage) {
        Arrays a = two_trees();
        damage(a);
        CHECK_THROWS(a.make(), s2v::Failure, caught.status() == S2V_INVALID_ARGUMENT);
    };
    refused([](Arrays &a) { a.left[0] = 0; });     // a node is its own child
    refused([](Arrays &a) { a.left[5] = 0; });     // a cycle
    refused([](Arrays &a) { a.left[5] = 4; });     // a shared child, and a stray node
    refused([](Arrays &a) { a.right[0] = 3; });    // a child in the next tree
    refused([](Arrays &a) { a.left[0] = -2; });    // a negative child
    refused([](Arrays &a) { a.right[0] = -1; });   // one child only
    refused([](Arrays &a) { a.right[1] = 2; });    // a leaf with a child
    refused([](Arrays &a) { a.feature[0] = 2; });  // no such feature
    refused([](Arrays &a) { a.feature[0] = -2; });
    refused([](Arrays &a) { a.threshold[0] = nan_value; });
    refused([](Arrays &a) { a.value[1] = nan_value; });
    refused([](Arrays &a) { a.value[1] = 1.5F; });
    refused([](Arrays &a) { a.tree_start[1] = 0; });  // an empty tree
    refused([](Arrays &a) { a.tree_start[1] = 9; });
    refused([](Arrays &a) { a.tree_start[0] = 1; });
    refused([](Arrays &a) { a.features = 0; });
    refused([](Arrays &a) { a.features = 2000; });
    refused([](Arrays &a) { a.fill = {INFINITY, 0.0F}; });
    refused([](Arrays &a) { a.fill = {0.0F}; });
    refused([](Arrays &a) { a.value.pop_back(); });
}

// A model file with the two trees, built by hand.
struct File {
    std::string model = R"({"format": 1, "kind": "forest", "features": {"names": ["a \u00e9", "b"]}})";
    std::string header = R"("tree_start": {"dtype": "I64", "shape": [3], "data_offsets": [0, 24]},
        "right": {"dtype": "I32", "shape": [8], "data_offsets": [24, 56]},
        "value": {"dtype": "F32", "shape": [8], "data_offsets": [56, 88]},
        "fill": {"dtype": "F32", "shape": [2], "data_offsets": [88, 96]},
        "feature": {"dtype": "I16", "shape": [8], "data_offsets": [96, 112]},
        "missing_left": {"dtype": "U8", "shape": [8], "data_offsets": [112, 120]})";
    std::vector<std::int64_t> tree_start{0, 3, 8};
    std::vector<std::int32_t> right{2, 0, 0, 4, 2, 0, 0, 0};
    std::vector<float> value{0.5F, 0.25F, 1.0F, 1.0F, -1.0F, 0.0F, 0.5F, 0.75F};
    std::vector<float> fill{nan_value, nan_value};
    std::vector<std::int16_t> feature{0, 0, 0, 1, 0, 0, 0, 0};
    std::vector<std::uint8_t> missing_left{1, 0, 0, 0, 1, 0, 0, 0};

    [[nodiscard]] std::string bytes() const {
        std::string quoted;
        for (const char c : model) quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
        const std::string json = R"({"__metadata__": {"space2vec": ")" + quoted + "\"}, " + header + "}";
        std::string out;
        const auto put = [&out](const void *data, std::size_t size) {
            out.append(static_cast<const char *>(data), size);
        };
        const auto length = static_cast<std::uint64_t>(json.size());
        put(&length, 8);
        out += json;
        put(tree_start.data(), tree_start.size() * 8);
        put(right.data(), right.size() * 4);
        put(value.data(), value.size() * 4);
        put(fill.data(), fill.size() * 4);
        put(feature.data(), feature.size() * 2);
        put(missing_left.data(), missing_left.size());
        return out;
    }
};

s2v::Model load(const std::string &bytes) {
    return s2v::Model::from_memory(std::as_bytes(std::span(bytes)));
}

void replace(std::string &text, const std::string &from, const std::string &to) {
    const std::size_t at = text.find(from);
    CHECK(at != std::string::npos);
    text.replace(at, from.size(), to);
}

void model_files() {
    const s2v::Model forest = load(File().bytes());
    CHECK((forest.columns() == std::vector<std::string>{"a \xc3\xa9", "b"}));
    const s2v::Forest same = two_trees().make();
    for (const std::vector<float> &row : {std::vector<float>{0.5F, 1.0F}, {0.6F, nan_value}, {-2.0F, 0.0F}})
        CHECK(one(forest, row) == one(same, row));
    File calibrated;
    const std::string table = R"("calibration": {"x": [0.25, 0.5, 0.75], "y": [0, 0.25, 1], "fitted": {"rows": 9}}, )";
    calibrated.model.insert(1, table);
    CHECK(one(load(calibrated.bytes()), {0.5F, 1.0F}) == 0.125F);
    File without;
    without.model.insert(1, R"("calibration": null, )");
    CHECK(one(load(without.bytes()), {0.5F, 1.0F}) == 0.375F);
    CHECK_THROWS(s2v::Model::load("/nowhere/forest.safetensors"), s2v::Error, caught.status() == S2V_IO_ERROR);
    CHECK_THROWS(s2v::Model::load(std::filesystem::temp_directory_path().string()), s2v::Error,
                 caught.status() == S2V_IO_ERROR);
}

void bad_model_files_are_refused() {
    const auto refused = [](const std::string &bytes) {
        CHECK_THROWS(load(bytes), s2v::Error, caught.status() == S2V_BAD_MODEL);
    };
    const auto damaged = [&refused](const std::function<void(File &)> &damage) {
        File file;
        damage(file);
        refused(file.bytes());
    };
    const std::string whole = File().bytes();
    for (std::size_t size = 0; size < whole.size(); size += 7) refused(whole.substr(0, size));
    refused(std::string(8, '\xff') + whole);
    refused("not a model at all, but long enough to hold a length");
    damaged([](File &f) { replace(f.model, "\"forest\"", "\"network\""); });
    damaged([](File &f) { replace(f.model, "\"format\": 1", "\"format\": 2"); });
    damaged([](File &f) { replace(f.model, "\"b\"", "3"); });
    damaged([](File &f) { replace(f.model, ", \"b\"", ""); });
    damaged([](File &f) { replace(f.model, "}}", "}"); });
    damaged([](File &f) { f.model = std::string(100000, '['); });
    damaged([](File &f) { replace(f.header, "\"I32\"", "\"F32\""); });
    damaged([](File &f) { replace(f.header, "[24, 56]", "[24, 1e9]"); });
    damaged([](File &f) { replace(f.header, "[24, 56]", "[56, 24]"); });
    damaged([](File &f) { replace(f.header, "[24, 56]", "[-8, 24]"); });
    damaged([](File &f) { replace(f.header, "\"shape\": [8]", "\"shape\": [2, 4]"); });
    damaged([](File &f) { replace(f.header, "\"missing_left\"", "\"other\""); });
    damaged([](File &f) { replace(f.header, "\"right\"", "\"value\""); });
    damaged([](File &f) { f.right[0] = -1; });
    damaged([](File &f) { f.right[0] = 1; });
    damaged([](File &f) { f.right[0] = 1 << 30; });
    damaged([](File &f) { f.right[7] = 1; });
    damaged([](File &f) { f.feature[0] = 2; });
    damaged([](File &f) { f.tree_start[1] = -3; });
    damaged([](File &f) { f.tree_start[0] = std::numeric_limits<std::int64_t>::min(); });
    damaged([](File &f) { f.tree_start[1] = std::numeric_limits<std::int64_t>::max(); });
    damaged([](File &f) { f.tree_start[2] = 7; });
    damaged([](File &f) { f.value[0] = nan_value; });
    for (const char *table : {R"([0, 1])", R"({})", R"({"x": [0, 1]})", R"({"x": [0, 1], "y": [0, "1"]})",
                              R"({"x": [0, true], "y": [0, 1]})", R"({"x": [0, 1], "y": [1, 0]})",
                              R"({"x": [0, 0], "y": [0, 1]})", R"({"x": [0, 1], "y": [0, 1.5]})",
                              R"({"x": [0.5, 0.50000000001], "y": [0, 1]})", R"({"x": [0], "y": [0]})", R"("soon")"})
        damaged([table](File &f) { f.model.insert(1, std::string("\"calibration\": ") + table + ", "); });
    // No single changed byte of the header may do worse than be refused.
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x15);
        s2v_model *model = nullptr;
        const s2v_status status =
            s2v_model_from_memory(changed.data(), static_cast<std::int64_t>(changed.size()), &model);
        CHECK(status == S2V_OK ? model != nullptr : status == S2V_BAD_MODEL && model == nullptr);
        s2v_model_free(model);
    }
}

}  // namespace

int main() {
    values_by_hand();
    fill_replaces_nan();
    every_way_gives_the_same_bits();
    calibration_by_hand();
    calibration_keeps_the_order();
    no_calibration_is_refused();
    no_forest_is_refused();
    model_files();
    bad_model_files_are_refused();
    return check::report();
}
