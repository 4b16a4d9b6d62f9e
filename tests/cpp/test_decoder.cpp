// The rows of messages in memory: one each, whatever they hold, and the same as those of a reader.
#include "check.hpp"
#include "decode/messages.hpp"
#include "synthetic_messages.hpp"
#include "synthetic_scoring.hpp"

#include <cstring>

namespace {

using synthetic::cut;
using synthetic::Decoder;
using synthetic::joined;
using synthetic::kSchema;
using synthetic::Messages;
using synthetic::Octets;
using synthetic::plain;

std::string object_of(const s2v_batch &batch, std::int64_t row) {
    return {batch.object_ids + (row ? batch.object_end[row - 1] : 0), batch.object_ids + batch.object_end[row]};
}

std::string fault_of(const s2v_batch &batch, std::int64_t row) {
    for (std::int64_t i = 0; i < batch.problem_count; ++i)
        if (batch.problems[i].row == row) return s2v_fault_name(batch.problems[i].fault);
    return "";
}

void every_message_is_a_row() {
    const Octets good = synthetic::message(1, kSchema);
    const Octets broken_file = cut(synthetic::container(5, 6, 1), 400);
    const std::vector<Octets> all = {
        good,
        {},
        Octets(100, 0x20),
        synthetic::message(2, 17),
        joined(synthetic::message(3, kSchema), synthetic::message(4, kSchema)),
        joined(synthetic::message(5, kSchema), {1, 2, 3}),
        synthetic::container(6, 7, 1),
        synthetic::container(7, 10, 3),
        synthetic::container(10, 12, 1),
        cut(synthetic::message(12, kSchema), 200),
        cut(good, 3),
        broken_file,
        cut(synthetic::container(0, 0, 1), synthetic::container(0, 0, 1).size()),
        synthetic::message(13, kSchema),
    };
    Messages messages(all);
    messages.at[1] = nullptr;
    messages.size[1] = 7;
    Decoder decoder(plain());
    const s2v_batch batch = decoder.decode(messages);
    const std::vector<std::string> faults = {
        "",        "empty_file", "foreign_file", "unknown_schema", "surplus",   "surplus",    "",
        "surplus", "surplus",    "truncated",    "truncated",      "truncated", "empty_file", ""};
    const std::vector<std::int64_t> ids = {1001, -1, -1, -1, 1003, 1005, 1006, 1007, 1010, 1012, -1, -1, -1, 1013};
    const std::uint32_t bad = synthetic::flag("bad_stamp"), surplus = synthetic::flag("surplus");
    for (std::int64_t row = 0; row < batch.stamps.n; ++row) {
        const auto k = static_cast<std::size_t>(row);
        CHECK(fault_of(batch, row) == faults[k]);
        CHECK(batch.candidate_id[row] == ids[k]);
        const bool sound = faults[k].empty() || faults[k] == "surplus";
        CHECK(((batch.flags[row] & bad) == 0) == sound);
        CHECK(((batch.flags[row] & surplus) != 0) == (faults[k] == "surplus"));
        CHECK((batch.stamps.offset[3 * row] >= 0) == sound);
        CHECK(batch.place[row].source == row);
        if (sound) CHECK(object_of(batch, row) == "object" + std::to_string(ids[k] - 1000));
    }
    CHECK(decoder.decode(Messages({})).stamps.n == 0);
}

// The ids that stand before the damage of a record are told.
void every_cut_of_a_message_is_a_row() {
    const Octets whole = synthetic::message(1, kSchema);
    Decoder decoder(plain());
    for (std::size_t size = 0; size < whole.size(); size += size < 80 ? 1 : 997) {
        const Octets part = cut(whole, size);
        const s2v_batch batch = decoder.decode(Messages({part}));
        CHECK(batch.problem_count == 1 && (batch.flags[0] & synthetic::flag("bad_stamp")) != 0);
    }
}

s2v_reader *opened(const Messages &messages, s2v_reading reading) {
    const std::uint32_t id = kSchema;
    const char *const schema = synthetic::kPacketSchema.c_str();
    reading.count = messages.count();
    reading.memory = messages.at.data();
    reading.memory_size = messages.size.data();
    reading.schema_count = 1;
    reading.schema_ids = &id;
    reading.schemas = &schema;
    reading.threads = 1;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    return reader;
}

template <class T>
bool same(const T *a, const T *b, std::int64_t count) {
    return (!a && !b) || std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(T)) == 0;
}

