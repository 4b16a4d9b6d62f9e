// Models and scorers behind the C ABI.
#include "calls.hpp"
#include "candidate_data.hpp"
#include "model.hpp"
#include "scorer.hpp"

#include "threads.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

using namespace s2v;

namespace {

const s2v_model &require_model(const s2v_model *model) {
    require(model != nullptr, "null model");
    return *model;
}

const s2v_model &require_table(const s2v_model *model, const float *columns, int64_t n) {
    const s2v_model &of = require_model(model);
    require(n >= 0, "n is negative");
    require(!of.recipe, "the model takes planes, which a table has not");
    require(columns != nullptr || n == 0, "null columns");
    return of;
}

}  // namespace

extern "C" {

s2v_status s2v_model_load(const char *name_or_path, s2v_model **model) {
    return guarded([&] {
        require(model != nullptr, "null model");
        *model = nullptr;
        require(name_or_path != nullptr, "null name");
        *model = std::make_unique<s2v_model>(load_model(name_or_path)).release();
    });
}

s2v_status s2v_model_from_memory(const void *bytes, int64_t size, s2v_model **model) {
    return guarded([&] {
        require(model != nullptr, "null model");
        *model = nullptr;
        require(bytes != nullptr && size >= 0, "bytes and size");
        const std::string_view view(static_cast<const char *>(bytes), static_cast<std::size_t>(size));
        *model = std::make_unique<s2v_model>(parse_model(view)).release();
    });
}

void s2v_model_free(s2v_model *model) {
    delete model;
}

const char *s2v_model_header(const s2v_model *model) {
    return model == nullptr ? nullptr : model->header.c_str();
}

const char *s2v_model_name(const s2v_model *model) {
    return model == nullptr ? nullptr : model->name.c_str();
}

const char *s2v_model_column(const s2v_model *model, int32_t index) {
    if (model == nullptr || index < 0 || static_cast<std::size_t>(index) >= model->columns.size()) return nullptr;
    return model->columns[static_cast<std::size_t>(index)].c_str();
}

s2v_status s2v_model_needs(const s2v_model *model, s2v_needs *needs) {
    return guarded([&] {
        const s2v_model &of = require_model(model);
        require(needs != nullptr && needs->size >= sizeof(s2v_needs), "needs, or its size");
        const std::size_t size = needs->size;
        *needs = {};
        needs->size = size;
        needs->planes = of.needs.planes;
        needs->first = of.first ? of.first->needs.planes : 0;
        needs->optional = of.needs.optional;
        needs->sets = of.measuring.sets;
        needs->convention = of.convention;
        needs->columns = static_cast<int32_t>(of.columns.size());
        needs->foreign = static_cast<int32_t>(std::count(of.place.begin(), of.place.end(), kForeignColumn));
        needs->catalogue = catalogue_columns(of);
        if (of.recipe) {
            needs->shape[0] = of.recipe->planes;
            needs->shape[1] = of.recipe->height;
            needs->shape[2] = of.recipe->width;
        }
        needs->runs = of.forest || of.packed ? 1 : 0;
        needs->vector = of.vector;
    });
}

s2v_status s2v_model_predict(const s2v_model *model, const float *planes, const float *columns, int64_t n, float *score,
                             int32_t threads) {
    return guarded([&] {
        const s2v_model &of = require_model(model);
        require(n >= 0 && threads >= 0, "n or threads is negative");
        if (n == 0) return;
        require(score != nullptr && (planes != nullptr || !of.recipe) && (columns != nullptr || of.columns.empty()),
                "a null array");
        predict(of, planes, columns, n, score, threads);
    });
}

s2v_status s2v_model_predict_vectors(const s2v_model *model, const float *planes, const float *columns, int64_t n,
                                     int8_t *vectors, int32_t threads) {
    return guarded([&] {
        const s2v_model &of = require_model(model);
        require(n >= 0 && threads >= 0, "n or threads is negative");
        check_gives_vectors(of);
        if (n == 0) return;
        require(vectors != nullptr && planes != nullptr && (columns != nullptr || of.columns.empty()), "a null array");
        predict_vectors(of, planes, columns, n, vectors, threads);
    });
}

s2v_status s2v_check_columns(const s2v_model *model, const float *columns, const uint32_t *raised, int64_t n,
                             uint32_t *flags, uint8_t *scored) {
    return guarded([&] {
        const s2v_model &of = require_table(model, columns, n);
        require((flags != nullptr && scored != nullptr) || n == 0, "a null array");
        apply_table_rule(of, columns, raised, n, flags, scored);
    });
}

s2v_status s2v_score_columns(const s2v_model *model, const float *columns, const uint32_t *raised, int64_t n,
                             float *score, uint32_t *flags, int32_t threads) {
    return guarded([&] {
        const s2v_model &of = require_table(model, columns, n);
        require((score != nullptr && flags != nullptr) || n == 0, "a null array");
        require(threads >= 0, "threads is negative");
        std::vector<std::uint8_t> scored(static_cast<std::size_t>(n));
        predict(of, nullptr, columns, n, score, threads);
        apply_table_rule(of, columns, raised, n, flags, scored.data());
        for (std::int64_t row = 0; row < n; ++row)
            if (scored[static_cast<std::size_t>(row)] == 0) score[row] = std::numeric_limits<float>::quiet_NaN();
    });
}

s2v_status s2v_model_inputs(const s2v_model *model, const s2v_stamps *stamps, const s2v_catalogue *catalogue,
                            float *planes, float *columns, uint32_t *flags, uint8_t *scored, int32_t threads) {
    return guarded([&] {
        const s2v_model &of = require_model(model);
        check_stamps(stamps, scored, flags, threads);
        const CandidateData known = candidate_data(catalogue);
        check_columns_of_stamps(of);
        const s2v_isa_table &isa = require_isa();
        const RowScorer rows(of, isa, kLargestStampSide);
        const RowInputs out = {planes, columns, flags, scored};
        constexpr auto kRows = static_cast<std::int32_t>(kStampBlock);
        parallel_for(
            stamps->n, kRows, threads, [&] { return Workspace(of, isa, kRows, nullptr); },
            [&](std::int64_t begin, std::int64_t end, Workspace &space) {
                rows.write_inputs(*stamps, begin, end, known, out, space);
            });
    });
}

void s2v_scorer_options_init(s2v_scorer_options *options) {
    if (options == nullptr) return;
    *options = {};
    options->size = sizeof *options;
    options->threads = 1;
}

s2v_status s2v_scorer_create(const s2v_model *model, const s2v_scorer_options *options, s2v_scorer **scorer) {
    return guarded([&] {
        require(scorer != nullptr, "null scorer");
        *scorer = nullptr;
        const s2v_model &of = require_model(model);
        s2v_scorer_options how;
        s2v_scorer_options_init(&how);
        if (options != nullptr) {
            require(options->size >= sizeof how, "the size of the options");
            how = *options;
        }
        require(how.threads >= 0 && how.threads <= 4096, "threads");
        require(how.largest_side >= 0 && how.largest_side <= kLargestStampSide, "largest_side");
        require(how.run == nullptr || how.threads > 0, "threads of a pool of the caller's");
        if (how.allocator != nullptr) S2V_REQUIRE_SIZE(how.allocator, s2v_allocator);
        require(how.allocator == nullptr || (how.allocator->allocate != nullptr && how.allocator->release != nullptr),
                "an allocator without functions");
        check_runs(of);
        *scorer = std::make_unique<s2v_scorer>(of, require_isa(), how).release();
    });
}

s2v_status s2v_score_stamps(s2v_scorer *scorer, const s2v_stamps *stamps, const s2v_catalogue *catalogue, float *score,
                            uint32_t *flags) {
    return guarded([&] {
        require(scorer != nullptr, "null scorer");
        check_gives_scores(scorer->model());
        check_stamps(stamps, score, flags, 0);
        const CandidateData known = candidate_data(catalogue);
        if (stamps->n > 0) scorer->score(*stamps, known, score, flags);
    });
}

s2v_status s2v_embed_stamps(s2v_scorer *scorer, const s2v_stamps *stamps, const s2v_catalogue *catalogue,
                            int8_t *vectors, uint32_t *flags) {
    return guarded([&] {
        require(scorer != nullptr, "null scorer");
        check_gives_vectors(scorer->model());
        check_stamps(stamps, vectors, flags, 0);
        const CandidateData known = candidate_data(catalogue);
        if (stamps->n > 0) scorer->embed(*stamps, known, vectors, flags);
    });
}

void s2v_scorer_free(s2v_scorer *scorer) {
    delete scorer;
}

}  // extern "C"
