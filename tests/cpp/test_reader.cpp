// Reading through the C ABI: the order, the batches, going on, what is damaged.
#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <tuple>

namespace {

using synthetic::Octets;

struct Row {
    std::string object_id;
    std::int64_t candidate_id;
    std::uint32_t flags;
    std::vector<float> pixels;
    std::vector<float> features;
    double column;
    s2v_place place;

    bool operator==(const Row &other) const {
        const auto same = [](const std::vector<float> &a, const std::vector<float> &b) {
            return a.size() == b.size() &&
                   (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
        };
        return object_id == other.object_id && candidate_id == other.candidate_id && flags == other.flags &&
               same(pixels, other.pixels) && same(features, other.features) &&
               std::memcmp(&column, &other.column, sizeof column) == 0;
    }
};

struct Read {
    std::vector<Row> rows;
    std::vector<std::tuple<std::int64_t, std::string, int>> problems;  // row, fault, channel
    s2v_status status = S2V_OK;
    std::int64_t longest = 0;  // batch
};

struct How {
    int threads = 2;
    std::int64_t batch = 7;
    bool pixels = true;
    int sets = S2V_SET_AUTOSCAN;
    int convention = S2V_CONVENTION_CODE;
    std::uint32_t schema = 0;
    std::int32_t source = 0;
    std::uint64_t block = 0;
    std::int64_t row = 0;
    std::int64_t most = 1 << 30;  // rows after which the reader is closed
    s2v_limits limits = s2v::sized<s2v_limits>();
};

Read read(const std::vector<Octets> &inputs, const How &how = {}) {
    std::vector<const void *> memory;
    std::vector<std::int64_t> sizes;
    for (const Octets &input : inputs) {
        memory.push_back(input.data());
        sizes.push_back(static_cast<std::int64_t>(input.size()));
    }
    const char *const columns[] = {"candidate.magpsf"};
    const char *const schemas[] = {synthetic::kPacketSchema.c_str()};
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = static_cast<std::int64_t>(inputs.size());
    reading.memory = memory.data();
    reading.memory_size = sizes.data();
    reading.column_count = 1;
    reading.columns = columns;
    reading.schema_count = how.schema ? 1 : 0;
    reading.schema_ids = &how.schema;
    reading.schemas = schemas;
    reading.keep_pixels = how.pixels;
    reading.sets = how.sets;
    reading.convention = how.convention;
    reading.threads = how.threads;
    reading.start_source = how.source;
    reading.start_block = how.block;
    reading.start_row = how.row;
    s2v_reader *reader = nullptr;
    Read out;
    out.status = s2v_reader_open_within(&reading, &how.limits, &reader);
    auto batch = s2v::sized<s2v_batch>();
    while (out.status == S2V_OK && static_cast<std::int64_t>(out.rows.size()) < how.most &&
           (out.status = s2v_reader_next(reader, how.batch, &batch)) == S2V_OK && batch.stamps.n > 0) {
        const auto before = static_cast<std::int64_t>(out.rows.size());
        CHECK(batch.stamps.n <= how.batch);
        out.longest = std::max(out.longest, batch.stamps.n);
        for (std::int64_t i = 0; i < batch.stamps.n; ++i) {
            const std::int64_t begin = i ? batch.object_end[i - 1] : 0;
            Row row{{batch.object_ids + begin, batch.object_ids + batch.object_end[i]},
                    batch.candidate_id[i],
                    batch.flags[i],
                    {},
                    {},
                    batch.columns[i],
                    batch.place[i]};
            for (std::int64_t at = 3 * i; at < 3 * i + 3; ++at) {
                if (batch.stamps.offset[at] < 0) continue;
                const float *const first = batch.stamps.pixels + batch.stamps.offset[at];
                row.pixels.insert(row.pixels.end(), first,
                                  first + batch.stamps.shape[2 * at] * batch.stamps.shape[2 * at + 1]);
            }
            if (batch.features)
                row.features.assign(batch.features + i * s2v_stamp_feature_count(how.sets),
                                    batch.features + (i + 1) * s2v_stamp_feature_count(how.sets));
            out.rows.push_back(std::move(row));
        }
        for (std::int64_t i = 0; i < batch.problem_count; ++i)
            out.problems.emplace_back(before + batch.problems[i].row, s2v_fault_name(batch.problems[i].fault),
                                      batch.problems[i].channel);
    }
    s2v_reader_close(reader);
    return out;
}

void test_order_and_batches() {
    const std::vector<Octets> inputs = {synthetic::container(0, 9, 1), synthetic::container(9, 30, 4),
                                        synthetic::container(30, 31, 1)};
    const Read first = read(inputs);
    CHECK(first.rows.size() == 31 && first.problems.empty());
    for (int k = 0; k < 31; ++k) {
        const Row &row = first.rows[static_cast<std::size_t>(k)];
        CHECK(row.object_id == "object" + std::to_string(k) && row.candidate_id == 1000 + k && row.flags == 0);
        CHECK(row.column == 18.0 + k && row.features.size() == 18);
        const auto side = static_cast<std::size_t>(21 + 2 * (k * 7 % 54));
        CHECK(row.pixels.size() == 3 * side * side);
    }
    for (const int threads : {1, 3})
        for (const std::int64_t batch : {1, 5, 1000}) {
            How how;
            how.threads = threads;
            how.batch = batch;
            CHECK(read(inputs, how).rows == first.rows);
        }
    How lean;
    lean.pixels = false;
    const Read measured = read(inputs, lean);
    CHECK(measured.rows.size() == 31);
    for (std::size_t k = 0; k < measured.rows.size(); ++k) {
        CHECK(measured.rows[k].pixels.empty());
        CHECK(std::memcmp(measured.rows[k].features.data(), first.rows[k].features.data(), 18 * sizeof(float)) == 0);
    }
    // A reader may be closed while its threads are at work.
    How early;
    early.batch = early.most = 1;
    CHECK(read(inputs, early).rows.size() == 1);
}

void test_goes_on_anywhere() {
    Octets archive;
    synthetic::add_member(archive, "a.avro", synthetic::container(40, 45, 2));
    synthetic::add_member(archive, "readme.txt", {'h', 'i'});
    synthetic::add_member(archive, "b.avro", synthetic::container(45, 47, 2));
    archive.resize(archive.size() + 1024);
    Octets cut = synthetic::container(30, 36, 3);
    cut.resize(cut.size() - 5000);
    const std::vector<Octets> inputs = {synthetic::container(0, 10, 3), cut, archive, synthetic::container(50, 52, 1)};
    const Read whole = read(inputs);
    CHECK(whole.rows.size() == 10 + 6 + 7 + 2 && whole.problems.size() == 1);
    for (std::size_t row = 0; row < whole.rows.size(); ++row) {
        const s2v_place &place = whole.rows[row].place;
        std::int64_t before = 0;
        while (row >= static_cast<std::size_t>(before) + 1 &&
               whole.rows[row - before - 1].place.source == place.source &&
               whole.rows[row - before - 1].place.block == place.block)
            ++before;
        How how;
        how.source = place.source;
        how.block = place.block;
        how.row = before;
        const Read rest = read(inputs, how);
        CHECK(rest.rows == std::vector<Row>(whole.rows.begin() + static_cast<std::ptrdiff_t>(row), whole.rows.end()));
    }
}

void test_containers_one_after_another() {
    Octets joined = synthetic::container(0, 5, 2);
    const Octets more = synthetic::container(5, 8, 3);
    joined.insert(joined.end(), more.begin(), more.end());
    const Read read_ = read({joined});
    CHECK(read_.rows.size() == 8 && read_.problems.empty() && read_.rows[7].candidate_id == 1007);
}

void test_messages() {
    How how;
    how.schema = 0x01020304;
    Octets several = synthetic::message(1, how.schema);
    const Octets second = synthetic::message(2, how.schema);
    several.insert(several.end(), second.begin(), second.end());
    const Read good = read({synthetic::message(0, how.schema), several}, how);
    CHECK(good.rows.size() == 3 && good.problems.empty() && good.rows[2].candidate_id == 1002);
    const Read foreign = read({synthetic::message(0, 7), synthetic::message(1, how.schema)}, how);
    CHECK(foreign.rows.size() == 2 && foreign.rows[1].candidate_id == 1001);
    CHECK(foreign.problems.size() == 1 && std::get<1>(foreign.problems[0]) == "unknown_schema");
    // Without any schema it looks like a message all the same, unless its number is no likely one.
    CHECK(std::get<1>(read({synthetic::message(0, 7)}).problems.at(0)) == "unknown_schema");
    CHECK(std::get<1>(read({synthetic::message(0, 0)}).problems.at(0)) == "foreign_file");
    CHECK(std::get<1>(read({synthetic::message(0, 0x01020304)}).problems.at(0)) == "foreign_file");
}

void test_damage_costs_its_block_only() {
    const Octets sound = synthetic::container(0, 12, 3);
    const Octets marker = synthetic::sync();
    auto at = std::search(sound.begin(), sound.end(), marker.begin(), marker.end()) + 16;  // the first block
    at = std::search(at, sound.end(), marker.begin(), marker.end());                       // its end
    Octets flipped = sound;
    flipped[static_cast<std::size_t>(at - sound.begin()) + 3] ^= 0x40;
    const Read marked = read({flipped});
    CHECK(marked.rows.size() == 13 && marked.problems.size() == 1);
    CHECK(std::get<0>(marked.problems[0]) == 3 && std::get<1>(marked.problems[0]) == "damaged_avro");
    // The head of the second block says that it is longer than it is, or than the file.
    for (const std::uint8_t high : {0x7f, 0xff}) {
        Octets longer = sound;
        longer[static_cast<std::size_t>(at - sound.begin()) + 16 + 3] = high;
        const Read read_ = read({longer});
        CHECK(!read_.problems.empty());
        const auto has = [&](std::int64_t id) {
            return std::any_of(read_.rows.begin(), read_.rows.end(),
                               [&](const Row &row) { return row.candidate_id == id; });
        };
        for (const std::int64_t id : {1000, 1001, 1002, 1006, 1008, 1009, 1011}) CHECK(has(id));
    }
}

void test_any_cut_and_any_flip() {
    const Octets sound = synthetic::container(0, 2, 1);
    How how;
    how.threads = 1;
    how.sets = 0;
    for (std::size_t length = 0; length < sound.size(); length += 331) {
        const Read read_ = read({Octets(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(length))}, how);
        CHECK(read_.status == S2V_OK && !read_.rows.empty());
        // A cut between blocks is no damage that can be seen.
        CHECK(!read_.problems.empty() || read_.rows.size() <= 2);
    }
    synthetic::Random random(5);
    for (int trial = 0; trial < 300; ++trial) {
        Octets damaged = sound;
        damaged[random.bits() % 1400] ^= static_cast<std::uint8_t>(1 + random.bits() % 255);
        CHECK(read({damaged}, how).status == S2V_OK);
    }
}

// A small file that says it has a great many alerts.
void test_hollow_records() {
    const std::string hollow = R"({"type": "record", "name": "a", "fields": [{"name": "cutoutScience", "type": )";
    const auto file = [&](const std::string &type, std::int64_t records, std::size_t bytes) {
        synthetic::Avro avro;
        avro.raw({'O', 'b', 'j', 1})
            .number(1)
            .text("avro.schema")
            .text(hollow + type + "}]}")
            .number(0)
            .raw(synthetic::sync());
        avro.number(records).number(static_cast<std::int64_t>(bytes)).raw(Octets(bytes)).raw(synthetic::sync());
        return avro.bytes();
    };
    How how;
    how.batch = 1 << 20;
    const std::string nothing = R"({"type": "fixed", "name": "f", "size": 0})";
    const Read none = read({file(nothing, std::int64_t{1} << 60, 0)}, how);
    CHECK(none.rows.size() == 1 && std::get<1>(none.problems.at(0)) == "too_large");
    CHECK(read({file(nothing, 1000, 0)}, how).rows.size() == 1000);
    const Read many = read({file(R"(["null", "bytes"])", 1 << 22, 1 << 22)}, how);
    CHECK(std::get<1>(many.problems.at(0)) == "too_large");
}

void test_limits() {
    const std::vector<Octets> inputs = {synthetic::container(8, 12, 2)};  // object8 to object11
    const Read whole = read(inputs);
    How how;
    how.limits.id_bytes = 7;
    const Read short_ids = read(inputs, how);
    CHECK(short_ids.rows.size() == 4 && short_ids.problems.size() == 2);
    for (std::size_t k = 0; k < 4; ++k) {
        CHECK(short_ids.rows[k].candidate_id == whole.rows[k].candidate_id);
        CHECK((k < 2) == (short_ids.rows[k] == whole.rows[k]));
        CHECK(k < 2 || (short_ids.rows[k].object_id.empty() && short_ids.rows[k].pixels.empty() &&
                        short_ids.problems[k - 2] == std::make_tuple(static_cast<std::int64_t>(k), "too_large", -1)));
    }
    how.limits = {sizeof(s2v_limits), 0, 1, 0, 0};
    const Read one_by_one = read(inputs, how);
    CHECK(one_by_one.longest == 1 && one_by_one.rows == whole.rows);
    how.limits = {sizeof(s2v_limits), 0, 0, -1, 0};
    CHECK(read(inputs, how).status == S2V_INVALID_ARGUMENT);
}

void test_kinds_of_nothing() {
    const Read read_ = read({{}, {'x', 'y', 'z'}, synthetic::container(0, 1, 1)});
    CHECK(read_.rows.size() == 3 && read_.problems.size() == 2 && read_.rows[2].candidate_id == 1000);
    CHECK(std::get<1>(read_.problems.at(0)) == "empty_file" && std::get<1>(read_.problems.at(1)) == "foreign_file");
    CHECK(read({}).rows.empty());
    Octets archive;
    synthetic::add_member(archive, "only.txt", {'a'});
    CHECK(std::get<1>(read({archive}).problems.at(0)) == "foreign_file");
    synthetic::add_member(archive, "named.avro", {'a'});
    CHECK(read({archive}).rows.size() == 1);
    synthetic::add_member(archive, "good.avro", synthetic::container(3, 4, 1));
    archive[512 + 512 + 148] ^= 1;  // the sum of the second header
    CHECK(std::get<1>(read({archive}).problems.at(0)) == "damaged_archive");
}

void test_what_a_caller_gets_wrong() {
    s2v_reading reading;
    s2v_reading_init(&reading);
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(nullptr, &reader) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_reader_open(&reading, nullptr) == S2V_INVALID_ARGUMENT);
    reading.count = 1;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT);
    reading.count = 0;
    reading.sets = 4;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT && reader == nullptr);
    reading.sets = 0;
    reading.convention = 9;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT && reader == nullptr);
    reading.convention = S2V_CONVENTION_CODE;
    const std::uint32_t number = 1;
    const char *const text = "{}";
    reading.schema_count = 1;
    reading.schema_ids = &number;
    reading.schemas = &text;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT);
    auto batch = s2v::sized<s2v_batch>();
    CHECK(s2v_reader_next(nullptr, 1, &batch) == S2V_INVALID_ARGUMENT);
    const std::int64_t falling[] = {5, 0};
    const std::uint8_t bytes[5] = {};
    auto cutouts = s2v::sized<s2v_cutouts>();
    cutouts.n = 1;
    cutouts.data[0] = bytes;
    cutouts.begin[0] = falling;
    s2v_reading_init(&reading);
    CHECK(s2v_reader_open_cutouts(&cutouts, &reading, &reader) == S2V_INVALID_ARGUMENT);
    cutouts = {};
    cutouts.n = 2;
    cutouts.object_ids = "ab";
    CHECK(s2v_reader_open_cutouts(&cutouts, &reading, &reader) == S2V_INVALID_ARGUMENT);
    cutouts.object_end = falling;
    CHECK(s2v_reader_open_cutouts(&cutouts, &reading, &reader) == S2V_INVALID_ARGUMENT);
    cutouts = {};
    reading.field_count = 1;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT);
    reading.field_count = -1;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    test_order_and_batches();
    test_goes_on_anywhere();
    test_containers_one_after_another();
    test_messages();
    test_damage_costs_its_block_only();
    test_any_cut_and_any_flip();
    test_hollow_records();
    test_limits();
    test_kinds_of_nothing();
    test_what_a_caller_gets_wrong();
    return check::report();
}
