// The C ABI of whole frames.
#include "calls.hpp"
#include "candidate_data.hpp"
#include "frame_cuts.hpp"
#include "kernel/feature_sets.hpp"
#include "kernel/recipe.hpp"
#include "scorer.hpp"
#include "threads.hpp"

#include <algorithm>
#include <limits>
#include <utility>

using namespace s2v;

namespace {

constexpr std::uint32_t kAllPlanes = (1U << S2V_CHANNELS) - 1;

// A worker's memory for kernels that need a scratch.
struct FrameWorker {
    FrameWorker(std::int32_t side, std::uint32_t planes, std::size_t scratch_bytes)
        : cuts(side, planes, nullptr), scratch(make_scratch(scratch_bytes)) {}
    FrameCuts cuts;
    Scratch scratch;
};

// Calls work(stamps, scratch, first row) for a few rows after others, and joins what was met when they were cut with
// the flags that this leaves.
template <class Work>
void over_frames(const Field &field, std::int32_t side, std::uint32_t planes, std::size_t scratch_bytes,
                 std::int32_t threads, std::uint32_t *flags, Work work) {
    parallel_for(
        field.n, kCutRows, threads, [&] { return FrameWorker(side, planes, scratch_bytes); },
        [&](std::int64_t begin, std::int64_t end, FrameWorker &own) {
            for (std::int64_t row = begin; row < end; row += own.cuts.rows()) {
                const std::int64_t last = std::min(end, row + own.cuts.rows());
                const s2v_stamps stamps = own.cuts.cut(field, row, last);
                work(stamps, own.scratch.get(), row);
                for (std::int64_t i = row; i < last; ++i) flags[i] |= own.cuts.raised()[i - row];
            }
        });
}

}  // namespace

extern "C" {

void s2v_frame_init(s2v_frame *frame) {
    if (frame == nullptr) return;
    *frame = {};
    frame->size = sizeof *frame;
    frame->dtype = S2V_FLOAT32;
    frame->variance_dtype = S2V_FLOAT32;
    frame->mask_dtype = S2V_INT32;
    frame->scale = 1.0;
    frame->saturation = std::numeric_limits<float>::quiet_NaN();
}

s2v_status s2v_score_frames(s2v_scorer *scorer, const s2v_frame *science, const s2v_frame *reference,
                            const s2v_frame *difference, int64_t n, const double *x, const double *y,
                            const s2v_catalogue *catalogue, float *score, uint32_t *flags) {
    return guarded([&] {
        require(scorer != nullptr, "null scorer");
        check_gives_scores(scorer->model());
        const Field field(science, reference, difference, n, x, y);
        const CandidateData known = candidate_data(catalogue);
        require(n == 0 || (score != nullptr && flags != nullptr), "score or flags is NULL");
        if (n > 0) scorer->score(field, known, score, flags);
    });
}

s2v_status s2v_embed_frames(s2v_scorer *scorer, const s2v_frame *science, const s2v_frame *reference,
                            const s2v_frame *difference, int64_t n, const double *x, const double *y,
                            const s2v_catalogue *catalogue, int8_t *vectors, uint32_t *flags) {
    return guarded([&] {
        require(scorer != nullptr, "null scorer");
        check_gives_vectors(scorer->model());
        const Field field(science, reference, difference, n, x, y);
        const CandidateData known = candidate_data(catalogue);
        require(n == 0 || (vectors != nullptr && flags != nullptr), "vectors or flags is NULL");
        if (n > 0) scorer->embed(field, known, vectors, flags);
    });
}

s2v_status s2v_measure_frames(const s2v_frame *science, const s2v_frame *reference, const s2v_frame *difference,
                              int64_t n, const double *x, const double *y, int32_t sets, int32_t convention,
                              float *values, uint32_t *flags, int32_t threads) {
    return guarded([&] {
        const std::int32_t columns = kernel::set_columns(sets);
        require(columns > 0, "sets");
        require(convention == S2V_CONVENTION_CODE || convention == S2V_CONVENTION_PAPER, "convention");
        require(threads >= 0, "threads is negative");
        const Field field(science, reference, difference, n, x, y);
        require(n == 0 || (values != nullptr && flags != nullptr), "values or flags is NULL");
        const s2v_isa_table &isa = require_isa();
        const kernel::Measuring what = kernel::measure_all(sets);
        // The eighteen do not look at the science plane.
        const std::uint32_t planes = (sets & S2V_SET_S2V) != 0 ? kAllPlanes : kAllPlanes & ~(1U << S2V_SCIENCE);
        over_frames(field, kernel::kWindow, planes, isa.feature_scratch, threads, flags,
                    [&](const s2v_stamps &stamps, void *scratch, std::int64_t row) {
                        isa.features(&stamps, 0, stamps.n, &what, static_cast<s2v_convention>(convention),
                                     values + row * columns, flags + row, scratch);
                    });
    });
}

s2v_status s2v_prepare_frames(const s2v_frame *science, const s2v_frame *reference, const s2v_frame *difference,
                              int64_t n, const double *x, const double *y, const char *recipe, float *planes,
                              uint32_t *flags, int32_t threads) {
    return guarded([&] {
        const std::int32_t which = recipe_index(recipe);
        require(threads >= 0, "threads is negative");
        const Field field(science, reference, difference, n, x, y);
        require(n == 0 || (planes != nullptr && flags != nullptr), "planes or flags is NULL");
        const s2v_isa_table &isa = require_isa();
        const kernel::RecipeShape shape = kernel::recipe_shape(which);
        const std::int64_t size = std::int64_t{S2V_CHANNELS} * shape.height * shape.width;
        ModelRecipe how;
        how.registered = which;
        how.height = shape.height;
        over_frames(field, cut_side(&how), kAllPlanes, isa.recipe_scratch, threads, flags,
                    [&](const s2v_stamps &stamps, void *scratch, std::int64_t row) {
                        isa.prepare(&stamps, 0, stamps.n, which, false, planes + row * size, flags + row, scratch);
                    });
    });
}

s2v_status s2v_cut(const s2v_frame *frame, int64_t n, const double *x, const double *y, int32_t side, float *out,
                   uint32_t *flags) {
    return guarded([&] {
        require(frame != nullptr, "null frame");
        require(side >= 1 && side <= kLargestSquare, "side must be 1 to 4096");
        const Field field(frame, nullptr, nullptr, n, x, y);
        require(n == 0 || (out != nullptr && flags != nullptr), "out or flags is NULL");
        for (std::int64_t row = 0; row < n; ++row)
            flags[row] =
                cut_square(field.frame[S2V_SCIENCE], x[row], y[row], side, out + row * std::int64_t{side} * side);
    });
}

}  // extern "C"
