// Models on a device: measure and prepare stamps, apply the row rule, and score, so many rows at a time. Each step
// writes its results to memory of the device, and the next one reads them: the columns, and the planes as the bytes
// that an integer network takes, 6.5 kB a row of stampnet.
#include "alignment.hpp"
#include "checks.hpp"
#include "device_model.hpp"
#include "kernel/feature_sets.hpp"
#include "kernel/math.hpp"
#include "kernel/row_rule.hpp"
#include "launch.cuh"
#include "network_scratch.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace s2v::cuda {
namespace {

constexpr std::int64_t kLine = 64;  // bytes to a multiple of which each part of the scratch is aligned

__device__ bool is_first_lane() {
    return threadIdx.x % kernel::kLanes == 0;
}

// What there was in the columns of a row (kernel::ColumnContents); value(k) is column k.
template <class Value>
__device__ std::uint32_t columns_met(const ColumnPlaces &places, Value value) {
    std::uint32_t met = 0;
    for (int k = static_cast<int>(threadIdx.x) % kernel::kLanes; k < places.columns; k += kernel::kLanes) {
        const float x = value(k);
        if (x != x) continue;
        met |= places.place[k] >= places.measured ? kernel::kAnyValue | kernel::kCatalogueValue : kernel::kAnyValue;
    }
    return __reduce_or_sync(0xffffffffu, met);
}

// Features, flags and other data of stamps, by row.
struct CandidateData {
    const float *values;            // (n, measured), or null
    const std::uint32_t *measured;  // (n) flags, or null
    const std::uint32_t *prepared;  // (n) flags, or null
    const float *catalogue;         // (n, kCatalogueColumns), or null
    const std::uint32_t *reader;    // (n) flags, or null
};

// Writes the columns and flags of stamps, and which of them are scored.
__global__ void __launch_bounds__(threads_of(kMostWarps))
    stamp_rule_kernel(s2v_stamps stamps, kernel::ModelNeeds needs, ColumnPlaces places, CandidateData known,
                      float *columns, std::uint32_t *flags, std::uint8_t *scored) {
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const kernel::RaisedFlags raised = {known.prepared ? known.prepared[row] : 0,
                                            known.measured ? known.measured[row] : 0};
        const std::uint32_t met = columns_met(places, [&](int k) {
            const int place = places.place[k];
            const int beside = place - places.measured;
            float x = kernel::quiet_nan();
            if (beside < 0)
                x = known.values[row * places.measured + place];
            else if (known.catalogue)
                x = known.catalogue[row * kernel::kCatalogueColumns + beside];
            return columns[row * places.columns + k] = x;
        });
        const std::uint32_t reader = known.reader ? known.reader[row] : 0;
        const kernel::Verdict verdict =
            kernel::apply_column_rule(needs, kernel::apply_pixel_rule(needs, triplet, reader, raised), met);
        if (!is_first_lane()) return;
        flags[row] = verdict.flags;
        scored[row] = verdict.scored ? 1 : 0;
    });
}

// The flags of rows of a table that were scored; the score of one that is refused becomes NaN.
__global__ void __launch_bounds__(threads_of(kMostWarps))
    table_rule_kernel(std::int64_t n, kernel::ModelNeeds needs, ColumnPlaces places, const float *columns,
                      const std::uint32_t *raised, float *score, std::uint32_t *flags) {
    each_row(n, [&](std::int64_t row) {
        const std::uint32_t met = columns_met(places, [&](int k) { return columns[row * places.columns + k]; });
        const std::uint32_t before = raised ? raised[row] : 0;
        const kernel::Verdict verdict =
            kernel::apply_column_rule(needs, {before, (before & kernel::kUnscorable) == 0}, met);
        if (!is_first_lane()) return;
        flags[row] = verdict.flags;
        if (!verdict.scored) score[row] = kernel::quiet_nan();
    });
}

