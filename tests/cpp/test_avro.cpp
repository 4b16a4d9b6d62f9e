// The walk over Avro records: every type, every way to break off.
#include "check.hpp"
#include "decode/avro.hpp"
#include "synthetic_avro.hpp"

#include <limits>
#include <random>

namespace {

using s2v::decode::Bytes;
using s2v::decode::Fault;
using s2v::decode::Field;
using s2v::decode::Schema;
using synthetic::Avro;
using synthetic::field;
using synthetic::Paths;
using synthetic::record;
using synthetic::Result;
using synthetic::walk;
using Kind = Field::Kind;

void longs() {
    const std::int64_t values[] = {0,
                                   -1,
                                   1,
                                   63,
                                   64,
                                   -64,
                                   -65,
                                   1LL << 32,
                                   std::numeric_limits<std::int64_t>::max(),
                                   std::numeric_limits<std::int64_t>::min()};
    for (const std::int64_t value : values) {
        const auto bytes = Avro().number(value).bytes();
        const s2v::decode::Long read = s2v::decode::read_long(bytes);
        CHECK(read.value == value && read.size == bytes.size());
        CHECK(s2v::decode::read_long(Bytes(bytes).first(bytes.size() - 1)).size == 0);
    }
    CHECK(s2v::decode::read_long({}).size == 0);
    const auto eleven = Avro().raw({255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0}).bytes();
    CHECK(s2v::decode::read_long(eleven).size == 0);
    const auto beyond = Avro().raw({255, 255, 255, 255, 255, 255, 255, 255, 255, 2}).bytes();
    CHECK(s2v::decode::read_long(beyond).size == 0);
    const auto padded = Avro().raw({0x82, 0x80, 0}).bytes();
    CHECK(s2v::decode::read_long(padded).value == 1 && s2v::decode::read_long(padded).size == 3);
}

const std::string every_type =
    record(field("yes", R"("boolean")") + "," + field("i", R"("int")") + "," + field("l", R"("long")") + "," +
           field("f", R"("float")") + "," + field("d", R"("double")") + "," + field("b", R"("bytes")") + "," +
           field("s", R"("string")") + "," + field("x", R"({"type": "fixed", "name": "three", "size": 3})") + "," +
           field("e", R"({"type": "enum", "name": "band", "symbols": ["u", "g", "r"]})") + "," +
           field("n", R"("null")") + "," + field("a", R"({"type": "array", "items": "string"})") + "," +
           field("m", R"({"type": "map", "values": "long"})") + "," + field("u", R"(["null", "double", "string"])") +
           "," + field("t", R"({"type": "int"})"));

Avro one_of_every_type() {
    return Avro()
        .raw({1})
        .number(-7)
        .number(1LL << 40)
        .real(0.1F)
        .real(0.1)
        .text("bytes")
        .text("")
        .raw({'a', 'b', 'c'})
        .number(2)
        .number(2)
        .text("one")
        .text("two")
        .number(-1)
        .number(6)
        .text("three")
        .number(0)
        .number(1)
        .text("key")
        .number(1LL << 60)
        .number(0)
        .number(1)
        .real(2.5)
        .number(9);
}

void each_type() {
    const Paths wanted = {"yes", "i", "l", "f", "d", "b", "s", "x", "e", "n", "a", "m", "u", "t", "none", "i.j", ""};
    const Result r = walk(every_type, wanted, one_of_every_type());
    CHECK(r.whole());
    CHECK(r.fields[0].kind == Kind::integer && r.fields[0].integer == 1);
    CHECK(r.fields[1].kind == Kind::integer && r.fields[1].integer == -7);
    CHECK(r.fields[2].kind == Kind::integer && r.fields[2].integer == 1LL << 40);
    CHECK(r.fields[3].kind == Kind::real && r.fields[3].real == static_cast<double>(0.1F));
    CHECK(r.fields[4].kind == Kind::real && r.fields[4].real == 0.1);
    CHECK(r.fields[5].kind == Kind::bytes && r.text(5) == "bytes");
    CHECK(r.fields[6].kind == Kind::bytes && r.text(6).empty());
    CHECK(r.fields[7].kind == Kind::bytes && r.text(7) == "abc");
    CHECK(r.fields[8].kind == Kind::bytes && r.text(8) == "r");
    CHECK(r.fields[9].kind == Kind::null);
    CHECK(r.fields[10].kind == Kind::absent && r.fields[11].kind == Kind::absent);
    CHECK(r.fields[12].kind == Kind::real && r.fields[12].real == 2.5);
    CHECK(r.fields[13].kind == Kind::integer && r.fields[13].integer == 9);
    for (std::size_t i = 14; i < wanted.size(); ++i) CHECK(r.fields[i].kind == Kind::absent);
    const Schema schema(every_type, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(schema.has(i) == (i < 9 || i == 12 || i == 13));
    CHECK(walk(every_type, {}, one_of_every_type()).whole());
}

// Cut anywhere, a record is truncated, and what came before is there; whatever is wanted, the same bytes are taken.
void cut_at_every_byte() {
    const auto bytes = one_of_every_type().bytes();
    for (const Paths &wanted : {Paths{"i", "d", "s", "e", "u", "t"}, Paths{"i"}, Paths{}}) {
        const Schema schema(every_type, wanted);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const Result r(schema, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}, wanted.size());
            CHECK(r.broken(Fault::truncated));
            if (!wanted.empty()) CHECK((r.fields[0].kind == Kind::integer) == (size >= 2));
        }
    }
}

