// Models and scorers for C++20. Part of space2vec.hpp.
#pragma once

#include "core.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace s2v {

// A forest, or a network that is run in integers. It never changes: threads may share it.
class Model {
public:
    // A packaged model by its name ("default"), or a file.
    static Model load(const std::string &name_or_path) {
        s2v_model *model = nullptr;
        const s2v_status status = s2v_model_load(name_or_path.c_str(), &model);
        if (status != S2V_OK) throw Error(status, name_or_path + ": " + s2v_last_error());
        return Model(model);
    }
    static Model from_memory(std::span<const std::byte> bytes) {
        s2v_model *model = nullptr;
        const s2v_status status = s2v_model_from_memory(bytes.data(), static_cast<std::int64_t>(bytes.size()), &model);
        if (status != S2V_OK) throw Error(status, s2v_last_error());
        return Model(model);
    }

    [[nodiscard]] std::string name() const {
        return s2v_model_name(model_.get());
    }
    // The header of the model's file, a JSON object.
    [[nodiscard]] std::string header() const {
        return s2v_model_header(model_.get());
    }
    [[nodiscard]] s2v_needs needs() const {
        auto needs = sized<s2v_needs>();
        detail::check(s2v_model_needs(model_.get(), &needs), "Model::needs");
        return needs;
    }
    // The columns that it takes, in order.
    [[nodiscard]] std::vector<std::string> columns() const {
        std::vector<std::string> names;
        for (std::int32_t i = 0; const char *name = s2v_model_column(model_.get(), i); ++i) names.emplace_back(name);
        return names;
    }

    // P(real) of inputs that were prepared: planes (n, channel, height, width), columns (n, k), empty where it takes
    // none; score: (n). threads 0: all cores.
    void predict(std::span<const float> planes, std::span<const float> columns, std::span<float> score,
                 int threads = 1) const {
        const s2v_needs needs = this->needs();
        const std::size_t n = score.size();
        detail::require(
            planes.size() == n * pixels_of(needs) && columns.size() == n * static_cast<std::size_t>(needs.columns),
            "predict: planes or columns do not fit score");
        detail::check(s2v_model_predict(model_.get(), planes.data(), columns.data(), static_cast<std::int64_t>(n),
                                        score.data(), threads),
                      "predict");
    }

    // The vectors of such inputs, by a network of vectors: (n, needs().vector).
    void predict_vectors(std::span<const float> planes, std::span<const float> columns, std::span<std::int8_t> vectors,
                         int threads = 1) const {
        const s2v_needs needs = this->needs();
        const std::size_t n = needs.vector > 0 ? vectors.size() / static_cast<std::size_t>(needs.vector) : 0;
        detail::require(needs.vector == 0 || (vectors.size() == n * static_cast<std::size_t>(needs.vector) &&
                                              planes.size() == n * pixels_of(needs) &&
                                              columns.size() == n * static_cast<std::size_t>(needs.columns)),
                        "predict_vectors: planes or columns do not fit vectors");
        detail::check(s2v_model_predict_vectors(model_.get(), planes.data(), columns.data(),
                                                static_cast<std::int64_t>(n), vectors.data(), threads),
                      "predict_vectors");
    }

    // P(real) of rows of a table that has its columns (n, k). raised: (n) flags so far, or empty;
    // score, flags: (n).
    void score_columns(std::span<const float> columns, std::span<const std::uint32_t> raised, std::span<float> score,
                       std::span<std::uint32_t> flags, int threads = 1) const {
        const std::size_t n = score.size();
        check_table(columns, raised, flags, n);
        detail::check(s2v_score_columns(model_.get(), columns.data(), raised.empty() ? nullptr : raised.data(),
                                        static_cast<std::int64_t>(n), score.data(), flags.data(), threads),
                      "score_columns");
    }

    // Apply only the rule that decides which rows have a score: scored (n) is 1 there.
    void check_columns(std::span<const float> columns, std::span<const std::uint32_t> raised,
                       std::span<std::uint32_t> flags, std::span<std::uint8_t> scored) const {
        const std::size_t n = scored.size();
        check_table(columns, raised, flags, n);
        detail::check(s2v_check_columns(model_.get(), columns.data(), raised.empty() ? nullptr : raised.data(),
                                        static_cast<std::int64_t>(n), flags.data(), scored.data()),
                      "check_columns");
    }

    // Compute the inputs that it needs of stamps, as s2v_model_inputs does: planes (n, channel, height, width) and
    // columns (n, k), either may be empty; flags and scored: (n). catalogue and raised as Scorer::score takes them.
    void inputs(const Stamps &stamps, std::span<float> planes, std::span<float> columns, std::span<std::uint32_t> flags,
                std::span<std::uint8_t> scored, std::span<const float> catalogue = {},
                std::span<const std::uint32_t> raised = {}, int threads = 1) const {
        const std::size_t n = stamps.size();
        const s2v_needs needs = this->needs();
        detail::require((planes.empty() || planes.size() == n * pixels_of(needs)) &&
                            (columns.empty() || columns.size() == n * static_cast<std::size_t>(needs.columns)) &&
                            flags.size() == n && scored.size() == n &&
                            (catalogue.empty() || catalogue.size() == n * S2V_CATALOGUE_COLUMNS) &&
                            (raised.empty() || raised.size() == n),
                        "inputs: the arrays do not fit the stamps");
        const s2v_stamps view = stamps.c();
        const s2v_catalogue known = {sizeof known, catalogue.empty() ? nullptr : catalogue.data(),
                                     raised.empty() ? nullptr : raised.data()};
        detail::check(
            s2v_model_inputs(model_.get(), &view, &known, planes.empty() ? nullptr : planes.data(),
                             columns.empty() ? nullptr : columns.data(), flags.data(), scored.data(), threads),
            "inputs");
    }

