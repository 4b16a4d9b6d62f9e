// The models' part of the parity program: what the library on the CPU gives for the suite's stamps and for synthetic
// rows, and what the device gives.
#pragma once

#include "device_array.hpp"
#include "parity.hpp"
#include "report.hpp"
#include "space2vec/cuda.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace s2v::cuda::parity {

// Numbers of synthetic rows: fewer than share weights on a device, and more.
inline constexpr std::int64_t kRowCounts[] = {333, 4099};
// Of stamps that are worked on at a time: many, and so few that there is a last block of another size.
inline constexpr std::int64_t kAtATime[] = {4096, 77};

struct BothModels {
    explicit BothModels(const std::filesystem::path &file) : name(file.stem().string()) {
        s2v_model *loaded = nullptr;
        require(s2v_model_load(file.string().c_str(), &loaded));
        here.reset(loaded);
        needs.size = sizeof needs;
        require(s2v_model_needs(loaded, &needs));
        s2v_cuda_model *created = nullptr;
        require(s2v_cuda_model_create(kDevice, loaded, &created));
        there.reset(created);
    }

    std::string name;
    std::unique_ptr<s2v_model, decltype(&s2v_model_free)> here{nullptr, &s2v_model_free};
    std::unique_ptr<s2v_cuda_model, decltype(&s2v_cuda_model_free)> there{nullptr, &s2v_cuda_model_free};
    s2v_needs needs{};

    [[nodiscard]] std::size_t pixels() const {
        return static_cast<std::size_t>(needs.shape[0] * needs.shape[1] * needs.shape[2]);
    }
    [[nodiscard]] std::size_t columns() const {
        return static_cast<std::size_t>(needs.columns);
    }
};

// Noise of many sizes, values that are missing or infinite, and some rows of nothing else.
inline std::vector<float> synthetic_values(std::size_t n, std::size_t row_length, bool planes) {
    std::vector<float> values;
    std::uint64_t state = 12345;
    for (std::size_t i = 0; i < n * row_length; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double uniform = static_cast<double>(state >> 40) / 16777216.0 - 0.5;
        const std::size_t row = i / row_length;
        const double size = row % 11 == 3 ? 1e20 : std::pow(10.0, static_cast<double>(row % 7) - 3.0);
        const bool silent = !planes && row % 13 == 6;
        const bool odd = planes ? row % 97 == 5 && i % 31 == 0 : (i * 7 + row) % 23 == 0;
        const bool infinite = !planes && (i * 5 + row) % 101 == 0;
        values.push_back(silent || odd ? std::numeric_limits<float>::quiet_NaN()
                         : infinite    ? std::numeric_limits<float>::infinity()
                                       : static_cast<float>(size * uniform));
    }
    return values;
}

// A byte a word, as reports compare them.
inline std::vector<std::uint32_t> as_words(const std::vector<std::int8_t> &vectors) {
    return {vectors.begin(), vectors.end()};
}

// Vectors on the device, of which a run that writes none would be seen.
inline DeviceArray<std::int8_t> unwritten_vectors(std::size_t numbers) {
    return DeviceArray<std::int8_t>(std::vector<std::int8_t>(numbers, std::int8_t{-128}));
}

inline void compare_made_vectors(const BothModels &models, std::int64_t n, Report &report) {
    const auto rows = static_cast<std::size_t>(n);
    const auto numbers = static_cast<std::size_t>(models.needs.vector);
    const std::string name = models.name + ", vectors of " + std::to_string(n) + " rows";
    const std::vector<float> planes = synthetic_values(rows, models.pixels(), true);
    const std::vector<float> columns = synthetic_values(rows, models.columns(), false);
    const DeviceArray<float> planes_there(planes);
    const DeviceArray<float> columns_there(columns);
    std::vector<std::int8_t> expected(rows * numbers);
    require(s2v_model_predict_vectors(models.here.get(), planes.data(), columns.data(), n, expected.data(), 0));
    DeviceArray<std::int8_t> vectors = unwritten_vectors(expected.size());
    const double took = milliseconds([&] {
        require(s2v_cuda_model_predict_vectors(models.there.get(), nullptr, planes_there.get(), columns_there.get(), n,
                                               vectors.get()));
    });
    report.time(name, microseconds_each(took, n));
    const auto width = static_cast<std::int64_t>(numbers);
    report.compare(name, n, width, 0, width, as_words(expected).data(), as_words(vectors.to_host()).data());
}