// What the second network of a cascade gave rows that the first leaves in doubt, and the table of all others' scores.
struct SecondScores {
    kernel::Doubt doubt;
    kernel::CalibrationView table;
    const float *score;          // (n)
    const std::uint32_t *flags;  // (n)
};

// score, flags: (n) of the first network before, of the cascade afterwards.
__global__ void __launch_bounds__(threads_of(kMostWarps))
    merge_kernel(std::int64_t n, SecondScores second, float *score, std::uint32_t *flags) {
    each_row(n, [&](std::int64_t row) {
        if (!is_first_lane()) return;
        const float early = score[row];
        if (kernel::is_in_doubt(second.doubt, early)) {
            score[row] = second.score[row];
            flags[row] = second.flags[row];
        } else if (early == early) {
            if (second.table.knots > 0) score[row] = kernel::apply_calibration(second.table, early);
            flags[row] |= kernel::flag::scored_early;
        }
    });
}

bool takes_bytes(const s2v_cuda_model &model) {
    return model.network && model.recipe && gives_bytes(*model.recipe);
}

// Words of a row's planes as bytes.
std::int64_t byte_words(const s2v_cuda_model &model) {
    return std::int64_t{model.recipe->planes} * kernel::plane_words(model.recipe->height * model.recipe->width);
}

// Where a row's temporaries lie in the scratch; without memory it is only measured.
struct Parts {
    float *values = nullptr;            // (rows, measured)
    std::uint32_t *measured = nullptr;  // (rows)
    std::uint32_t *prepared = nullptr;  // (rows)
    kernel::PlaneTarget planes{};       // of the rows: floats, or bytes for a network that takes them
    float *columns = nullptr;           // (rows, columns)
    std::uint8_t *scored = nullptr;     // (rows)
    std::int64_t bytes = 0;

    Parts(const s2v_cuda_model &model, std::int64_t rows, void *scratch) : memory_(static_cast<char *>(scratch)) {
        values = take<float>(rows * kernel::set_columns(model.measuring.sets));
        measured = take<std::uint32_t>(rows);
        prepared = take<std::uint32_t>(rows);
        if (!model.forest && !model.network) return;  // its inputs are the caller's
        if (takes_bytes(model))
            planes = {nullptr, take<std::uint32_t>(rows * byte_words(model)), model.network->view.plane_scale};
        else
            planes.planes = take<float>(rows * model.pixels);
        columns = take<float>(rows * static_cast<std::int64_t>(model.place.size()));
        scored = take<std::uint8_t>(rows);
    }

private:
    template <class T>
    T *take(std::int64_t count) {
        char *const at = memory_ ? memory_ + bytes : nullptr;
        bytes += (count * static_cast<std::int64_t>(sizeof(T)) + kLine - 1) / kLine * kLine;
        return reinterpret_cast<T *>(at);
    }
    char *memory_;
};

ColumnPlaces places_of(const s2v_cuda_model &model) {
    return {model.place.get(), static_cast<std::int32_t>(model.place.size()),
            kernel::set_columns(model.measuring.sets)};
}

// Rows [begin, begin + n) of stamps and of what is known of them.
s2v_stamps some_of(s2v_stamps stamps, std::int64_t begin, std::int64_t n) {
    stamps.n = n;
    stamps.offset += begin * S2V_CHANNELS;
    stamps.shape += begin * S2V_CHANNELS * 2;
    if (stamps.centre) stamps.centre += begin * 2;
    return stamps;
}

// Begins to measure and prepare stamps and to apply the row rule; planes and columns may be null where the model takes
// none.
void take_stamps(const s2v_cuda_model &model, void *stream, const s2v_stamps &stamps, const s2v_catalogue &known,
                 std::int64_t begin, const Parts &parts, const kernel::PlaneTarget &planes, float *columns,
                 std::uint32_t *flags, std::uint8_t *scored) {
    if (model.measuring.sets)
        measure_stamps(stream, stamps, model.measuring, model.convention, parts.values, parts.measured);
    if (model.recipe) prepare_stamps(stream, stamps, *model.recipe, model.needs, planes, parts.prepared);
    const CandidateData all = {parts.values, model.measuring.sets ? parts.measured : nullptr,
                               model.recipe ? parts.prepared : nullptr,
                               known.values ? known.values + begin * kernel::kCatalogueColumns : nullptr,
                               known.raised ? known.raised + begin : nullptr};
    launch_warps(stamp_rule_kernel, 0, stamps.n, stream, stamps, model.needs, places_of(model), all, columns, flags,
                 scored);
}

