// Models and scorers behind the C ABI.
#include "calls.hpp"
#include "model.hpp"
#include "scorer.hpp"

#include <algorithm>
#include <memory>

using namespace s2v;

namespace {

const s2v_model &require_model(const s2v_model *model) {
    require(model != nullptr, "null model");
    return *model;
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
        needs->optional = of.needs.optional;
        needs->sets = of.sets;
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
        require(how.allocator == nullptr || (how.allocator->allocate != nullptr && how.allocator->release != nullptr),
                "an allocator without functions");
        check_scoring(of);
        *scorer = std::make_unique<s2v_scorer>(of, require_isa(), how).release();
    });
}

s2v_status s2v_score_stamps(s2v_scorer *scorer, const s2v_stamps *stamps, const s2v_catalogue *catalogue, float *score,
                            uint32_t *flags) {
    return guarded([&] {
        require(scorer != nullptr, "null scorer");
        check_stamps(stamps, score, flags, 0);
        Known known;
        if (catalogue != nullptr) {
            require(catalogue->size >= sizeof *catalogue, "the size of the catalogue");
            known = {catalogue->values, catalogue->raised};
        }
        if (stamps->n > 0) scorer->score(*stamps, known, score, flags);
    });
}

void s2v_scorer_free(s2v_scorer *scorer) {
    delete scorer;
}

}  // extern "C"