inline void compare_made_rows(const BothModels &models, std::int64_t n, Report &report) {
    if (models.needs.vector) return compare_made_vectors(models, n, report);
    if (models.needs.first) return;  // inputs of a cascade are scored on the host alone
    const auto rows = static_cast<std::size_t>(n);
    const std::string name = models.name + ", " + std::to_string(n) + " rows";
    const std::vector<float> planes = synthetic_values(rows, models.pixels(), true);
    const std::vector<float> columns = synthetic_values(rows, models.columns(), false);
    const DeviceArray<float> planes_there(planes);
    const DeviceArray<float> columns_there(columns);
    std::vector<float> expected(rows);
    require(s2v_model_predict(models.here.get(), planes.data(), columns.data(), n, expected.data(), 0));
    DeviceArray<float> score(rows);
    score.poison();
    const double took = milliseconds([&] {
        require(s2v_cuda_model_predict(models.there.get(), nullptr, planes_there.get(), columns_there.get(), n,
                                       score.get()));
    });
    report.time(name, microseconds_each(took, n));
    report.compare(name, n, 1, 0, 1, expected.data(), score.to_host().data());
    if (models.pixels() > 0) return;
    std::vector<std::uint32_t> raised;
    for (std::size_t row = 0; row < rows; ++row) raised.push_back(row % 5 == 0 ? 1u << row % 17 : 0u);
    const DeviceArray<std::uint32_t> raised_there(raised);
    DeviceArray<std::uint32_t> flags(rows);
    std::vector<std::uint32_t> expected_flags(rows);
    for (const bool told : {true, false}) {
        require(s2v_score_columns(models.here.get(), columns.data(), told ? raised.data() : nullptr, n, expected.data(),
                                  expected_flags.data(), 0));
        score.poison();
        flags.poison();
        require(s2v_cuda_model_score_columns(models.there.get(), nullptr, columns_there.get(),
                                             told ? raised_there.get() : nullptr, n, score.get(), flags.get()));
        const std::string table = name + (told ? " of a table" : " of a table without flags");
        report.compare(table, n, 1, 0, 1, expected.data(), score.to_host().data());
        report.compare(table + ", flags", n, 1, 0, 1, expected_flags.data(), flags.to_host().data());
    }
}

// Stamps and what is known of them, on one side.
struct KnownStamps {
    s2v_stamps stamps;
    s2v_catalogue known;
};

inline void compare_inputs(const BothModels &models, const KnownStamps &here, const KnownStamps &there,
                           std::int64_t rows, void *scratch, Report &report) {
    const std::int64_t n = here.stamps.n;
    const auto count = static_cast<std::size_t>(n);
    std::vector<float> planes(count * models.pixels());
    std::vector<float> columns(count * models.columns());
    std::vector<std::uint32_t> flags(count);
    std::vector<std::uint8_t> scored((count + 3) / 4 * 4);
    require(s2v_model_inputs(models.here.get(), &here.stamps, &here.known, planes.data(), columns.data(), flags.data(),
                             scored.data(), 0));
    DeviceArray<float> planes_there(planes.size());
    DeviceArray<float> columns_there(columns.size());
    DeviceArray<std::uint32_t> flags_there(count);
    DeviceArray<std::uint8_t> scored_there(std::vector<std::uint8_t>(scored.size(), 0));
    planes_there.poison();
    columns_there.poison();
    flags_there.poison();
    require(s2v_cuda_model_inputs(models.there.get(), nullptr, &there.stamps, &there.known, scratch, rows,
                                  planes_there.get(), columns_there.get(), flags_there.get(), scored_there.get()));
    const std::string name = models.name + " inputs";
    const auto pixels = static_cast<std::int64_t>(models.pixels());
    const auto width = static_cast<std::int64_t>(models.columns());
    if (pixels > 0)
        report.compare(name + ", planes", n, pixels, 0, pixels, planes.data(), planes_there.to_host().data());
    if (width > 0)
        report.compare(name + ", columns", n, width, 0, width, columns.data(), columns_there.to_host().data());
    report.compare(name + ", flags", n, 1, 0, 1, flags.data(), flags_there.to_host().data());
    report.compare(name + ", scored", static_cast<std::int64_t>(scored.size()) / 4, 1, 0, 1, scored.data(),
                   scored_there.to_host().data());
}