kernel::CalibrationView table_of(const s2v_cuda_model &model) {
    return {model.x.get(), model.y.get(), static_cast<std::int32_t>(model.x.size())};
}

void score_rows(const s2v_cuda_model &model, void *stream, const RowInputs &rows, float *score) {
    const kernel::CalibrationView table = table_of(model);
    if (model.forest)
        score_forest(stream, *model.forest, table, rows, score);
    else
        score_network(stream, *model.network, table, rows, score);
}

// Begins to score stamps by a model alone, whose temporaries lie in the scratch.
void score_alone(const s2v_cuda_model &model, void *stream, const s2v_stamps &stamps, const s2v_catalogue &known,
                 std::int64_t begin, std::int64_t rows, void *scratch, float *score, std::uint32_t *flags) {
    const Parts parts(model, rows, scratch);
    take_stamps(model, stream, stamps, known, begin, parts, parts.planes, parts.columns, flags, parts.scored);
    score_rows(model, stream, {parts.planes.planes, parts.planes.bytes, parts.columns, parts.scored, stamps.n}, score);
}

// The scratch of a cascade: what the second network gives its rows, then the temporaries of one network after the
// other.
struct CascadeParts {
    float *score = nullptr;          // (rows)
    std::uint32_t *flags = nullptr;  // (rows)
    char *others = nullptr;
    std::int64_t bytes = 0;

    CascadeParts(const s2v_cuda_model &model, std::int64_t rows, void *scratch) {
        const std::int64_t column = (rows * std::int64_t{4} + kLine - 1) / kLine * kLine;
        auto *const memory = static_cast<char *>(scratch);
        if (memory) {
            score = reinterpret_cast<float *>(memory);
            flags = reinterpret_cast<std::uint32_t *>(memory + column);
            others = memory + 2 * column;
        }
        bytes = 2 * column + std::max(Parts(*model.first, rows, nullptr).bytes, Parts(model, rows, nullptr).bytes);
    }
};

// Begins to score stamps: by both networks of a cascade all of them, for a warp has nothing else to do meanwhile.
void score_stamps(const s2v_cuda_model &model, void *stream, const s2v_stamps &stamps, const s2v_catalogue &known,
                  std::int64_t begin, std::int64_t rows, void *scratch, float *score, std::uint32_t *flags) {
    if (!model.first) return score_alone(model, stream, stamps, known, begin, rows, scratch, score, flags);
    const CascadeParts parts(model, rows, scratch);
    score_alone(*model.first, stream, stamps, known, begin, rows, parts.others, score, flags);
    score_alone(model, stream, stamps, known, begin, rows, parts.others, parts.score, parts.flags);
    const SecondScores second = {model.doubt, table_of(model), parts.score, parts.flags};
    launch_warps(merge_kernel, 0, stamps.n, stream, stamps.n, second, score, flags);
}

void check_runs(const s2v_cuda_model *model) {
    require(model, "null model");
    if (!model->forest && !model->network)
        throw Failure(S2V_BAD_MODEL, "the model holds no integers, and floats are not run here");
}

void check_gives(const s2v_cuda_model *model, bool vectors) {
    check_runs(model);
    if ((model->vector > 0) != vectors) throw Failure(S2V_BAD_MODEL, vectors ? kGivesScores : kGivesVectors);
}

void check_rows(std::int64_t n) {
    require(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "n");
}

