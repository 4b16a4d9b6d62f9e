// The forest's part of the parity program.
#pragma once

#include "device_array.hpp"
#include "kernel/math.hpp"
#include "kernel/registry_table.hpp"
#include "parity.hpp"
#include "report.hpp"
#include "space2vec/cuda.h"

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace s2v::cuda::parity {

inline std::unique_ptr<s2v_forest, decltype(&s2v_forest_free)> on_host(const SuiteForest &f) {
    s2v_forest *made = nullptr;
    require(s2v_forest_create(static_cast<std::int32_t>(f.tree_start.size() - 1), f.tree_start.data(), f.left.data(),
                              f.right.data(), f.feature.data(), f.threshold.data(), f.missing_left.data(),
                              f.value.data(), static_cast<std::int32_t>(f.features), f.fill.data(), &made));
    if (!f.knot_x.empty())
        require(
            s2v_forest_calibrate(made, static_cast<std::int32_t>(f.knot_x.size()), f.knot_x.data(), f.knot_y.data()));
    return {made, &s2v_forest_free};
}

inline std::unique_ptr<s2v_cuda_forest, decltype(&s2v_cuda_forest_free)> on_device(
    const SuiteForest &f, const std::vector<std::int32_t> &column) {
    s2v_cuda_forest *made = nullptr;
    require(s2v_cuda_forest_create(kDevice, on_host(f).get(), column.empty() ? nullptr : column.data(), &made));
    return {made, &s2v_cuda_forest_free};
}

// A forest whose rows are too long to be staged, of values of another, and what the CPU gives for them.
inline SuiteForest long_forest(const SuiteForest &given) {
    constexpr std::int64_t trees = 5;
    constexpr std::int64_t splits = 127;  // of a full tree of depth 7
    constexpr std::int64_t nodes = 2 * splits + 1;
    SuiteForest f{};
    f.features = 401;
    f.rows = 601;
    for (std::int64_t i = 0; i < f.rows * f.features; ++i)
        f.x.push_back(given.x[static_cast<std::size_t>(i) % given.x.size()]);
    for (std::int64_t i = 0; i < f.features; ++i)
        f.fill.push_back(given.fill[static_cast<std::size_t>(i) % given.fill.size()]);
    for (std::int64_t i = 0; i < trees * nodes; ++i) {
        const std::int64_t node = i % nodes;
        if (node == 0) f.tree_start.push_back(i);
        const bool split = node < splits;
        const float threshold = f.x[static_cast<std::size_t>(i * 37)];
        f.left.push_back(split ? static_cast<std::int32_t>(2 * node + 1) : -1);
        f.right.push_back(split ? static_cast<std::int32_t>(2 * node + 2) : -1);
        f.feature.push_back(split ? static_cast<std::int32_t>(i * 53 % f.features) : 0);
        f.threshold.push_back(split && std::isfinite(threshold) ? threshold : 0.0f);
        f.missing_left.push_back(static_cast<std::uint8_t>(i % 2));
        f.value.push_back(static_cast<float>(i * 29 % 101) / 101.0f);
    }
    f.tree_start.push_back(trees * nodes);
    f.score.resize(static_cast<std::size_t>(f.rows));
    require(s2v_forest_predict(on_host(f).get(), f.x.data(), f.rows, f.score.data(), 0));
    return f;
}

// A forest with a calibration of so many knots, and what the CPU gives for its rows.
inline SuiteForest calibrated_forest(const SuiteForest &given, int knots) {
    SuiteForest f = given;
    for (int i = 0; i < knots; ++i) {
        const double part = static_cast<double>(i + 1) / (knots + 1);
        f.knot_x.push_back(static_cast<float>(part * part));
        f.knot_y.push_back(i % 5 == 4 ? f.knot_y.back() : static_cast<float>(part));  // some stretches are flat
    }
    require(s2v_forest_predict(on_host(f).get(), f.x.data(), f.rows, f.score.data(), 0));
    return f;
}

inline void compare_rows(const std::string &name, const SuiteForest &suite, Report &report) {
    const auto forest = on_device(suite, {});
    const DeviceArray<float> x(suite.x);
    DeviceArray<float> score(static_cast<std::size_t>(suite.rows));
    score.spoil();
    const double took = milliseconds(
        [&] { require(s2v_cuda_forest_predict(forest.get(), nullptr, x.get(), suite.rows, score.get())); });
    report.time(name, microseconds_each(took, suite.rows));
    report.compare(name, suite.rows, 1, 0, 1, suite.score.data(), score.to_host().data());
}

// A table that a forest takes some columns of. beside: further columns of it; offset: of its stamps; or nothing.
inline void compare_table(const std::string &name, const SuiteForest &trees, const SuiteTable &table,
                          const std::vector<float> &values, const std::vector<float> &beside,
                          const std::vector<std::uint32_t> &raised_by_kernels, const std::vector<std::int64_t> &offset,
                          Report &report) {
    const auto n = static_cast<std::int64_t>(table.score.size());
    const auto forest = on_device(trees, table.column);
    const DeviceArray<float> values_there(values);
    const DeviceArray<float> beside_there(beside);
    const DeviceArray<std::uint32_t> raised(table.raised);
    const DeviceArray<std::int64_t> offset_there(offset);
    DeviceArray<float> score(table.score.size());
    const auto run = [&](const DeviceArray<std::uint32_t> &flags) {
        s2v_cuda_table given{};
        given.values = values_there.get();
        given.columns = table.columns;
        given.n = n;
        given.flags = flags.get();
        given.raised = raised.get();
        given.offset = offset_there.get();
        given.refusing = table.refusing;
        given.beside = beside_there.get();
        given.beside_columns = static_cast<std::int32_t>(static_cast<std::int64_t>(beside.size()) / n);
        require(s2v_cuda_forest_score(forest.get(), nullptr, &given, score.get()));
    };
    const DeviceArray<std::uint32_t> often(raised_by_kernels);
    report.time(name, microseconds_each(milliseconds([&] { run(often); }), n));
    const DeviceArray<std::uint32_t> once(raised_by_kernels);
    score.spoil();
    run(once);
    report.compare(name, n, 1, 0, 1, table.score.data(), score.to_host().data());
    report.compare(name + " flags", n, 1, 0, 1, table.flags.data(), once.to_host().data());
}

// The rows of a forest in a wider table, its columns from the last to the first and the last ones beside the others;
// some are refused, some have no value.
inline void compare_wider(const std::string &name, const SuiteForest &suite, Report &report) {
    namespace flag = kernel::flag;
    const std::int64_t width = suite.features + 3;
    const std::int64_t cut = width / 2;
    SuiteTable table{static_cast<std::int32_t>(cut), flag::constant, {}, {}, suite.score, {}};
    for (std::int64_t i = 0; i < suite.features; ++i) table.column.push_back(static_cast<std::int32_t>(width - 1 - i));
    std::vector<float> values;
    std::vector<float> beside;
    std::vector<std::uint32_t> raised;
    for (std::int64_t row = 0; row < suite.rows; ++row) {
        const bool refused = row % 5 == 0;
        const bool silent = row % 7 == 0;
        for (std::int64_t column = 0; column < width; ++column) {
            const std::int64_t feature = width - 1 - column;
            float value = 1.0f;  // which the forest does not take
            if (feature < suite.features)
                value =
                    silent ? kernel::quiet_nan() : suite.x[static_cast<std::size_t>(row * suite.features + feature)];
            (column < cut ? values : beside).push_back(value);
        }
        raised.push_back(flag::padded | (refused ? flag::constant : 0));
        table.flags.push_back(raised.back() | (silent && !refused ? flag::missing : 0));
        if (refused || silent) table.score[static_cast<std::size_t>(row)] = kernel::quiet_nan();
    }
    compare_table(name, suite, table, values, beside, raised, {}, report);
}

inline void compare_forests(const std::filesystem::path &folder, const SuiteStamps &stamps, Report &report) {
    const SuiteForest forest = read_forest(folder);
    const SuiteForest wide = long_forest(forest);
    compare_rows("forest", forest, report);
    compare_rows("forest, long rows", wide, report);
    for (const int knots : {2, 3, 1024})
        compare_rows("forest, calibration of " + std::to_string(knots) + " knots", calibrated_forest(forest, knots),
                     report);
    compare_rows("forest, long rows, calibrated", calibrated_forest(wide, 37), report);
    compare_wider("forest, wider table", forest, report);
    compare_wider("forest, long rows of a wider table", wide, report);
    compare_wider("forest, wider table, calibrated", calibrated_forest(forest, 37), report);
    const SuiteTable table = read_table(folder, stamps.n, forest.features);
    const SuiteValues given = read_features(folder / "features_code.bin", stamps.n, table.columns);
    compare_table("forest, features of stamps", forest, table, given.values, {}, given.flags, stamps.offset, report);
}

}  // namespace s2v::cuda::parity
