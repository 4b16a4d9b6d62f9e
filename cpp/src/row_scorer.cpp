#include "row_scorer.hpp"

#include "kernel/feature_sets.hpp"
#include "kernel/forest.hpp"
#include "triplet.hpp"

#include <algorithm>
#include <limits>

namespace s2v {
namespace {

std::size_t divide(Workspace &space, std::byte *memory, const s2v_model &model, const s2v_isa_table &isa,
                   std::int32_t rows) {
    MemoryDivider parts(memory);
    const auto n = static_cast<std::size_t>(rows);
    const auto features = static_cast<std::size_t>(kernel::set_columns(model.measuring.sets));
    std::size_t network = 0;
    if (model.packed) {
        const kernel::NetworkView view = model.packed->view();
        network = isa.network_scratch(&view, rows);
    }
    space.measuring = parts.take<std::byte>(model.measuring.sets ? isa.feature_scratch : 0);
    space.preparing = parts.take<std::byte>(model.recipe ? std::max(isa.recipe_scratch, isa.step_scratch) : 0);
    space.network = parts.take<std::byte>(network);
    space.features = parts.take<float>(n * features);
    space.columns = parts.take<float>(n * model.columns.size());
    space.planes = parts.take<float>(model.recipe ? model.recipe->pixels() : 0);
    space.score = parts.take<float>(n);
    space.vectors = parts.take<std::int8_t>(n * static_cast<std::size_t>(model.vector));
    space.sum = parts.take<double>(n);
    space.measured = parts.take<std::uint32_t>(n);
    space.row = parts.take<std::int32_t>(n);
    return parts.used();
}

}  // namespace

Workspace::Workspace(const s2v_model &model, const s2v_isa_table &isa, std::int32_t rows,
                     const s2v_allocator *allocator)
    : memory_(divide(*this, nullptr, model, isa, rows), allocator) {
    divide(*this, memory_.data(), model, isa, rows);
}

RowScorer::RowScorer(const s2v_model &model, const s2v_isa_table &isa, std::int32_t largest_side)
    : model_(model),
      isa_(isa),
      largest_side_(largest_side),
      measured_columns_(kernel::set_columns(model.measuring.sets)) {
    if (model.packed) network_ = model.packed->view();
}

// Row i of a block.
std::uint32_t RowScorer::prepare_row(const s2v_stamps &block, std::int32_t i, float *planes, Workspace &space) const {
    std::uint32_t flags = 0;
    s2v_stamps one = block;
    one.n = 1;
    one.offset += std::ptrdiff_t{i} * S2V_CHANNELS;
    one.shape += std::ptrdiff_t{i} * S2V_CHANNELS * 2;
    if (one.centre != nullptr) one.centre += std::ptrdiff_t{i} * 2;
    const ModelRecipe &recipe = *model_.recipe;
    if (recipe.registered >= 0)
        isa_.prepare(&one, 0, 1, recipe.registered, model_.needs.flags_measured, planes, &flags, space.preparing);
    else
        isa_.prepare_views(&one, 0, 1, &recipe.views, &model_.needs, planes, &flags, space.preparing);
    return flags;
}

// The model's columns of row i of a block; returns what there was (kernel::ColumnContents).
std::uint32_t RowScorer::gather_columns(const Block &block, std::int32_t i, float *to) const {
    const float *const measured = block.features + std::ptrdiff_t{i} * measured_columns_;
    const float *const beside =
        block.catalogue == nullptr ? nullptr : block.catalogue + std::ptrdiff_t{i} * kernel::kCatalogueColumns;
    std::uint32_t met = 0;
    for (std::size_t k = 0; k < model_.place.size(); ++k) {
        const std::int32_t place = model_.place[k];
        const std::int32_t of_catalogue = place - measured_columns_;
        float x = std::numeric_limits<float>::quiet_NaN();
        if (of_catalogue < 0)
            x = measured[place];
        else if (beside != nullptr)
            x = beside[of_catalogue];
        if (x == x) met |= of_catalogue < 0 ? kernel::kAnyValue : kernel::kAnyValue | kernel::kCatalogueValue;
        to[k] = x;
    }
    return met;
}

// Measures rows [begin, end), unless that was done.
RowScorer::Block RowScorer::measure_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end,
                                          const CandidateData &known, Workspace &space) const {
    Block block = {stamps, space.features, space.measured, known.catalogue, known.raised};
    block.stamps.n = end - begin;
    block.stamps.offset += begin * S2V_CHANNELS;
    block.stamps.shape += begin * S2V_CHANNELS * 2;
    if (block.stamps.centre != nullptr) block.stamps.centre += begin * 2;
    if (block.catalogue != nullptr) block.catalogue += begin * kernel::kCatalogueColumns;
    if (block.raised != nullptr) block.raised += begin;
    if (known.features != nullptr) {
        block.features = known.features + begin * measured_columns_;
        block.feature_flags = known.feature_flags + begin;
    } else if (model_.measuring.sets) {
        isa_.features(&block.stamps, 0, block.stamps.n, &model_.measuring, model_.convention, space.features,
                      space.measured, space.measuring);
    }
    return block;
}

