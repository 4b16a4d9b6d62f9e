// Messages to rows and scores, behind the C ABI.
#include "checks.hpp"
#include "decode/messages.hpp"
#include "reading.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

struct s2v_decoder {
    s2v::decode::MessageDecoder messages;
    float saturation;
    bool scores;
    std::vector<s2v::decode::Bytes> given;
    std::vector<s2v_problem> problems;
    std::string numbers;  // ids of candidates that are numbers, as text

    s2v_decoder(const s2v::decode::PacketSelection &selection, const s2v::decode::DecodeSettings &settings,
                const s2v_reading &reading)
        : messages(selection, settings, s2v::decode::Store::of(reading.allocator)),
          saturation(reading.saturation),
          scores(reading.model != nullptr) {}

    [[nodiscard]] const s2v::decode::SchemaBook &schemas() const noexcept {
        return messages.schemas();
    }
};

namespace {

using namespace s2v;

constexpr std::size_t kLongestNumber = 20;

// Let a decoder know a schema by what `add` does.
template <typename Add>
void add_schema(const char *json, Add add) {
    require(json, "a schema is NULL");
    try {
        add(json);
    } catch (const decode::SchemaError &error) {
        throw Failure(S2V_BAD_INPUT, "a schema of messages: " + error.reason);
    }
}

const decode::Rows &decode_messages(s2v_decoder &decoder, const void *const *messages, const std::int64_t *sizes,
                                    std::int64_t n) {
    require(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "n is negative, or beyond 2^31 - 1");
    require(n == 0 || (messages && sizes), "messages or sizes is NULL");
    decoder.given.clear();
    for (std::int64_t i = 0; i < n; ++i) {
        require(sizes[i] >= 0, "a size is negative");
        const auto *const bytes = static_cast<const std::uint8_t *>(messages[i]);
        decoder.given.emplace_back(bytes, bytes ? static_cast<std::size_t>(sizes[i]) : 0);
    }
    return decoder.messages.decode(decoder.given);
}

std::string_view text_of(const decode::Texts &texts, std::size_t row) noexcept {
    const auto begin = static_cast<std::size_t>(row ? texts.end[row - 1] : 0);
    return std::string_view(texts.letters).substr(begin, static_cast<std::size_t>(texts.end[row]) - begin);
}

s2v_id id_of(std::string_view text, std::int32_t kind) noexcept {
    return {text.data(), static_cast<std::int64_t>(text.size()), text.empty() ? S2V_ID_UNKNOWN : kind};
}

void write_candidate_ids(s2v_decoder &decoder, const decode::Rows &rows, s2v_id *ids) {
    // Room for all first, for spans look at it.
    decoder.numbers.resize(kLongestNumber * rows.count());
    char *at = decoder.numbers.data();
    for (std::size_t row = 0; row < rows.count(); ++row) {
        if (rows.candidate_kind[row] != S2V_ID_SIGNED) {
            ids[row] = id_of(text_of(rows.candidate_text, row), rows.candidate_kind[row]);
            continue;
        }
        char *const end = std::to_chars(at, at + kLongestNumber, rows.candidate_id[row]).ptr;
        ids[row] = id_of({at, static_cast<std::size_t>(end - at)}, S2V_ID_SIGNED);
        at = end;
    }
}

}  // namespace

extern "C" {

s2v_status s2v_decoder_create(const s2v_reading *reading, s2v_decoder **decoder) {
    const s2v_limits limits{sizeof limits, 0, 0, 0, 0};
    return s2v_decoder_create_within(reading, &limits, decoder);
}

s2v_status s2v_decoder_create_within(const s2v_reading *reading, const s2v_limits *limits, s2v_decoder **decoder) {
    return guarded([&] {
        require(decoder, "decoder is NULL");
        *decoder = nullptr;
        require(reading && limits, "reading or limits is NULL");
        const decode::DecodeSettings settings = decode_settings(*reading, limits_of(*limits));
        auto made = std::make_unique<s2v_decoder>(packet_selection(*reading, settings), settings, *reading);
        for (std::int32_t i = 0; i < reading->schema_count; ++i)
            add_schema(reading->schemas[i],
                       [&](const char *json) { made->messages.add_schema(reading->schema_ids[i], json); });
        *decoder = made.release();
    });
}

void s2v_decoder_free(s2v_decoder *decoder) {
    delete decoder;
}

s2v_status s2v_decoder_add_schema(s2v_decoder *decoder, uint32_t id, const char *json) {
    return guarded([&] {
        require(decoder, "decoder is NULL");
        add_schema(json, [&](const char *text) { decoder->messages.add_schema(id, text); });
    });
}

s2v_status s2v_decoder_set_bare_schema(s2v_decoder *decoder, const char *json) {
    return guarded([&] {
        require(decoder, "decoder is NULL");
        add_schema(json, [&](const char *text) { decoder->messages.set_bare_schema(text); });
    });
}

s2v_status s2v_decode_messages(s2v_decoder *decoder, const void *const *messages, const int64_t *sizes, int64_t n,
                               s2v_batch *batch) {
    return guarded([&] {
        require(decoder, "decoder is NULL");
        S2V_REQUIRE_SIZE(batch, s2v_batch);
        clear(*batch);
        const decode::Rows &rows = decode_messages(*decoder, messages, sizes, n);
        describe(rows, decoder->saturation, decoder->problems, *batch);
    });
}

s2v_status s2v_score_messages(s2v_decoder *decoder, const void *const *messages, const int64_t *sizes, int64_t n,
                              s2v_id *candidate_ids, s2v_id *object_ids, float *score, uint32_t *flags) {
    return guarded([&] {
        require(decoder, "decoder is NULL");
        require(decoder->scores, "the decoder was made without a model");
        require(n == 0 || (score && flags), "score or flags is NULL");
        const decode::Rows &rows = decode_messages(*decoder, messages, sizes, n);
        std::ranges::copy(rows.score, score);
        std::ranges::copy(rows.score_flags, flags);
        if (candidate_ids) write_candidate_ids(*decoder, rows, candidate_ids);
        for (std::size_t row = 0; object_ids && row < rows.count(); ++row)
            object_ids[row] = id_of(text_of(rows.object_id, row), S2V_ID_TEXT);
    });
}

s2v_status s2v_decoder_take_pixels(s2v_decoder *decoder, s2v_pixels *pixels) {
    return guarded([&] {
        require(decoder, "decoder is NULL");
        S2V_REQUIRE_SIZE(pixels, s2v_pixels);
        clear(*pixels);
        take_pixels(decoder->messages.rows(), *pixels);
    });
}

s2v_status s2v_decoder_schema_columns(const s2v_decoder *decoder, int32_t schema, uint8_t *present) {
    return copy_schema_columns(decoder, schema, present);
}

s2v_status s2v_decoder_schema_fields(const s2v_decoder *decoder, int32_t schema, uint8_t *kinds) {
    return copy_schema_fields(decoder, schema, kinds);
}

s2v_status s2v_decoder_schema_paths(const s2v_decoder *decoder, int32_t schema, char *paths, int64_t capacity,
                                    int64_t *size) {
    return copy_schema_paths(decoder, schema, paths, capacity, size);
}

}  // extern "C"