inline void compare_scores(const BothModels &models, const KnownStamps &here, const KnownStamps &there,
                           std::int64_t rows, void *scratch, const std::string &what, Report &report) {
    const std::int64_t n = here.stamps.n;
    const auto count = static_cast<std::size_t>(n);
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.threads = 0;
    s2v_scorer *created = nullptr;
    require(s2v_scorer_create(models.here.get(), &options, &created));
    const std::unique_ptr<s2v_scorer, decltype(&s2v_scorer_free)> scorer(created, &s2v_scorer_free);
    const std::string name = models.name + " of stamps" + what + ", " + std::to_string(rows) + " at a time";
    std::vector<std::uint32_t> expected_flags(count);
    DeviceArray<std::uint32_t> flags(count);
    flags.poison();
    if (models.needs.vector) {
        const auto width = static_cast<std::int64_t>(models.needs.vector);
        std::vector<std::int8_t> wanted(count * static_cast<std::size_t>(width));
        require(s2v_embed_stamps(created, &here.stamps, &here.known, wanted.data(), expected_flags.data()));
        DeviceArray<std::int8_t> vectors = unwritten_vectors(wanted.size());
        const double spent = milliseconds([&] {
            require(s2v_cuda_model_embed(models.there.get(), nullptr, &there.stamps, &there.known, scratch, rows,
                                         vectors.get(), flags.get()));
        });
        report.time(name, microseconds_each(spent, n));
        report.compare(name, n, width, 0, width, as_words(wanted).data(), as_words(vectors.to_host()).data());
        report.compare(name + ", flags", n, 1, 0, 1, expected_flags.data(), flags.to_host().data());
        return;
    }
    std::vector<float> expected(count);
    require(s2v_score_stamps(created, &here.stamps, &here.known, expected.data(), expected_flags.data()));
    DeviceArray<float> score(count);
    score.poison();
    const double took = milliseconds([&] {
        require(s2v_cuda_model_score(models.there.get(), nullptr, &there.stamps, &there.known, scratch, rows,
                                     score.get(), flags.get()));
    });
    report.time(name, microseconds_each(took, n));
    report.compare(name, n, 1, 0, 1, expected.data(), score.to_host().data());
    report.compare(name + ", flags", n, 1, 0, 1, expected_flags.data(), flags.to_host().data());
}

inline void compare_model(const std::filesystem::path &file, const KnownStamps &here, const KnownStamps &there,
                          Report &report) {
    const BothModels models(file);
    if (models.needs.runs)
        for (const std::int64_t n : kRowCounts) compare_made_rows(models, n, report);
    if (models.needs.foreign) return;
    for (const std::int64_t rows : kAtATime) {
        DeviceArray<unsigned char> scratch(static_cast<std::size_t>(s2v_cuda_model_scratch(models.there.get(), rows)));
        scratch.poison();
        compare_inputs(models, here, there, rows, scratch.get(), report);
        if (!models.needs.runs) continue;
        compare_scores(models, here, there, rows, scratch.get(), "", report);
        KnownStamps bare_here = here;
        KnownStamps bare_there = there;
        bare_here.known.values = bare_there.known.values = nullptr;
        bare_here.known.raised = bare_there.known.raised = nullptr;
        compare_scores(models, bare_here, bare_there, rows, scratch.get(), " of which nothing is known", report);
    }
}

inline void compare_models(const std::filesystem::path &folder, const SuiteStamps &suite, Report &report) {
    const SuiteKnown known = read_known(folder, suite.n);
    const DeviceArray<float> pixels(suite.pixels);
    const DeviceArray<std::int64_t> offset(suite.offset);
    const DeviceArray<std::int32_t> shape(suite.shape);
    const DeviceArray<std::int32_t> centre(suite.centre);
    const DeviceArray<float> catalogue(known.catalogue);
    const DeviceArray<std::uint32_t> raised(known.raised);
    const auto count = static_cast<std::int64_t>(suite.pixels.size());
    const KnownStamps here = {{sizeof(s2v_stamps), suite.pixels.data(), count, suite.offset.data(), suite.shape.data(),
                               suite.centre.data(), suite.n, suite.saturation},
                              {sizeof(s2v_catalogue), known.catalogue.data(), known.raised.data()}};
    const KnownStamps there = {
        {sizeof(s2v_stamps), pixels.get(), count, offset.get(), shape.get(), centre.get(), suite.n, suite.saturation},
        {sizeof(s2v_catalogue), catalogue.get(), raised.get()}};
    std::vector<std::filesystem::path> files;
    for (const auto &entry : std::filesystem::directory_iterator(folder / "models")) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) throw SuiteError((folder / "models").string() + ": holds no model");
    for (const auto &file : files) compare_model(file, here, there, report);
}

}  // namespace s2v::cuda::parity
