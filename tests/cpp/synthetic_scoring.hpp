// Synthetic models for the C++ tests of scoring, and stamps for them: a network on planes and columns, and a forest of
// one split.
#pragma once

#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_models.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace synthetic {

inline const std::vector<std::string> &stamp_columns() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> out;
        for (std::int32_t i = 0; const char *name = s2v_stamp_feature_name(S2V_SET_AUTOSCAN | S2V_SET_S2V, i); ++i)
            out.emplace_back(name);
        return out;
    }();
    return names;
}

inline const char *const kRecipe =
    R"(, "recipe": {"name": "made", "version": 1, "side": 33, "channels": ["science", "template", "difference"],)"
    R"( "steps": [{"name": "median-mad", "version": 1, "parameters": {}},)"
    R"( {"name": "asinh", "version": 1, "parameters": {"softening": 1.0}}],)"
    R"( "further": [[{"name": "l2", "version": 1, "parameters": {}}]]})";

inline std::string architecture(const char *name, const char *more) {
    return std::string(R"(, "architecture": {"name": ")") + name + R"(", "settings": {}, "temperature": 1.25)" + more +
           R"(}, "integer": {"version": 1})";
}

struct NetworkFile {
    s2v::Network network;
    ModelFile file;

    explicit NetworkFile(const char *more = R"(, "optional": ["template"])") : network(synthetic::network({}, 31)) {
        file.header = model_header("network", stamp_columns(), kRecipe + architecture("stampnet", more));
        add_network(file, network);
    }
    [[nodiscard]] s2v::Model model() const {
        return of(file.bytes());
    }
    static s2v::Model of(const std::string &bytes) {
        return s2v::Model::from_memory(std::as_bytes(std::span(bytes)));
    }
};

// A network of vectors that takes what a NetworkFile takes.
struct VectorFile {
    s2v::Network network;
    ModelFile file;

    explicit VectorFile(const char *more = R"(, "optional": ["template"])", std::int32_t numbers = 64) {
        NetworkSizes sizes;
        sizes.vector = numbers;
        network = synthetic::network(sizes, 32);
        file.header = model_header("network", stamp_columns(), kRecipe + how(std::to_string(numbers), more));
        add_network(file, network);
    }
    static std::string how(const std::string &numbers, const char *more = "") {
        return R"(, "architecture": {"name": "vectornet", "settings": {"vector": )" + numbers + "}" + more +
               R"(}, "integer": {"version": 1})";
    }
    [[nodiscard]] s2v::Model model() const {
        return NetworkFile::of(file.bytes());
    }
};

// A forest of one split on one column: .75 where the column is above 0 or missing.
inline std::string forest_file(const std::vector<std::string> &columns, std::int16_t feature, bool filled = false) {
    ModelFile file;
    file.header = model_header("forest", columns, "");
    file.add("tree_start", "I64", {2}, std::vector<std::int64_t>{0, 3});
    file.add("right", "I32", {3}, std::vector<std::int32_t>{2, 0, 0});
    file.add("feature", "I16", {3}, std::vector<std::int16_t>{feature, 0, 0});
    file.add("missing_left", "U8", {3}, std::vector<std::uint8_t>{0, 0, 0});
    file.add("value", "F32", {3}, std::vector<float>{0.0F, 0.25F, 0.75F});
    if (filled) file.add("fill", "F32", {2}, std::vector<float>{-1.0F, -1.0F});
    return file.bytes();
}

// A cascade of the same network, before which one is asked that sees neither the template nor a column that needs it.
struct CascadeFile {
    NetworkFile second;
    s2v::Network first;
    std::vector<std::string> columns;  // of the first

    CascadeFile() {
        for (const std::string &name : stamp_columns())
            if (name.find("template") == std::string::npos && name.find("SHIFT") == std::string::npos &&
                name != "FLUX_RATIO" && name != "flux_balance" && name != "noise_ratio")
                columns.push_back(name);
        NetworkSizes sizes;
        sizes.planes = 4;
        sizes.columns = static_cast<std::int32_t>(columns.size());
        first = network(sizes, 77);
    }
    // The header of the first network, with other channels or columns, or another side, if one likes.
    [[nodiscard]] std::string first_header(const char *channels = R"("science", "difference")", int side = 33,
                                           const char *more = "", const char *further_column = nullptr) const {
        std::string recipe = kRecipe;
        const std::string all = R"("science", "template", "difference")";
        recipe.replace(recipe.find(all), all.size(), channels);
        recipe.replace(recipe.find("33"), 2, std::to_string(side));
        std::vector<std::string> names = columns;
        if (further_column) names.emplace_back(further_column);
        return model_header("network", names, recipe + architecture("stampnet", "") + more);
    }
    [[nodiscard]] std::string bytes(const std::string &doubt, const std::string &header, const char *more = "") const {
        ModelFile file;
        file.header = model_header("network", stamp_columns(),
                                   kRecipe + architecture("stampnet", R"(, "optional": ["template"])") + more +
                                       R"(, "first": )" + header + R"(, "doubt": )" + doubt);
        add_network(file, second.network);
        file.prefix = "first.";
        add_network(file, first);
        return file.bytes();
    }
    [[nodiscard]] s2v::Model model(float low, float high, const char *more = "") const {
        char doubt[64];
        std::snprintf(doubt, sizeof doubt, "[%.9g, %.9g]", static_cast<double>(low), static_cast<double>(high));
        return NetworkFile::of(bytes(doubt, first_header(), more));
    }
    [[nodiscard]] s2v::Model first_alone() const {
        ModelFile file;
        file.header = first_header();
        add_network(file, first);
        return NetworkFile::of(file.bytes());
    }
};

inline bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline std::uint32_t flag(const char *name) {
    static const std::string registry = s2v_registry();
    const std::size_t at = registry.find("\"name\": \"" + std::string(name) + "\"");
    return 1U << std::atoi(registry.c_str() + registry.find("\"bit\": ", at) + 7);
}

// The stamps of one row of a batch.
struct OneRow {
    explicit OneRow(const s2v_stamps &of, std::int64_t row) : stamps(of) {
        stamps.n = 1;
        stamps.offset += 3 * row;
        stamps.shape += 6 * row;
        stamps.centre += 2 * row;
    }
    s2v_stamps stamps;
};

inline Batch batch_of(int repeats) {
    Batch batch = everything(repeats);
    Random random(5);
    batch.add(51, 51, 25, 60, Fault::kNone, random);  // beside its candidate
    batch.add(4, 51, 2, 25, Fault::kNone, random);
    batch.add(51, 51, -1, 25, Fault::kNone, random);
    batch.add(51, 51, 25, 25, Fault::kNone, random);
    batch.offset[3 * (batch.size() - 1) + S2V_SCIENCE] = -1;
    batch.add(51, 51, 25, 25, Fault::kNone, random);
    for (int c = 0; c < 3; ++c) batch.offset[3 * (batch.size() - 1) + static_cast<std::size_t>(c)] = -1;
    return batch;
}

}  // namespace synthetic