void rows_are_a_readers() {
    std::vector<Octets> all;
    for (int number = 0; number < 40; ++number) {
        if (number % 4 == 3)
            all.push_back(synthetic::container(number, number + 1, 1));
        else
            all.push_back(synthetic::message(number, kSchema));
        if (number % 7 == 5) all.back()[all.back().size() / 2] ^= 0x80;
    }
    const Messages messages(all);
    const s2v::Model model = synthetic::NetworkFile().model();
    const char *const columns[] = {"candidate.magpsf"};
    const char *const fields[] = {"objectId", "xpos"};
    for (const bool scoring : {false, true}) {
        s2v_reading reading = plain();
        reading.column_count = 1;
        reading.columns = columns;
        reading.field_count = 2;
        reading.fields = fields;
        reading.sets = S2V_SET_AUTOSCAN;
        reading.catalogue = 1;
        reading.model = scoring ? model.c() : nullptr;
        Decoder decoder(reading);
        s2v_reader *const reader = opened(messages, reading);
        auto expected = s2v::sized<s2v_batch>();
        CHECK(s2v_reader_next(reader, 1000, &expected) == S2V_OK);
        const s2v_batch batch = decoder.decode(messages);
        const std::int64_t n = batch.stamps.n;
        CHECK(expected.stamps.n == n);
        CHECK(batch.stamps.pixel_count == expected.stamps.pixel_count);
        CHECK(same(batch.stamps.pixels, expected.stamps.pixels, batch.stamps.pixel_count));
        CHECK(same(batch.stamps.offset, expected.stamps.offset, 3 * n));
        CHECK(same(batch.stamps.shape, expected.stamps.shape, 6 * n));
        CHECK(same(batch.stamps.centre, expected.stamps.centre, 2 * n));
        CHECK(same(batch.flags, expected.flags, n));
        CHECK(same(batch.candidate_id, expected.candidate_id, n));
        CHECK(same(batch.columns, expected.columns, n));
        CHECK(same(batch.catalogue, expected.catalogue, n * S2V_CATALOGUE_COLUMNS));
        CHECK(same(batch.features, expected.features, n * s2v_stamp_feature_count(reading.sets)));
        CHECK(same(batch.score, expected.score, n));
        CHECK(same(batch.score_flags, expected.score_flags, n));
        CHECK((batch.score != nullptr) == scoring);
        for (std::int64_t row = 0; row < n; ++row) CHECK(object_of(batch, row) == object_of(expected, row));
        CHECK(batch.problem_count == expected.problem_count);
        s2v_reader_close(reader);
        // Alone they are the same as together.
        std::vector<float> scores;
        if (!scoring) continue;
        const std::vector<float> together(batch.score, batch.score + n);
        for (std::size_t k = 0; k < all.size(); ++k) {
            float score = 0;
            std::uint32_t flags = 0;
            s2v_id candidate, object;
            CHECK(s2v_score_messages(decoder.c, &messages.at[k], &messages.size[k], 1, &candidate, &object, &score,
                                     &flags) == S2V_OK);
            scores.push_back(score);
        }
        CHECK(synthetic::same_bits(scores, together));
    }
}

void a_schema_is_compiled_once() {
    s2v::decode::DecodeSettings settings;
    settings.isa = s2v::active_isa();
    s2v::decode::MessageDecoder decoder({}, settings, s2v::decode::Store::of(nullptr));
    decoder.add_schema(kSchema, synthetic::kPacketSchema);
    decoder.add_schema(kSchema + 1, synthetic::kPacketSchema);
    decoder.set_bare_schema(synthetic::kPacketSchema);
    CHECK(decoder.schemas().compiled() == 1);
    for (int number = 0; number < 20; ++number) {
        const std::vector<Octets> all = {synthetic::message(number, kSchema), synthetic::message(number, kSchema + 1),
                                         synthetic::packet(number), synthetic::container(number, number + 1, 1)};
        const std::vector<s2v::decode::Bytes> bytes(all.begin(), all.end());
        const s2v::decode::Rows &rows = decoder.decode(bytes);
        CHECK(rows.count() == 4 && rows.problems.empty());
        for (std::size_t row = 0; row < 4; ++row) CHECK(rows.candidate_id[row] == 1000 + number);
    }
    CHECK(decoder.schemas().compiled() == 1);
    // However many there are, those that were added are never compiled again.
    const auto schema = [](int number) {
        std::string text = synthetic::kPacketSchema;
        return text.replace(text.find("\"alert\""), 7, "\"alert" + std::to_string(number) + "\"");
    };
    for (int number = 0; number < 100; ++number) decoder.add_schema(static_cast<std::uint32_t>(number), schema(number));
    CHECK(decoder.schemas().compiled() == 101);
    for (int number = 0; number < 100; ++number) {
        const Octets message = synthetic::message(number, static_cast<std::uint32_t>(number));
        const s2v::decode::Bytes bytes(message);
        CHECK(decoder.decode({&bytes, 1}).problems.empty());
        decoder.add_schema(static_cast<std::uint32_t>(number), schema(number));
    }
    CHECK(decoder.schemas().compiled() == 101);
}