    [[nodiscard]] const s2v_model *c() const noexcept {
        return model_.get();
    }

private:
    static std::size_t pixels_of(const s2v_needs &needs) noexcept {
        return static_cast<std::size_t>(needs.shape[0]) * static_cast<std::size_t>(needs.shape[1]) *
               static_cast<std::size_t>(needs.shape[2]);
    }
    void check_table(std::span<const float> columns, std::span<const std::uint32_t> raised,
                     std::span<const std::uint32_t> flags, std::size_t n) const {
        detail::require(columns.size() == n * static_cast<std::size_t>(needs().columns) && flags.size() == n &&
                            (raised.empty() || raised.size() == n),
                        "the arrays do not fit the columns");
    }
    struct Free {
        void operator()(s2v_model *model) const noexcept {
            s2v_model_free(model);
        }
    };
    explicit Model(s2v_model *model) noexcept : model_(model) {}

    std::unique_ptr<s2v_model, Free> model_;
};

// Scores stamps by a model, or turns them into vectors by a network of vectors; the model must outlive it. It allocates
// all its memory when it is created; one thread at a time.
class Scorer {
public:
    explicit Scorer(const Model &model, int threads = 1) : Scorer(model, with_threads(threads)) {}
    Scorer(const Model &model, const s2v_scorer_options &options) {
        s2v_scorer *scorer = nullptr;
        detail::check(s2v_scorer_create(model.c(), &options, &scorer), "Scorer");
        scorer_.reset(scorer);
        numbers_ = static_cast<std::size_t>(model.needs().vector);
    }

    // P(real) of each row, NaN where a flag forbids it. catalogue: (n, S2V_CATALOGUE_COLUMNS), and raised: (n) the
    // flags that the reader raised; either may be empty.
    void score(const Stamps &stamps, std::span<float> score, std::span<std::uint32_t> flags,
               std::span<const float> catalogue = {}, std::span<const std::uint32_t> raised = {}) {
        detail::require(score.size() == stamps.size(), "score: the arrays do not fit the stamps");
        const s2v_stamps view = stamps.c();
        const s2v_catalogue known =
            known_of(stamps.size(), flags, catalogue, raised, "score: the arrays do not fit the stamps");
        detail::check(s2v_score_stamps(scorer_.get(), &view, &known, score.data(), flags.data()), "score");
    }

    // The vectors (n, s2v_needs.vector) of rows, zeros where a flag forbids one; otherwise as score.
    void embed(const Stamps &stamps, std::span<std::int8_t> vectors, std::span<std::uint32_t> flags,
               std::span<const float> catalogue = {}, std::span<const std::uint32_t> raised = {}) {
        detail::require(numbers_ == 0 || vectors.size() == stamps.size() * numbers_,
                        "embed: the vectors do not fit the stamps");
        const s2v_stamps view = stamps.c();
        const s2v_catalogue known =
            known_of(stamps.size(), flags, catalogue, raised, "embed: the arrays do not fit the stamps");
        detail::check(s2v_embed_stamps(scorer_.get(), &view, &known, vectors.data(), flags.data()), "embed");
    }

    // Numbers of a vector; 0: the model gives scores.
    [[nodiscard]] std::size_t numbers() const noexcept {
        return numbers_;
    }
    [[nodiscard]] s2v_scorer *c() const noexcept {
        return scorer_.get();
    }

private:
    struct Free {
        void operator()(s2v_scorer *scorer) const noexcept {
            s2v_scorer_free(scorer);
        }
    };
    static s2v_catalogue known_of(std::size_t n, std::span<const std::uint32_t> flags, std::span<const float> catalogue,
                                  std::span<const std::uint32_t> raised, const char *what) {
        detail::require(flags.size() == n && (catalogue.empty() || catalogue.size() == n * S2V_CATALOGUE_COLUMNS) &&
                            (raised.empty() || raised.size() == n),
                        what);
        return {sizeof(s2v_catalogue), catalogue.empty() ? nullptr : catalogue.data(),
                raised.empty() ? nullptr : raised.data()};
    }
    static s2v_scorer_options with_threads(int threads) {
        s2v_scorer_options options;
        s2v_scorer_options_init(&options);
        options.threads = threads;
        return options;
    }

    std::unique_ptr<s2v_scorer, Free> scorer_;
    std::size_t numbers_ = 0;  // numbers of the vector that the model gives
};

// Turn scores into probabilities, in place, as s2v_calibrate does.
inline void calibrate(std::span<const float> x, std::span<const float> y, std::span<float> score) {
    detail::require(x.size() == y.size() && x.size() <= 1024, "calibrate: x and y do not fit");
    detail::check(s2v_calibrate(static_cast<std::int32_t>(x.size()), x.data(), y.data(), score.data(),
                                static_cast<std::int64_t>(score.size())),
                  "calibrate");
}

}  // namespace s2v