// Writes the planes and columns of row i of a block, and judges it.
kernel::Verdict RowScorer::prepare_inputs(const Block &block, std::int32_t i, float *planes, float *columns,
                                          Workspace &space) const {
    const kernel::Triplet triplet = kernel::triplet_of(&block.stamps, i);
    bool large = false;
    for (int c = 0; c < S2V_CHANNELS; ++c) {
        const kernel::Plane &plane = triplet.plane[c];
        if (plane.pixels == nullptr || (model_.needs.planes >> c & 1U) == 0) continue;
        large = large || plane.height > largest_side_ || plane.width > largest_side_;
    }
    kernel::RaisedFlags raised = {};
    // Parts that others asked for raise no flags of the model's.
    if (model_.measuring.sets)
        raised.measured = block.feature_flags[i] & ~kernel::part_flags(kernel::kEveryPart & ~model_.measuring.parts);
    if (large)
        raised.prepared = raised.measured = raised.measured | kernel::flag::off_shape;
    else if (model_.recipe)
        raised.prepared = prepare_row(block.stamps, i, planes, space);
    const std::uint32_t reader = block.raised == nullptr ? 0 : block.raised[i];
    const kernel::Verdict verdict = kernel::apply_pixel_rule(model_.needs, triplet, reader, raised);
    if (model_.columns.empty()) return verdict;
    return kernel::apply_column_rule(model_.needs, verdict, gather_columns(block, i, columns));
}

void RowScorer::score_columns(std::int32_t rows, Workspace &space) const {
    if (model_.packed)
        isa_.score_rows(&network_, space.columns, rows, space.score, space.network, kScorerBlock);
    else
        walk_trees(rows, space);
    const kernel::CalibrationView table = model_.calibration.view();
    for (std::int32_t k = 0; k < rows && table.knots > 0; ++k)
        space.score[k] = kernel::apply_calibration(table, space.score[k]);
}

void RowScorer::walk_trees(std::int32_t rows, Workspace &space) const {
    const Forest &forest = *model_.forest;
    const std::size_t columns = model_.columns.size();
    if (!forest.fill.empty())
        for (std::size_t i = 0; i < static_cast<std::size_t>(rows) * columns; ++i)
            if (space.columns[i] != space.columns[i]) space.columns[i] = forest.fill[i % columns];
    kernel::forest_block(forest.view(), space.columns, rows, space.sum, space.score);
}

// Measures, prepares and judges rows [begin, end). Of those that are scored it keeps the columns in the workspace, and
// calls encode(planes, k) for the k-th of them; returns how many they are.
template <class Encode>
std::int32_t RowScorer::prepare_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end,
                                      const CandidateData &known, std::uint32_t *flags, Workspace &space,
                                      Encode encode) const {
    const Block block = measure_block(stamps, begin, end, known, space);
    const auto rows = static_cast<std::int32_t>(end - begin);
    const std::size_t columns = model_.columns.size();
    std::int32_t scored = 0;
    for (std::int32_t i = 0; i < rows; ++i) {
        float *const to = space.columns + static_cast<std::size_t>(scored) * columns;
        const kernel::Verdict verdict = prepare_inputs(block, i, space.planes, to, space);
        flags[begin + i] = verdict.flags;
        if (!verdict.scored) continue;
        if (model_.recipe) encode(space.planes, scored);
        space.row[scored++] = i;
    }
    return scored;
}

void RowScorer::encode(const float *planes, std::int32_t row, Workspace &space) const {
    isa_.encode_planes(&network_, planes, row, kScorerBlock, space.network);
}

// Vectors of rows whose planes are encoded; row: (rows) where each goes among the vectors.
void RowScorer::write_vectors(std::int32_t rows, const float *columns, const std::int32_t *row, std::int8_t *vectors,
                              Workspace &space) const {
    const std::ptrdiff_t numbers = model_.vector;
    isa_.embed_rows(&network_, columns, rows, space.vectors, space.network, kScorerBlock);
    for (std::int32_t k = 0; k < rows; ++k)
        std::copy_n(space.vectors + k * numbers, numbers, vectors + row[k] * numbers);
}

void RowScorer::score_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
                            float *score, std::uint32_t *flags, Workspace &space, const VectorTarget *also) const {
    std::fill(score + begin, score + end, std::numeric_limits<float>::quiet_NaN());
    const std::int64_t numbers = also == nullptr ? 0 : also->embedder.model_.vector;
    if (also != nullptr) std::fill(also->vectors + begin * numbers, also->vectors + end * numbers, std::int8_t{0});
    const std::int32_t scored =
        prepare_block(stamps, begin, end, known, flags, space, [&](const float *planes, std::int32_t k) {
            encode(planes, k, space);
            if (also != nullptr) also->embedder.encode(planes, k, also->space);
        });
    if (scored == 0) return;
    score_columns(scored, space);
    for (std::int32_t k = 0; k < scored; ++k) score[begin + space.row[k]] = space.score[k];
    if (also != nullptr)
        also->embedder.write_vectors(scored, space.columns, space.row, also->vectors + begin * numbers, also->space);
}

void RowScorer::embed_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
                            std::int8_t *vectors, std::uint32_t *flags, Workspace &space) const {
    const std::int64_t numbers = model_.vector;
    std::fill(vectors + begin * numbers, vectors + end * numbers, std::int8_t{0});
    const std::int32_t scored = prepare_block(stamps, begin, end, known, flags, space,
                                              [&](const float *planes, std::int32_t k) { encode(planes, k, space); });
    if (scored > 0) write_vectors(scored, space.columns, space.row, vectors + begin * numbers, space);
}

void RowScorer::write_inputs(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
                             const RowInputs &out, Workspace &space) const {
    const Block block = measure_block(stamps, begin, end, known, space);
    const auto pixels = static_cast<std::int64_t>(model_.recipe ? model_.recipe->pixels() : 0);
    const auto columns = static_cast<std::int64_t>(model_.columns.size());
    for (std::int64_t row = begin; row < end; ++row) {
        const kernel::Verdict verdict = prepare_inputs(
            block, static_cast<std::int32_t>(row - begin), out.planes ? out.planes + row * pixels : space.planes,
            out.columns ? out.columns + row * columns : space.columns, space);
        out.flags[row] = verdict.flags;
        out.scored[row] = verdict.scored ? 1 : 0;
    }
}

}  // namespace s2v