void a_long_id_costs_its_row() {
    const s2v_reading reading = plain();
    auto limits = s2v::sized<s2v_limits>();
    limits.id_bytes = 6;
    s2v_decoder *decoder = nullptr;
    CHECK(s2v_decoder_create_within(&reading, &limits, &decoder) == S2V_OK);
    CHECK(s2v_decoder_add_schema(decoder, kSchema, synthetic::kPacketSchema.c_str()) == S2V_OK);
    const std::vector<Octets> one = {synthetic::message(1, kSchema)};
    const Messages messages(one);
    auto batch = s2v::sized<s2v_batch>();
    CHECK(s2v_decode_messages(decoder, messages.at.data(), messages.size.data(), 1, &batch) == S2V_OK);
    CHECK(batch.stamps.n == 1 && fault_of(batch, 0) == "too_large" && batch.candidate_id[0] == 1001);
    CHECK(object_of(batch, 0).empty());
    s2v_decoder_free(decoder);
}

void what_makes_no_sense_is_refused() {
    s2v_reading reading = plain();
    s2v_decoder *decoder = nullptr;
    CHECK(s2v_decoder_create(&reading, nullptr) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_decoder_create(nullptr, &decoder) == S2V_INVALID_ARGUMENT);
    reading.schema_count = 1;
    CHECK(s2v_decoder_create(&reading, &decoder) == S2V_INVALID_ARGUMENT && !decoder);
    reading.schema_count = 0;
    CHECK(s2v_decoder_create(&reading, &decoder) == S2V_OK);
    CHECK(s2v_decoder_add_schema(decoder, 1, nullptr) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_decoder_add_schema(decoder, 1, "{") == S2V_BAD_INPUT);
    CHECK(s2v_decoder_add_schema(decoder, 1, R"({"type": "record", "name": "r", "fields": []})") == S2V_BAD_INPUT);
    CHECK(std::strstr(s2v_last_error(), "cutout"));
    CHECK(s2v_decoder_set_bare_schema(nullptr, "{}") == S2V_INVALID_ARGUMENT);
    const std::vector<Octets> one = {synthetic::message(1, kSchema)};
    const Messages messages(one);
    auto batch = s2v::sized<s2v_batch>();
    float score = 0;
    std::uint32_t flags = 0;
    const std::int64_t negative = -1;
    CHECK(s2v_decode_messages(decoder, messages.at.data(), messages.size.data(), -1, &batch) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_decode_messages(decoder, nullptr, messages.size.data(), 1, &batch) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_decode_messages(decoder, messages.at.data(), &negative, 1, &batch) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_decode_messages(decoder, messages.at.data(), messages.size.data(), 1, nullptr) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_score_messages(decoder, messages.at.data(), messages.size.data(), 1, nullptr, nullptr, &score, &flags) ==
          S2V_INVALID_ARGUMENT);
    CHECK(std::strstr(s2v_last_error(), "model"));
    std::uint8_t kinds = 0;
    CHECK(s2v_decoder_schema_fields(decoder, 5, &kinds) == S2V_INVALID_ARGUMENT);
    s2v_decoder_free(decoder);
    s2v_decoder_free(nullptr);
}

void pixels_are_taken_over() {
    Decoder decoder(plain());
    const std::vector<Octets> two = {synthetic::message(1, kSchema), synthetic::message(2, kSchema)};
    const Messages messages(two);
    const s2v_batch batch = decoder.decode(messages);
    const std::vector<float> expected(batch.stamps.pixels, batch.stamps.pixels + batch.stamps.pixel_count);
    auto taken = s2v::sized<s2v_pixels>();
    CHECK(s2v_decoder_take_pixels(decoder.c, &taken) == S2V_OK);
    decoder.decode(Messages({synthetic::message(3, kSchema)}));
    CHECK(synthetic::same_bits(expected, {taken.pixels, taken.pixels + taken.pixel_count}));
    s2v_pixels_release(&taken);
}

}  // namespace

int main() {
    every_message_is_a_row();
    every_cut_of_a_message_is_a_row();
    rows_are_a_readers();
    a_schema_is_compiled_once();
    a_long_id_costs_its_row();
    what_makes_no_sense_is_refused();
    pixels_are_taken_over();
    return check::report();
}
