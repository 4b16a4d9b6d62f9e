// Messages in memory: one row each, whatever they hold, and the same rows as a reader gives.
#include "check.hpp"
#include "decode/messages.hpp"
#include "made_packets.hpp"
#include "made_scoring.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <thread>

namespace {

std::atomic<long> allocations{0};

}  // namespace

[[gnu::noinline]] void *operator new(std::size_t size) {
    ++allocations;
    if (void *const memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void *operator new(std::size_t size, std::align_val_t alignment) {
    ++allocations;
    const auto to = static_cast<std::size_t>(alignment);
    if (void *const memory = std::aligned_alloc(to, (size + to - 1) / to * to)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void *operator new(std::size_t size, const std::nothrow_t &) noexcept {  // of a stable sort
    ++allocations;
    return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void *memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

using made::Octets;

constexpr std::uint32_t kSchema = 900;

Octets joined(Octets first, const Octets &second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

Octets cut(const Octets &bytes, std::size_t size) {
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

struct Messages {
    std::vector<const void *> at;
    std::vector<std::int64_t> size;

    explicit Messages(const std::vector<Octets> &messages) {
        for (const Octets &message : messages) {
            at.push_back(message.data());
            size.push_back(static_cast<std::int64_t>(message.size()));
        }
    }
    [[nodiscard]] std::int64_t count() const {
        return static_cast<std::int64_t>(at.size());
    }
};

struct Decoder {
    s2v_decoder *c = nullptr;

    explicit Decoder(const s2v_reading &reading) {
        CHECK(s2v_decoder_create(&reading, &c) == S2V_OK);
        CHECK(s2v_decoder_add_schema(c, kSchema, made::kPacketSchema.c_str()) == S2V_OK);
    }
    ~Decoder() {
        s2v_decoder_free(c);
    }
    s2v_batch decode(const Messages &messages) {
        auto batch = s2v::sized<s2v_batch>();
        CHECK(s2v_decode_messages(c, messages.at.data(), messages.size.data(), messages.count(), &batch) == S2V_OK);
        CHECK(batch.stamps.n == messages.count());
        return batch;
    }
};

s2v_reading plain() {
    s2v_reading reading;
    s2v_reading_init(&reading);
    return reading;
}

std::string object_of(const s2v_batch &batch, std::int64_t row) {
    return {batch.object_ids + (row ? batch.object_end[row - 1] : 0), batch.object_ids + batch.object_end[row]};
}

std::string fault_of(const s2v_batch &batch, std::int64_t row) {
    for (std::int64_t i = 0; i < batch.problem_count; ++i)
        if (batch.problems[i].row == row) return s2v_fault_name(batch.problems[i].fault);
    return "";
}

void every_message_is_a_row() {
    const Octets good = made::message(1, kSchema);
    const Octets broken_file = cut(made::container(5, 6, 1), 400);
    const std::vector<Octets> all = {
        good,
        {},
        Octets(100, 0x20),
        made::message(2, 17),
        joined(made::message(3, kSchema), made::message(4, kSchema)),
        joined(made::message(5, kSchema), {1, 2, 3}),
        made::container(6, 7, 1),
        made::container(7, 10, 3),
        made::container(10, 12, 1),
        cut(made::message(12, kSchema), 200),
        cut(good, 3),
        broken_file,
        cut(made::container(0, 0, 1), made::container(0, 0, 1).size()),
        made::message(13, kSchema),
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
    const std::uint32_t bad = made::flag("bad_stamp"), surplus = made::flag("surplus");
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
    const Octets whole = made::message(1, kSchema);
    Decoder decoder(plain());
    for (std::size_t size = 0; size < whole.size(); size += size < 80 ? 1 : 997) {
        const Octets part = cut(whole, size);
        const s2v_batch batch = decoder.decode(Messages({part}));
        CHECK(batch.problem_count == 1 && (batch.flags[0] & made::flag("bad_stamp")) != 0);
    }
}

s2v_reader *opened(const Messages &messages, s2v_reading reading) {
    const std::uint32_t id = kSchema;
    const char *const schema = made::kPacketSchema.c_str();
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
            all.push_back(made::container(number, number + 1, 1));
        else
            all.push_back(made::message(number, kSchema));
        if (number % 7 == 5) all.back()[all.back().size() / 2] ^= 0x80;
    }
    const Messages messages(all);
    const s2v::Model model = made::NetworkFile().model();
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
        CHECK(made::same_bits(scores, together));
    }
}

void a_schema_is_compiled_once() {
    s2v::decode::Wish wish;
    wish.isa = s2v::active_isa();
    s2v::decode::MessageDecoder decoder({}, wish, s2v::decode::Store::of(nullptr));
    decoder.add_schema(kSchema, made::kPacketSchema);
    decoder.add_schema(kSchema + 1, made::kPacketSchema);
    decoder.set_bare_schema(made::kPacketSchema);
    CHECK(decoder.schemas().compiled() == 1);
    for (int number = 0; number < 20; ++number) {
        const std::vector<Octets> all = {made::message(number, kSchema), made::message(number, kSchema + 1),
                                         made::packet(number), made::container(number, number + 1, 1)};
        const std::vector<s2v::decode::Bytes> bytes(all.begin(), all.end());
        const s2v::decode::Rows &rows = decoder.decode(bytes);
        CHECK(rows.count() == 4 && rows.problems.empty());
        for (std::size_t row = 0; row < 4; ++row) CHECK(rows.candidate_id[row] == 1000 + number);
    }
    CHECK(decoder.schemas().compiled() == 1);
    // However many there are, those that were added are never compiled again.
    const auto schema = [](int number) {
        std::string text = made::kPacketSchema;
        return text.replace(text.find("\"alert\""), 7, "\"alert" + std::to_string(number) + "\"");
    };
    for (int number = 0; number < 100; ++number) decoder.add_schema(static_cast<std::uint32_t>(number), schema(number));
    CHECK(decoder.schemas().compiled() == 101);
    for (int number = 0; number < 100; ++number) {
        const Octets message = made::message(number, static_cast<std::uint32_t>(number));
        const s2v::decode::Bytes bytes(message);
        CHECK(decoder.decode({&bytes, 1}).problems.empty());
        decoder.add_schema(static_cast<std::uint32_t>(number), schema(number));
    }
    CHECK(decoder.schemas().compiled() == 101);
}

void sound_messages_cost_no_allocation() {
    const s2v::Model models[] = {made::NetworkFile().model(), made::CascadeFile().model(0.0F, 1.0F),
                                 made::NetworkFile::of(made::forest_file({"MASKFRAC", "SNR"}, 0))};
    std::vector<Octets> all;
    for (int number = 0; number < 60; ++number) all.push_back(made::message(number, kSchema));
    for (int number = 60; number < 70; ++number) all.push_back(made::container(number, number + 1, 1));
    const Messages messages(all);
    for (const s2v::Model &model : models) {
        s2v_reading reading = plain();
        reading.keep_pixels = 0;
        reading.model = model.c();
        Decoder decoder(reading);
        std::vector<float> score(all.size());
        std::vector<std::uint32_t> flags(all.size());
        std::vector<s2v_id> candidates(all.size()), objects(all.size());
        long before = 0;
        for (int round = 0; round < 3; ++round) {
            if (round == 1) before = allocations;
            CHECK(s2v_score_messages(decoder.c, messages.at.data(), messages.size.data(), messages.count(),
                                     candidates.data(), objects.data(), score.data(), flags.data()) == S2V_OK);
            for (std::size_t k = 0; k < all.size(); ++k)
                s2v_score_messages(decoder.c, &messages.at[k], &messages.size[k], 1, candidates.data(), objects.data(),
                                   &score[k], &flags[k]);
        }
        CHECK(allocations == before);
        CHECK(std::isfinite(score[0]));
    }
}

void ids_are_spans_of_text() {
    std::string schema = made::kPacketSchema;
    const std::string number = R"("candid", "type": "long")";
    schema.replace(schema.find(number), number.size(), R"("candid", "type": "string")");
    const s2v::Model model = made::NetworkFile().model();
    s2v_reading reading = plain();
    reading.model = model.c();
    Decoder decoder(reading);
    CHECK(s2v_decoder_set_bare_schema(decoder.c, schema.c_str()) == S2V_OK);
    const struct {
        const char *text;
        std::int32_t kind;
    } cases[] = {{"18446744073709551615", S2V_ID_UNSIGNED},
                 {"-9223372036854775808", S2V_ID_SIGNED},
                 {"007", S2V_ID_TEXT},
                 {"12", S2V_ID_SIGNED},
                 {"", S2V_ID_UNKNOWN},
                 {"abc", S2V_ID_TEXT}};
    std::vector<Octets> all;
    for (const auto &one : cases) {
        const Octets packet = made::packet(3);
        Octets changed = made::Avro().text("name").text(one.text).bytes();
        changed.insert(changed.end(), packet.begin() + 10, packet.end());  // "object3" and 1003 go
        all.push_back(changed);
    }
    const Messages messages(all);
    std::vector<float> score(all.size());
    std::vector<std::uint32_t> flags(all.size());
    std::vector<s2v_id> candidates(all.size()), objects(all.size());
    CHECK(s2v_score_messages(decoder.c, messages.at.data(), messages.size.data(), messages.count(), candidates.data(),
                             objects.data(), score.data(), flags.data()) == S2V_OK);
    for (std::size_t k = 0; k < all.size(); ++k) {
        CHECK(candidates[k].kind == cases[k].kind);
        CHECK(std::string(candidates[k].text, static_cast<std::size_t>(candidates[k].size)) == cases[k].text);
        CHECK(std::string(objects[k].text, static_cast<std::size_t>(objects[k].size)) == "name");
        CHECK(objects[k].kind == S2V_ID_TEXT && std::isfinite(score[k]));
    }
}

void a_long_id_costs_its_row() {
    const s2v_reading reading = plain();
    auto limits = s2v::sized<s2v_limits>();
    limits.id_bytes = 6;
    s2v_decoder *decoder = nullptr;
    CHECK(s2v_decoder_create_within(&reading, &limits, &decoder) == S2V_OK);
    CHECK(s2v_decoder_add_schema(decoder, kSchema, made::kPacketSchema.c_str()) == S2V_OK);
    const std::vector<Octets> one = {made::message(1, kSchema)};
    const Messages messages(one);
    auto batch = s2v::sized<s2v_batch>();
    CHECK(s2v_decode_messages(decoder, messages.at.data(), messages.size.data(), 1, &batch) == S2V_OK);
    CHECK(batch.stamps.n == 1 && fault_of(batch, 0) == "too_large" && batch.candidate_id[0] == 1001);
    CHECK(object_of(batch, 0).empty());
    s2v_decoder_free(decoder);
}

void threads_share_a_model() {
    const s2v::Model model = made::NetworkFile().model();
    std::vector<Octets> all;
    for (int number = 0; number < 30; ++number) all.push_back(made::message(number, kSchema));
    const Messages messages(all);
    std::vector<std::vector<float>> scores(8, std::vector<float>(all.size()));
    std::vector<std::thread> threads;
    for (std::vector<float> &score : scores)
        threads.emplace_back([&] {
            s2v_reading reading = plain();
            reading.keep_pixels = 0;
            reading.model = model.c();
            s2v_decoder *decoder = nullptr;
            if (s2v_decoder_create(&reading, &decoder) != S2V_OK) return;
            s2v_decoder_add_schema(decoder, kSchema, made::kPacketSchema.c_str());
            std::vector<std::uint32_t> flags(all.size());
            for (int round = 0; round < 3; ++round)
                s2v_score_messages(decoder, messages.at.data(), messages.size.data(), messages.count(), nullptr,
                                   nullptr, score.data(), flags.data());
            s2v_decoder_free(decoder);
        });
    for (std::thread &thread : threads) thread.join();
    CHECK(std::isfinite(scores[0][0]));
    for (const std::vector<float> &score : scores) CHECK(made::same_bits(score, scores[0]));
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
    const std::vector<Octets> one = {made::message(1, kSchema)};
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
    const std::vector<Octets> two = {made::message(1, kSchema), made::message(2, kSchema)};
    const Messages messages(two);
    const s2v_batch batch = decoder.decode(messages);
    const std::vector<float> expected(batch.stamps.pixels, batch.stamps.pixels + batch.stamps.pixel_count);
    auto taken = s2v::sized<s2v_pixels>();
    CHECK(s2v_decoder_take_pixels(decoder.c, &taken) == S2V_OK);
    decoder.decode(Messages({made::message(3, kSchema)}));
    CHECK(made::same_bits(expected, {taken.pixels, taken.pixels + taken.pixel_count}));
    s2v_pixels_release(&taken);
}

}  // namespace

int main() {
    every_message_is_a_row();
    every_cut_of_a_message_is_a_row();
    rows_are_a_readers();
    a_schema_is_compiled_once();
    sound_messages_cost_no_allocation();
    ids_are_spans_of_text();
    a_long_id_costs_its_row();
    threads_share_a_model();
    what_makes_no_sense_is_refused();
    pixels_are_taken_over();
    return check::report();
}
