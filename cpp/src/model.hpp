// A model that a host owns: a forest or an integer network, what it needs of candidates, and its header.
#pragma once

#include "calibration.hpp"
#include "forest.hpp"
#include "kernel/feature_sets.hpp"
#include "kernel/row_rule.hpp"
#include "kernel/views.hpp"
#include "network.hpp"
#include "space2vec/space2vec.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace s2v {

// How planes are prepared: by chains of steps, or by a recipe of the registry that is none.
struct ModelRecipe {
    std::int32_t registered = -1;  // number of a recipe of the registry that is no chain
    kernel::ViewRecipe views{};    // else
    std::int32_t planes = 0;       // that come out
    std::int32_t height = 0;
    std::int32_t width = 0;

    [[nodiscard]] std::size_t pixels() const noexcept {
        return static_cast<std::size_t>(planes) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    }
};

// Where a column of a model comes from: the stamp features of its sets, then the catalogue's; -1: neither has it.
inline constexpr std::int32_t kForeignColumn = -1;

}  // namespace s2v

struct s2v_model {
    std::string header;  // JSON
    std::string name;
    s2v::kernel::ModelNeeds needs{};
    s2v::kernel::Measuring measuring{};  // of stamps; sets 0: nothing is
    s2v_convention convention = S2V_CONVENTION_CODE;
    std::vector<std::string> columns;
    std::vector<std::int32_t> place;  // (columns)
    std::optional<s2v::ModelRecipe> recipe;
    std::int32_t vector = 0;                   // numbers of the vector that it gives; 0: it gives a score
    s2v::Calibration calibration;              // that every score goes through, if there is one
    std::optional<s2v::Forest> forest;         // one of these, unless the network is of floats alone
    std::optional<s2v::Network> network;       // the tensors
    std::optional<s2v::PackedNetwork> packed;  // as the active instruction set wants them
    // Of a cascade: the network that is asked before this one, which is asked where that one's score is in doubt. What
    // it takes, this one takes too.
    std::unique_ptr<s2v_model> first;
    s2v::kernel::Doubt doubt{};
};

namespace s2v {

// The model in the bytes of a file. Throws Failure (S2V_BAD_MODEL).
s2v_model parse_model(std::string_view bytes);

// The same of a packaged name, or of a path. Throws Failure, S2V_IO_ERROR too.
s2v_model load_model(const std::string &name_or_path);

// Throws Failure (S2V_BAD_MODEL) where a model cannot be run on stamps: a network of floats alone, or one of columns
// that neither stamps nor the catalogue give.
void check_runs(const s2v_model &model);

inline constexpr const char *kGivesVectors = "the model gives vectors, not scores";
inline constexpr const char *kGivesScores = "the model gives scores, not vectors";

// Throws Failure (S2V_BAD_MODEL) where a model gives something else than scores, or than vectors.
void check_gives_scores(const s2v_model &model);
void check_gives_vectors(const s2v_model &model);

// Whether two models take the same planes and columns, and by the same rule: then these are prepared for both at once.
bool take_the_same(const s2v_model &a, const s2v_model &b);

// Throws Failure (S2V_BAD_MODEL) where stamps and the catalogue do not give all columns of a model.
void check_columns_of_stamps(const s2v_model &model);

// How many of its columns are the catalogue's.
std::int32_t catalogue_columns(const s2v_model &model);

// What the row rule says of n rows of a table that has the model's columns (n, columns). raised: (n) what a reader saw,
// or null; flags: (n); scored: (n), 1 where a row has a score.
void apply_table_rule(const s2v_model &model, const float *columns, const std::uint32_t *raised, std::int64_t n,
                      std::uint32_t *flags, std::uint8_t *scored);

// P(real) of n rows of what a model takes: planes (n, planes, height, width), columns (n, columns). A row with a pixel
// that is not finite is NaN.
void predict(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
             int threads);

// The vectors (n, model.vector) of such rows, by a network of vectors. A row with a pixel that is not finite has zeros.
void predict_vectors(const s2v_model &model, const float *planes, const float *columns, std::int64_t n,
                     std::int8_t *vectors, int threads);

// The scores by the model itself, and of a cascade by the second network.
void predict_alone(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
                   int threads);

}  // namespace s2v
