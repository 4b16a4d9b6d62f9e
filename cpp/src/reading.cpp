#include "reading.hpp"

#include "checks.hpp"
#include "isa.hpp"
#include "kernel/feature_sets.hpp"

#include <algorithm>

namespace s2v {
namespace {

// From the bits of decode::Field::Kind to those of s2v_value_kind.
std::uint8_t value_kinds(std::uint8_t kinds) noexcept {
    using Kind = decode::Field::Kind;
    const auto bit = [kinds](Kind kind, s2v_value_kind as) {
        return (kinds >> static_cast<unsigned>(kind) & 1U) << as;
    };
    return static_cast<std::uint8_t>(bit(Kind::integer, S2V_VALUE_INTEGER) | bit(Kind::real, S2V_VALUE_REAL) |
                                     bit(Kind::bytes, S2V_VALUE_TEXT));
}

}  // namespace

decode::Limits limits_of(const s2v_limits &given) {
    S2V_REQUIRE_SIZE(&given, s2v_limits);
    require(given.id_bytes >= 0 && given.batch_bytes >= 0 && given.free_rows >= 0 && given.free_bytes >= 0,
            "a limit is negative");
    decode::Limits limits;
    if (given.id_bytes) limits.id_bytes = static_cast<std::size_t>(given.id_bytes);
    if (given.batch_bytes) limits.batch_bytes = static_cast<std::size_t>(given.batch_bytes);
    if (given.free_rows) limits.free_rows = static_cast<std::uint64_t>(given.free_rows);
    if (given.free_bytes) limits.free_bytes = static_cast<std::uint64_t>(given.free_bytes);
    return limits;
}

bool takes_catalogue(const s2v_reading &reading) {
    return (reading.model && catalogue_columns(*reading.model) > 0) ||
           (reading.embedder && catalogue_columns(*reading.embedder) > 0);
}

decode::DecodeSettings decode_settings(const s2v_reading &reading, const decode::Limits &limits) {
    S2V_REQUIRE_SIZE(&reading, s2v_reading);
    if (reading.allocator) S2V_REQUIRE_SIZE(reading.allocator, s2v_allocator);
    require(reading.sets == 0 || kernel::set_columns(reading.sets) > 0, "there are no such sets of features");
    require(reading.convention == S2V_CONVENTION_CODE || reading.convention == S2V_CONVENTION_PAPER,
            "there is no such convention");
    require(reading.threads >= 0, "threads is negative");
    require(!reading.allocator || (reading.allocator->allocate && reading.allocator->release),
            "an allocator without functions");
    if (!decode::inflate_engine()) throw Failure(S2V_UNKNOWN_NAME, "SPACE2VEC_INFLATE names nothing that is here");
    decode::DecodeSettings settings;
    settings.id_bytes = limits.id_bytes;
    settings.shape.columns = static_cast<std::size_t>(reading.column_count);
    settings.shape.fields = static_cast<std::size_t>(reading.field_count);
    settings.shape.pixels = reading.keep_pixels != 0;
    settings.shape.catalogue = reading.catalogue != 0 || takes_catalogue(reading);
    settings.saturation = reading.saturation;
    settings.shape.features = static_cast<std::size_t>(kernel::set_columns(reading.sets));
    settings.convention = static_cast<s2v_convention>(reading.convention);
    const std::uint32_t planes = reading.planes & kernel::kEveryPlane;
    // Where pixels are wanted for scores or vectors alone, the models say of which planes.
    const bool by_models = reading.model || reading.embedder;
    settings.planes = by_models && !settings.shape.pixels && !reading.sets ? 0 : planes;
    settings.measuring = {reading.sets, kernel::kEveryPart, planes};
    if (reading.embedder) {
        check_gives_vectors(*reading.embedder);
        check_runs(*reading.embedder);
        settings.embedder = reading.embedder;
        settings.shape.vector = static_cast<std::size_t>(reading.embedder->vector);
        settings.planes |= reading.embedder->needs.planes;
    }
    if (reading.model) {
        check_gives_scores(*reading.model);
        check_runs(*reading.model);
        settings.model = reading.model;
        settings.shape.scores = true;
        settings.planes |= planes_at_first(*reading.model);
        settings.doubt_planes = reading.model->needs.planes & ~settings.planes;
    }
    settings.decode_image = reading.decode_image;
    settings.context = reading.context;
    // Inflate and byte order are kernels of an instruction set too.
    settings.isa = active_isa();
    if (!settings.isa) throw Failure(S2V_UNKNOWN_NAME, "SPACE2VEC_ISA names no instruction set of this processor");
    return settings;
}

decode::PacketSelection packet_selection(const s2v_reading &reading, const decode::DecodeSettings &settings) {
    require(reading.column_count >= 0 && reading.field_count >= 0 && reading.schema_count >= 0, "a count is negative");
    require(reading.column_count == 0 || reading.columns, "columns is NULL");
    require(reading.field_count == 0 || reading.fields, "fields is NULL");
    require(reading.schema_count == 0 || (reading.schema_ids && reading.schemas), "schemas or schema_ids is NULL");
    for (std::int32_t i = 0; i < reading.column_count; ++i) require(reading.columns[i], "a column is NULL");
    for (std::int32_t i = 0; i < reading.field_count; ++i) require(reading.fields[i], "a field is NULL");
    for (std::int32_t i = 0; i < reading.schema_count; ++i) require(reading.schemas[i], "a schema is NULL");
    decode::PacketSelection selection;
    selection.columns.assign(reading.columns, reading.columns + reading.column_count);
    selection.fields.assign(reading.fields, reading.fields + reading.field_count);
    selection.catalogue = settings.shape.catalogue;
    return selection;
}

// As much of a text as there is room for, and how long it is.
void copy_text(const std::string &text, char *to, std::int64_t capacity, std::int64_t *size) {
    *size = static_cast<std::int64_t>(text.size());
    if (capacity > 0)
        std::copy_n(text.data(), std::min<std::size_t>(text.size(), static_cast<std::size_t>(capacity)), to);
}

void copy_kinds(const decode::SchemaBook &schemas, std::int32_t schema, std::uint8_t *kinds) {
    std::ranges::transform(schemas.offer(schema).fields, kinds, value_kinds);
}

void take_pixels(decode::Rows &rows, s2v_pixels &pixels) {
    decode::Buffer<float> &held = rows.pixels;
    if (held.size() == 0) return;
    auto owner = std::make_unique<decode::Room>();
    const auto count = static_cast<std::int64_t>(held.size());
    *owner = held.hand_over();
    pixels = {pixels.size, static_cast<float *>(owner->data()), count, owner->allocated(), owner.get()};
    owner.release();
}

void describe(const decode::Rows &rows, float saturation, std::vector<s2v_problem> &problems, s2v_batch &batch) {
    problems.clear();
    for (const decode::Problem &problem : rows.problems)
        problems.push_back({problem.row, problem.place, static_cast<std::int32_t>(problem.finding.fault),
                            problem.finding.offset, problem.channel, problem.member.c_str(), problem.detail.c_str()});
    batch.stamps = {
        sizeof(s2v_stamps), rows.pixels.data(), static_cast<std::int64_t>(rows.pixels.size()), rows.offset.data(),
        rows.size.data(),   rows.centre.data(), static_cast<std::int64_t>(rows.count()),       saturation};
    batch.flags = rows.flags.data();
    batch.candidate_id = rows.candidate_id.data();
    batch.candidate_kind = rows.candidate_kind.data();
    batch.candidate_texts = rows.candidate_text.letters.data();
    batch.candidate_text_end = rows.candidate_text.end.data();
    batch.object_ids = rows.object_id.letters.data();
    batch.object_end = rows.object_id.end.data();
    batch.survey = rows.survey.data();
    batch.schema = rows.schema.data();
    batch.columns = rows.columns.data();
    batch.values = rows.shape.fields ? rows.values.data() : nullptr;
    batch.value_texts = rows.value_texts.data();
    batch.catalogue = rows.shape.catalogue ? rows.catalogue.data() : nullptr;
    batch.features = rows.shape.features ? rows.features.data() : nullptr;
    batch.feature_flags = rows.shape.features ? rows.feature_flags.data() : nullptr;
    batch.score = rows.shape.scores ? rows.score.data() : nullptr;
    batch.score_flags = rows.shape.scores ? rows.score_flags.data() : nullptr;
    batch.place = rows.place.data();
    batch.problems = problems.data();
    batch.problem_count = static_cast<std::int64_t>(problems.size());
    batch.vectors = rows.shape.vector ? rows.vectors.data() : nullptr;
    batch.vector_flags = rows.shape.vector ? rows.vector_flags.data() : nullptr;
    batch.vector = static_cast<std::int32_t>(rows.shape.vector);
}

}  // namespace s2v
