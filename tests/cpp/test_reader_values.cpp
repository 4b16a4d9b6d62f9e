// Ids and values of packets through the C ABI.
#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <cstdio>
#include <fstream>
#include <string>

namespace {

using synthetic::Octets;

// Ids of any kind and values of any kind, across units and batches.
void test_ids_and_values() {
    const std::string schema = R"({"type": "record", "name": "alert", "fields": [
        {"name": "objectId", "type": ["long", "string", "double"]}, {"name": "candid", "type": ["null", "long", "string",
        "double"]}, {"name": "note", "type": ["null", "string", "long"]}, {"name": "cutoutScience", "type": "bytes"}]})";
    const auto row = [](int number, synthetic::Avro &block) {
        block.number(number % 3);
        if (number % 3 == 0) block.number(number + 1);
        if (number % 3 == 1) block.text("o" + std::to_string(number));
        if (number % 3 == 2) block.real(number + 0.5);
        block.number(number % 4);
        if (number % 4 == 1) block.number(number);
        if (number % 4 == 2) block.text(number % 8 == 2 ? "18446744073709551615" : "t" + std::to_string(number));
        if (number % 4 == 3) block.real(number + 0.25);
        block.number(number % 5 > 2 ? 2 : number % 5 ? 1 : 0);
        if (number % 5 > 2) block.number(-number);
        if (number % 5 == 1 || number % 5 == 2) block.text(std::string(static_cast<std::size_t>(number % 7), 'n'));
        block.number(0);
    };
    constexpr int kRows = 500;
    const std::string path = "test_reader_ids.avro";
    {
        synthetic::Avro file;
        file.raw({'O', 'b', 'j', 1}).number(1).text("avro.schema").text(schema).number(0).raw(synthetic::sync());
        for (int begin = 0; begin < kRows; begin += 25) {
            synthetic::Avro block;
            for (int number = begin; number < begin + 25; ++number) row(number, block);
            file.number(25)
                .number(static_cast<std::int64_t>(block.bytes().size()))
                .raw(block.bytes())
                .raw(synthetic::sync());
        }
        const Octets bytes = file.bytes();
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    for (const std::int64_t size : {1, 7, 1000}) {
        s2v::Reading how;
        how.fields = {"note", "candid", "no_such"};
        s2v::Reader reader({path}, how);
        int number = 0;
        while (const s2v_batch *const batch = reader.next(size)) {
            for (std::int64_t i = 0; i < batch->stamps.n; ++i, ++number) {
                const std::string text = "t" + std::to_string(number);
                const std::string written = std::to_string(number) + ".25";
                const std::string ids[] = {"", std::to_string(number), number % 8 == 2 ? "18446744073709551615" : text,
                                           written};
                const int kinds[] = {S2V_ID_UNKNOWN, S2V_ID_SIGNED, number % 8 == 2 ? S2V_ID_UNSIGNED : S2V_ID_TEXT,
                                     S2V_ID_TEXT};
                CHECK(reader.candidate_id(i) == ids[number % 4] && batch->candidate_kind[i] == kinds[number % 4]);
                CHECK(batch->candidate_id[i] == (number % 4 == 1 ? number : -1));
                const std::int64_t begin = i ? batch->object_end[i - 1] : 0;
                const std::string objects[] = {std::to_string(number + 1), "o" + std::to_string(number),
                                               std::to_string(number) + ".5"};
                CHECK(std::string(batch->object_ids + begin, batch->object_ids + batch->object_end[i]) ==
                      objects[number % 3]);
                const s2v::Value note = reader.value(i, 0);
                if (number % 5 == 0) CHECK(std::holds_alternative<std::monostate>(note));
                if (number % 5 == 1) CHECK(note == s2v::Value(std::string(static_cast<std::size_t>(number % 7), 'n')));
                if (number % 5 > 2) CHECK(note == s2v::Value(std::int64_t{-number}));
                CHECK(std::holds_alternative<std::monostate>(reader.value(i, 2)));
                if (number % 4 == 3) CHECK(reader.value(i, 1) == s2v::Value(number + 0.25));
            }
        }
        CHECK(number == kRows);
    }
    std::remove(path.c_str());
}

// What a schema offers of what is asked for, and the paths that it has, for whoever asked for one that it has not.
void test_what_a_schema_offers() {
    const char *const fields[] = {"note", "objectId", "candid", "magpsf"};
    const Octets sound = synthetic::container(0, 1, 1);
    const void *const memory = sound.data();
    const auto length = static_cast<std::int64_t>(sound.size());
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = 1;
    reading.field_count = 4;
    reading.memory = &memory;
    reading.memory_size = &length;
    reading.fields = fields;
    s2v_reader *reader = nullptr;
    auto batch = s2v::sized<s2v_batch>();
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK && s2v_reader_next(reader, 9, &batch) == S2V_OK);
    CHECK(batch.stamps.n == 1 && batch.values[0].kind == S2V_VALUE_NONE && batch.values[2].integer == 1000);
    std::int64_t size = 0;
    char paths[512];
    CHECK(s2v_reader_schema_paths(reader, batch.schema[0], paths, sizeof paths, &size) == S2V_OK);
    CHECK(std::string(paths, static_cast<std::size_t>(size)) ==
          "objectId\ncandid\ncandidate.magpsf\ncandidate.xpos\ncandidate.ypos\ncutoutScience\ncutoutTemplate\n"
          "cutoutDifference\n");
    std::uint8_t kinds[4] = {9, 9, 9, 9};
    CHECK(s2v_reader_schema_fields(reader, batch.schema[0], kinds) == S2V_OK && kinds[0] == 0);
    CHECK(kinds[1] == 1 << S2V_VALUE_TEXT && kinds[2] == 1 << S2V_VALUE_INTEGER && kinds[3] == 1 << S2V_VALUE_REAL);
    CHECK(s2v_reader_schema_fields(reader, -1, kinds) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_reader_schema_fields(reader, 99, kinds) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_reader_schema_paths(reader, 7, paths, sizeof paths, &size) != S2V_OK);
    s2v_reader_close(reader);
}

}  // namespace

int main() {
    test_ids_and_values();
    test_what_a_schema_offers();
    return check::report();
}