// The walk stays inside whatever the bytes say, and ends.
void any_bytes() {
    std::mt19937 random(7);
    const Paths wanted = {"l", "b", "e", "u"};
    const Schema schema(every_type, wanted);
    const auto good = one_of_every_type().bytes();
    int findings = 0;
    for (int round = 0; round < 20000; ++round) {
        auto bytes = good;
        for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        const Result r(schema, bytes, wanted.size());
        findings += r.walked.finding ? 1 : 0;
        if (r.walked.finding)
            CHECK(r.broken(Fault::truncated) || r.broken(Fault::damaged_record));
        else
            CHECK(r.walked.size <= bytes.size());
        for (const Field &f : r.fields)
            if (f.kind == Kind::bytes && &f != &r.fields[2] && !f.bytes.empty())
                CHECK(f.bytes.data() >= r.bytes.data() &&
                      f.bytes.data() + f.bytes.size() <= r.bytes.data() + r.bytes.size());
    }
    CHECK(findings > 1000);
}

const std::string alert =
    record(field("objectId", R"("string")") + "," +
           field("candidate", R"({"type": "record", "name": "c", "namespace": "survey.alert", "fields": [
        {"name": "magpsf", "type": "float"}, {"name": "rb", "type": ["float", "null"]},
        {"name": "previous", "type": ["null", "long"]}, {"name": "name", "type": ["string", "null"]}]})") +
           "," + field("prv", R"([{"type": "array", "items": "survey.alert.c"}, "null"])") + "," +
           field("science", R"(["null", {"type": "record", "name": "cutout", "fields": [
        {"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]}])") +
           "," + field("template", R"(["cutout", "null"])") + "," + field("direct", R"(["null", "bytes"])"));

Avro &candidate(Avro &record, float magnitude, bool nulls) {
    record.real(magnitude).number(nulls ? 1 : 0);
    if (!nulls) record.real(0.5F);
    record.number(nulls ? 0 : 1);
    if (!nulls) record.number(1LL << 50);
    record.number(nulls ? 1 : 0);
    return nulls ? record : record.text("n");
}

