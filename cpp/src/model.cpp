#include "model.hpp"

#include "calls.hpp"
#include "cascade.hpp"
#include "error.hpp"
#include "kernel/feature_sets.hpp"
#include "model_file.hpp"
#include "model_header.hpp"
#include "threads.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace s2v {
namespace {

constexpr std::int32_t kNetworkBlock = 64;  // rows that a network scores together, at most

NetworkHeader header_of(const s2v_model &model, const ModelHeader &header) {
    NetworkHeader out;
    out.architecture = header.architecture;
    out.columns = header.columns;
    out.temperature = header.temperature;
    out.vector = header.vector;
    if (model.recipe) {
        if (model.recipe->height != model.recipe->width)
            throw Failure(S2V_BAD_MODEL, "integer network: its planes are no squares");
        out.planes = model.recipe->planes;
        out.side = model.recipe->height;
    }
    return out;
}

// By the bits of the exponents, a loop that vectorises.
bool all_finite(const float *x, std::int64_t n) {
    constexpr std::uint32_t kExponent = 0x7f800000U;
    std::uint32_t bad = 0;
    for (std::int64_t i = 0; i < n; ++i) bad |= (std::bit_cast<std::uint32_t>(x[i]) & kExponent) == kExponent ? 1U : 0U;
    return bad == 0;
}

// Encodes n rows of planes in blocks; calls finish(columns, begin, rows, scratch, most) for each block, and refuse(row)
// for each row with a pixel that is not finite.
template <class Finish, class Refuse>
void run_network(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, int threads,
                 Finish finish, Refuse refuse) {
    const s2v_isa_table &isa = require_isa();
    const kernel::NetworkView view = model.packed->view();
    const std::int64_t pixels = std::int64_t{view.planes} * view.side * view.side;
    const auto block = static_cast<std::int32_t>(std::clamp<std::int64_t>(n, 1, kNetworkBlock));
    parallel_for(
        n, block, threads, [&] { return make_scratch(isa.network_scratch(&view, block)); },
        [&](std::int64_t begin, std::int64_t end, const Scratch &scratch) {
            const auto rows = static_cast<std::int32_t>(end - begin);
            for (std::int32_t row = 0; row < rows && pixels > 0; ++row)
                isa.encode_planes(&view, planes + (begin + row) * pixels, row, block, scratch.get());
            finish(columns ? columns + begin * view.column.given : nullptr, begin, rows, scratch.get(), block);
            for (std::int64_t row = begin; row < end && pixels > 0; ++row)
                if (!all_finite(planes + row * pixels, pixels)) refuse(row);
        });
}

void predict_network(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
                     int threads) {
    const s2v_isa_table &isa = require_isa();
    const kernel::NetworkView view = model.packed->view();
    const kernel::CalibrationView table = model.calibration.view();
    run_network(
        model, planes, columns, n, threads,
        [&](const float *own, std::int64_t begin, std::int32_t rows, void *scratch, std::int32_t most) {
            isa.score_rows(&view, own, rows, score + begin, scratch, most);
            for (std::int64_t row = begin; row < begin + rows && table.knots > 0; ++row)
                score[row] = kernel::apply_calibration(table, score[row]);
        },
        [&](std::int64_t row) { score[row] = std::numeric_limits<float>::quiet_NaN(); });
}

void require_integers(const s2v_model &model) {
    if (!model.forest && !model.packed)
        throw Failure(S2V_BAD_MODEL, "the model holds no integers, and floats are not run here");
}

// Takes the trees or the weights of a model, and of the one before it in a cascade.
void read_tensors(const Safetensors &file, const ModelHeader &header, s2v_model &model) {
    if (header.kind == "forest") {
        model.forest = read_forest(file, header.columns.size());
    } else if (header.integer) {
        model.network = read_network(file, header_of(model, header));
        model.packed.emplace(*model.network, require_isa());
    } else if (file.count("integer.") > 0) {
        throw Failure(S2V_BAD_MODEL, "it holds integers of which its header says nothing");
    }
    if (header.first)
        read_tensors(file.part("first."), *header.first, *model.first);
    else if (file.count("first.") > 0)
        throw Failure(S2V_BAD_MODEL, "it holds a first network of which its header says nothing");
}

}  // namespace