void check_table(const s2v_cuda_model *model, const float *columns, std::int64_t n, const float *score,
                 const std::uint32_t *flags) {
    require(model, "null model");
    require(!model->recipe, "the model takes planes, which a table lacks");
    check_rows(n);
    require(n == 0 || (columns && score && flags), "null pointer");
    require_aligned(columns, score, flags);
}

void apply_table_rule(const s2v_cuda_model &model, void *stream, const float *columns, const std::uint32_t *raised,
                      std::int64_t n, float *score, std::uint32_t *flags) {
    launch_warps(table_rule_kernel, 0, n, stream, n, model.needs, places_of(model), columns, raised, score, flags);
}

// Calls work(some of the stamps, first row) for so many rows after others.
template <class Work>
void in_parts(const s2v_stamps &stamps, std::int64_t rows, Work work) {
    for (std::int64_t begin = 0; begin < stamps.n; begin += rows)
        work(some_of(stamps, begin, std::min(rows, stamps.n - begin)), begin);
}

// What the calls that take stamps have in common.
s2v_catalogue check_stamps(const s2v_cuda_model *model, const s2v_stamps *stamps, const s2v_catalogue *known,
                           const void *scratch, std::int64_t rows, const void *out, const void *flags) {
    if (model->foreign) throw Failure(S2V_BAD_MODEL, "the model needs columns that stamps do not give");
    check_batch(stamps, out, flags);
    require(rows >= 1 || stamps->n == 0, "rows at a time");
    require(!known || known->size >= sizeof *known, "the size of the catalogue");
    require_aligned(*stamps);
    if (known) require_aligned(known->values, known->raised);
    require((scratch || stamps->n == 0) && reinterpret_cast<std::uintptr_t>(scratch) % kLine == 0, "scratch");
    return known ? *known : s2v_catalogue{};
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" {

s2v_status s2v_cuda_model_create(int32_t device, const s2v_model *model, s2v_cuda_model **on_device) {
    return cuda::guarded_call([&] {
        require(on_device, "null pointer");
        *on_device = nullptr;
        require(model, "null model");
        const cuda::OnDevice here(device);
        std::unique_ptr<s2v_cuda_model> made = cuda::copy_model(device, *model);
        *on_device = made.release();
    });
}

void s2v_cuda_model_free(s2v_cuda_model *model) {
    if (!model) return;
    // On its device, or the runtime makes a context on the current one; memory of a device that is lost goes with it.
    cuda::guarded_call([&] {
        const cuda::OnDevice here(model->device);
        delete std::exchange(model, nullptr);
    });
    delete model;
}

int64_t s2v_cuda_model_scratch(const s2v_cuda_model *model, int64_t rows) {
    if (!model || rows <= 0) return 0;
    return model->first ? cuda::CascadeParts(*model, rows, nullptr).bytes : cuda::Parts(*model, rows, nullptr).bytes;
}

s2v_status s2v_cuda_model_inputs(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                 const s2v_catalogue *known, void *scratch, int64_t rows, float *planes, float *columns,
                                 uint32_t *flags, uint8_t *scored) {
    return cuda::guarded_call([&] {
        require(model, "null model");
        const s2v_catalogue beside = cuda::check_stamps(model, stamps, known, scratch, rows, flags, scored);
        const auto width = static_cast<std::int64_t>(model->place.size());
        require(stamps->n == 0 || ((planes || model->pixels == 0) && (columns || width == 0)), "null pointer");
        cuda::require_aligned(planes, columns, flags);
        const cuda::OnDevice here(model->device);
        const cuda::Parts parts(*model, rows, scratch);
        cuda::in_parts(*stamps, rows, [&](const s2v_stamps &some, std::int64_t begin) {
            cuda::take_stamps(*model, stream, some, beside, begin, parts,
                              {planes ? planes + begin * model->pixels : planes, nullptr, nullptr},
                              columns ? columns + begin * width : columns, flags + begin, scored + begin);
        });
    });
}

s2v_status s2v_cuda_model_score(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                const s2v_catalogue *known, void *scratch, int64_t rows, float *score,
                                uint32_t *flags) {
    return cuda::guarded_call([&] {
        cuda::check_gives(model, false);
        const s2v_catalogue beside = cuda::check_stamps(model, stamps, known, scratch, rows, score, flags);
        cuda::require_aligned(score, flags);
        const cuda::OnDevice here(model->device);
        cuda::in_parts(*stamps, rows, [&](const s2v_stamps &some, std::int64_t begin) {
            cuda::score_stamps(*model, stream, some, beside, begin, rows, scratch, score + begin, flags + begin);
        });
    });
}

s2v_status s2v_cuda_model_embed(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                const s2v_catalogue *known, void *scratch, int64_t rows, int8_t *vectors,
                                uint32_t *flags) {
    return cuda::guarded_call([&] {
        cuda::check_gives(model, true);
        const s2v_catalogue beside = cuda::check_stamps(model, stamps, known, scratch, rows, vectors, flags);
        cuda::require_aligned(flags);
        const cuda::OnDevice here(model->device);
        const cuda::Parts parts(*model, rows, scratch);
        cuda::in_parts(*stamps, rows, [&](const s2v_stamps &some, std::int64_t begin) {
            cuda::take_stamps(*model, stream, some, beside, begin, parts, parts.planes, parts.columns, flags + begin,
                              parts.scored);
            cuda::embed_network(stream, *model->network,
                                {parts.planes.planes, parts.planes.bytes, parts.columns, parts.scored, some.n},
                                vectors + begin * model->vector);
        });
    });
}

s2v_status s2v_cuda_model_check_columns(const s2v_cuda_model *model, void *stream, const float *columns,
                                        const uint32_t *raised, int64_t n, float *score, uint32_t *flags) {
    return cuda::guarded_call([&] {
        cuda::check_table(model, columns, n, score, flags);
        const cuda::OnDevice here(model->device);
        cuda::apply_table_rule(*model, stream, columns, raised, n, score, flags);
    });
}

s2v_status s2v_cuda_model_score_columns(const s2v_cuda_model *model, void *stream, const float *columns,
                                        const uint32_t *raised, int64_t n, float *score, uint32_t *flags) {
    return cuda::guarded_call([&] {
        cuda::check_gives(model, false);
        cuda::check_table(model, columns, n, score, flags);
        if (n == 0) return;
        const cuda::OnDevice here(model->device);
        cuda::score_rows(*model, stream, {nullptr, nullptr, columns, nullptr, n}, score);
        cuda::apply_table_rule(*model, stream, columns, raised, n, score, flags);
    });
}

s2v_status s2v_cuda_model_predict(const s2v_cuda_model *model, void *stream, const float *planes, const float *columns,
                                  int64_t n, float *score) {
    return cuda::guarded_call([&] {
        cuda::check_gives(model, false);
        if (model->first) throw Failure(S2V_BAD_MODEL, "inputs of a cascade are scored on the host alone");
        cuda::check_rows(n);
        if (n == 0) return;
        require(score && (planes || model->pixels == 0) && (columns || model->place.size() == 0), "null pointer");
        cuda::require_aligned(planes, columns, score);
        const cuda::OnDevice here(model->device);
        cuda::score_rows(*model, stream, {planes, nullptr, columns, nullptr, n}, score);
    });
}

s2v_status s2v_cuda_model_predict_vectors(const s2v_cuda_model *model, void *stream, const float *planes,
                                          const float *columns, int64_t n, int8_t *vectors) {
    return cuda::guarded_call([&] {
        cuda::check_gives(model, true);
        cuda::check_rows(n);
        if (n == 0) return;
        require(vectors && planes && (columns || model->place.size() == 0), "null pointer");
        cuda::require_aligned(planes, columns);
        const cuda::OnDevice here(model->device);
        cuda::embed_network(stream, *model->network, {planes, nullptr, columns, nullptr, n}, vectors);
    });
}

}  // extern "C"