void alerts() {
    const Paths wanted = {"objectId",       "candidate.magpsf", "candidate.rb",       "candidate.previous",
                          "candidate.name", "science",          "science.stampData",  "template.stampData",
                          "direct",         "direct.stampData", "template.stampData", "candidate",
                          "prv.magpsf"};
    const Schema schema(alert, wanted);
    const bool has[] = {true, true, true, true, true, false, true, true, true, false, true, false, false};
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(schema.has(i) == has[i]);
    for (const int previous : {-1, 0, 1, 3}) {
        Avro record;
        record.text("ZTF18");
        candidate(record, 18.5F, previous == 1);
        record.number(previous < 0 ? 1 : 0);
        if (previous > 0) record.number(previous);
        for (int i = 0; i < previous; ++i) candidate(record, 19.0F, i % 2 == 0);
        if (previous >= 0) record.number(0);
        record.number(1).text("file").text("science").number(0).text("").text("template").number(previous == 3 ? 0 : 1);
        if (previous != 3) record.text("direct");
        const Result r(schema, record.bytes(), wanted.size());
        CHECK(r.whole());
        CHECK(r.text(0) == "ZTF18");
        CHECK(r.fields[1].kind == Kind::real && r.fields[1].real == 18.5);
        CHECK(r.fields[2].kind == (previous == 1 ? Kind::null : Kind::real));
        CHECK(r.fields[3].kind == (previous == 1 ? Kind::null : Kind::integer));
        CHECK(r.fields[4].kind == (previous == 1 ? Kind::null : Kind::bytes));
        CHECK(r.fields[5].kind == Kind::absent);
        CHECK(r.text(6) == "science" && r.text(7) == "template" && r.text(10) == "template");
        CHECK(r.fields[8].kind == (previous == 3 ? Kind::null : Kind::bytes));
        CHECK(r.fields[9].kind == (previous == 3 ? Kind::null : Kind::absent));
        CHECK(r.fields[11].kind == Kind::absent && r.fields[12].kind == (previous < 0 ? Kind::null : Kind::absent));
        const auto bytes = record.bytes();
        for (std::size_t size = 0; size < bytes.size(); ++size)
            CHECK(Result(schema, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}, wanted.size())
                      .broken(Fault::truncated));
    }
    // No cutout at all: null, not absent.
    Avro record;
    candidate(record.text("ZTF18"), 18.5F, false).number(1).number(0).number(1).number(0);
    const Result r(schema, record.bytes(), wanted.size());
    CHECK(r.whole() && r.fields[5].kind == Kind::null && r.fields[6].kind == Kind::null &&
          r.fields[7].kind == Kind::null);
}