s2v_model parse_model(std::string_view bytes) {
    const Safetensors file(bytes);
    const ModelHeader header = read_header(file.model());
    s2v_model model = model_of_header(header);
    model.header = file.model_text();
    read_tensors(file, header, model);
    return model;
}

void check_runs(const s2v_model &model) {
    require_integers(model);
    check_columns_of_stamps(model);
}

void check_gives_scores(const s2v_model &model) {
    if (model.vector > 0) throw Failure(S2V_BAD_MODEL, kGivesVectors);
}

void check_gives_vectors(const s2v_model &model) {
    if (model.vector == 0) throw Failure(S2V_BAD_MODEL, kGivesScores);
}

void check_columns_of_stamps(const s2v_model &model) {
    for (const std::int32_t place : model.place)
        if (place == kForeignColumn) throw Failure(S2V_BAD_MODEL, "the model needs columns that stamps do not give");
}

std::int32_t catalogue_columns(const s2v_model &model) {
    const std::int32_t measured = kernel::set_columns(model.measuring.sets);
    return static_cast<std::int32_t>(std::count_if(model.place.begin(), model.place.end(),
                                                   [measured](std::int32_t place) { return place >= measured; }));
}

void apply_table_rule(const s2v_model &model, const float *columns, const std::uint32_t *raised, std::int64_t n,
                      std::uint32_t *flags, std::uint8_t *scored) {
    const std::size_t count = model.columns.size();
    std::vector<std::uint32_t> what(count);  // a value of each column is (kernel::ColumnContents)
    const std::int32_t measured = kernel::set_columns(model.measuring.sets);
    for (std::size_t k = 0; k < count; ++k)
        what[k] = kernel::kAnyValue | (model.place[k] >= measured ? kernel::kCatalogueValue : 0U);
    for (std::int64_t row = 0; row < n; ++row, columns += count) {
        std::uint32_t met = 0;
        for (std::size_t k = 0; k < count; ++k) met |= columns[k] == columns[k] ? what[k] : 0U;
        const std::uint32_t seen = raised == nullptr ? 0U : raised[row];
        const kernel::Verdict verdict =
            kernel::apply_column_rule(model.needs, {seen, (seen & kernel::kUnscorable) == 0}, met);
        flags[row] = verdict.flags;
        scored[row] = verdict.scored ? 1 : 0;
    }
}

void predict(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
             int threads) {
    check_gives_scores(model);
    require_integers(model);
    if (model.first)
        predict_cascade(model, planes, columns, n, score, threads);
    else
        predict_alone(model, planes, columns, n, score, threads);
}

void predict_alone(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
                   int threads) {
    if (model.forest)
        predict(*model.forest, model.calibration.view(), columns, n, score, threads);
    else
        predict_network(model, planes, columns, n, score, threads);
}

void predict_vectors(const s2v_model &model, const float *planes, const float *columns, std::int64_t n,
                     std::int8_t *vectors, int threads) {
    check_gives_vectors(model);
    require_integers(model);
    const s2v_isa_table &isa = require_isa();
    const kernel::NetworkView view = model.packed->view();
    const std::int64_t numbers = model.vector;
    run_network(
        model, planes, columns, n, threads,
        [&](const float *own, std::int64_t begin, std::int32_t rows, void *scratch, std::int32_t most) {
            isa.embed_rows(&view, own, rows, vectors + begin * numbers, scratch, most);
        },
        [&](std::int64_t row) { std::fill_n(vectors + row * numbers, numbers, std::int8_t{0}); });
}

}  // namespace s2v