void unions() {
    const std::string schema =
        record(field("u", R"([{"type": "record", "name": "a", "fields": [{"name": "v", "type": "int"}]},
                       {"type": "record", "name": "b", "fields": [{"name": "w", "type": "int"}, {"name": "v", "type": "double"}]},
                       "string", "null"])") +
               "," + field("z", R"("int")"));
    const Paths wanted = {"u.v", "u", "z"};
    const Result a = walk(schema, wanted, Avro().number(0).number(5).number(1));
    CHECK(a.whole() && a.fields[0].integer == 5 && a.fields[1].kind == Kind::absent && a.fields[2].integer == 1);
    const Result b = walk(schema, wanted, Avro().number(1).number(5).real(0.5).number(1));
    CHECK(b.whole() && b.fields[0].kind == Kind::real && b.fields[0].real == 0.5 && b.fields[2].integer == 1);
    const Result s = walk(schema, wanted, Avro().number(2).text("s").number(1));
    CHECK(s.whole() && s.fields[0].kind == Kind::absent && s.text(1) == "s" && s.fields[2].integer == 1);
    const Result n = walk(schema, wanted, Avro().number(3).number(1));
    CHECK(n.whole() && n.fields[0].kind == Kind::null && n.fields[1].kind == Kind::null && n.fields[2].integer == 1);
    for (const std::int64_t branch : {4LL, -1LL, 1LL << 40})
        CHECK(walk(schema, wanted, Avro().number(branch).number(1)).broken(Fault::damaged_record));
    // Unions that are skipped in one step: of one null and one other, either way round, in runs.
    const std::string type[] = {R"(["null", "float"])",
                                R"(["float", "null"])",
                                R"(["null", "long"])",
                                R"(["bytes", "null"])",
                                R"(["null", {"type": "enum", "name": "e", "symbols": ["p", "q"]}])",
                                R"(["null", "null"])"};
    for (const std::string &of : type) {
        const std::string runs = record(
            field("p", of) + "," + field("q", of[0] == '[' && of.find("enum") != of.npos ? R"(["null", "e"])" : of) +
            "," + field("z", R"("int")"));
        const std::int64_t null = of.find("null") == 2 ? 0 : 1;
        Avro value;
        value.number(1 - null);
        if (of.find("float") != of.npos) value.real(1.0F);
        if (of.find("long") != of.npos || of.find("enum") != of.npos) value.number(1);
        if (of.find("bytes") != of.npos) value.text("text");
        for (const bool first : {false, true})
            for (const bool second : {false, true}) {
                Avro record;
                for (const bool with : {first, second}) with ? record.raw(value.bytes()) : record.number(null);
                const Result r = walk(runs, {"z"}, record.number(77));
                CHECK(r.whole() && r.fields[0].integer == 77);
            }
        // A branch may be written in more bytes than it needs.
        const Result padded = walk(runs, {"z"}, Avro().raw({null == 0 ? 0x80 : 0x82, 0}).raw(value.bytes()).number(77));
        CHECK(padded.whole() && padded.fields[0].integer == 77);
        CHECK(walk(runs, {"z"}, Avro().number(2).number(0).number(77)).broken(Fault::damaged_record));
        CHECK(walk(runs, {"z"}, Avro().number(-1).number(0).number(77)).broken(Fault::damaged_record));
    }
}

void lengths_that_lie() {
    const std::string text = record(field("s", R"("bytes")") + "," + field("z", R"("int")"));
    for (const Paths &wanted : {Paths{"s"}, Paths{"z"}}) {
        CHECK(walk(text, wanted, Avro().number(-1).number(0)).broken(Fault::damaged_record));
        CHECK(walk(text, wanted, Avro().number(std::numeric_limits<std::int64_t>::min()).number(0))
                  .broken(Fault::damaged_record));
        CHECK(walk(text, wanted, Avro().number(std::numeric_limits<std::int64_t>::max()).number(0))
                  .broken(Fault::truncated));
        CHECK(walk(text, wanted, Avro().raw({255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}))
                  .broken(Fault::damaged_record));
    }
    const std::string huge = record(field("x", R"({"type": "fixed", "name": "x", "size": 9007199254740991})") + "," +
                                    field("y", R"({"type": "array", "items": "x"})"));
    CHECK(walk(huge, {"x"}, Avro().number(0)).broken(Fault::truncated));
    CHECK(walk(huge, {}, Avro().number(0)).broken(Fault::truncated));
    // 2^53 - 1 bytes, 2^11 times: no sum of sizes wraps round.
    std::string fields = field("x0", R"({"type": "fixed", "name": "x", "size": 9007199254740991})");
    for (int i = 1; i < 2048; ++i) fields += "," + field("x" + std::to_string(i), R"("x")");
    CHECK(walk(record(fields), {}, Avro().number(0)).broken(Fault::truncated));
    CHECK(walk(record(fields), {"x2047"}, Avro().number(0)).broken(Fault::truncated));
    CHECK(walk(R"({"type": "array", "items": )" + record(fields) + "}", {}, Avro().number(1LL << 62).raw({1, 2}))
              .broken(Fault::truncated));
}

void counts_that_lie() {
    const std::int64_t huge = 1LL << 60;
    const std::string items[] = {
        R"("null")", record(""), R"({"type": "fixed", "name": "x", "size": 0})",
        record(field("n", R"("null")") + "," + field("m", R"({"type": "fixed", "name": "y", "size": 0})"))};
    for (const std::string &item : items) {
        const std::string schema = R"({"type": "array", "items": )" + item + "}";
        CHECK(walk(schema, {}, Avro().number(huge).number(huge).number(0)).whole());
        CHECK(walk(schema, {}, Avro().number(huge).number(huge)).broken(Fault::truncated));
    }
    for (const std::string item :
         {R"("int")", R"("double")", R"("string")", R"(["null", "int"])", R"(["null", "null"])"}) {
        const std::string schema = R"({"type": "array", "items": )" + item + "}";
        CHECK(walk(schema, {}, Avro().number(huge).raw({0, 0, 0, 0, 0, 0, 0, 0})).broken(Fault::truncated));
        // A block that tells its size is not looked into.
        CHECK(walk(schema, {}, Avro().number(-huge).number(3).raw({255, 255, 255}).number(0)).whole());
        CHECK(walk(schema, {}, Avro().number(std::numeric_limits<std::int64_t>::min()).number(0).number(0)).whole());
        CHECK(walk(schema, {}, Avro().number(-1).number(4).raw({0, 0, 0})).broken(Fault::truncated));
        CHECK(walk(schema, {}, Avro().number(-1).number(-4).raw({0, 0, 0})).broken(Fault::damaged_record));
    }
    const std::string map = R"({"type": "map", "values": "null"})";
    CHECK(walk(map, {}, Avro().number(huge).text("k").text("l")).broken(Fault::truncated));
    CHECK(walk(map, {}, Avro().number(2).text("k").text("l").number(1).text("").number(0)).whole());
    const std::string nested =
        R"({"type": "array", "items": {"type": "map", "values": {"type": "array", "items": "float"}}})";
    CHECK(walk(nested, {},
               Avro().number(1).number(1).text("k").number(2).real(1.0F).real(2.0F).number(0).number(0).number(0))
              .whole());
}

void recursive_types() {
    const std::string list = R"({"type": "record", "name": "node", "namespace": "a.b", "fields": [
        {"name": "value", "type": "int"}, {"name": "next", "type": ["null", "node"]}]})";
    const auto chain = [](int nodes) {
        Avro record;
        for (int i = 0; i < nodes; ++i) record.number(i).number(i + 1 < nodes ? 1 : 0);
        return record;
    };
    const Paths wanted = {"value", "next.value", "next.next.value"};
    const Result r = walk(list, wanted, chain(100));
    CHECK(r.whole() && r.fields[0].integer == 0 && r.fields[1].integer == 1 && r.fields[2].integer == 2);
    CHECK(walk(list, wanted, chain(2)).fields[2].kind == Kind::null);
    CHECK(walk(list, wanted, chain(1000000)).broken(Fault::damaged_record));
    const std::string tree = R"({"type": "record", "name": "node", "fields": [{"name": "down", "type": {"type": "array",
        "items": "node"}}, {"name": "m", "type": {"type": "map", "values": "node"}}]})";
    CHECK(
        walk(tree, {}, Avro().number(2).raw({0, 0, 0, 0}).number(0).number(1).text("k").raw({0, 0}).number(0)).whole());
    // Records that hold themselves and take no bytes: these have no end.
    const std::string endless = R"({"type": "record", "name": "node", "fields": [{"name": "l", "type": "node"},
        {"name": "r", "type": "node"}]})";
    CHECK(walk(endless, {}, Avro().raw({0, 0})).broken(Fault::damaged_record));
    CHECK(walk(R"({"type": "array", "items": )" + endless + "}", {}, Avro().number(1LL << 60))
              .broken(Fault::damaged_record));
}

}  // namespace

int main() {
    longs();
    each_type();
    cut_at_every_byte();
    any_bytes();
    alerts();
    unions();
    lengths_that_lie();
    counts_that_lie();
    recursive_types();
    return check::report();
}
