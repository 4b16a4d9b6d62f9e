// Avro schemas: names, texts that are none, and schemas that mean harm.
#include "check.hpp"
#include "decode/avro.hpp"
#include "synthetic_avro.hpp"

namespace {

using s2v::decode::Fault;
using s2v::decode::Schema;
using s2v::decode::SchemaError;
using synthetic::Avro;
using synthetic::field;
using synthetic::Paths;
using synthetic::record;
using synthetic::walk;

std::string quoted(const std::string &text) {
    std::string out(1, '"');
    return out.append(text).append(1, '"');
}
std::string named(char letter, int number) {
    std::string out(1, letter);
    return out.append(std::to_string(number));
}

void names() {
    const auto opens = [](const std::string &type_and_more) {
        try {
            const Schema schema(type_and_more, {});
            return true;
        } catch (const SchemaError &error) {
            CHECK(error.finding.fault == Fault::damaged_schema && !error.reason.empty());
            return false;
        }
    };
    const auto two = [](const std::string &head, const std::string &first, const std::string &second) {
        return R"({"type": "record", )" + head + R"(, "fields": [{"name": "p", "type": )" + first +
               R"(}, {"name": "q", "type": )" + second + "}]}";
    };
    const std::string inner = R"({"type": "fixed", "name": "x", "size": 2})";
    CHECK(opens(two(R"("name": "r")", inner, R"("x")")));
    CHECK(opens(two(R"("name": "r", "namespace": "a.b")", inner, R"("x")")));
    CHECK(opens(two(R"("name": "r", "namespace": "a.b")", inner, R"("a.b.x")")));
    CHECK(opens(two(R"("name": "a.b.r", "namespace": "ignored")", inner, R"("a.b.x")")));
    CHECK(opens(two(R"("name": "a.b.r")", inner, R"({"type": "x", "logicalType": "any"})")));
    CHECK(!opens(two(R"("name": "a.b.r")", inner, R"("c.x")")));
    CHECK(!opens(two(R"("name": "a.b.r")", inner, R"("y")")));
    CHECK(!opens(two(R"("name": "r")", R"("x")", inner)));  // used before it is defined
    const std::string other = R"({"type": "fixed", "name": "x", "namespace": "c", "size": 2})";
    CHECK(opens(two(R"("name": "a.r")", other, R"("c.x")")));
    CHECK(!opens(two(R"("name": "a.r")", other, R"("x")")));
    CHECK(opens(two(R"("name": "a.r")", other, inner)));
    CHECK(!opens(two(R"("name": "c.r")", other, inner)));  // c.x twice
    const std::string outside = R"({"type": "fixed", "name": "x", "namespace": "", "size": 2})";
    CHECK(opens(two(R"("name": "a.r")", outside, R"("x")")));
    // The nearer name wins.
    const std::string near =
        R"({"type": "record", "name": "a.r", "fields": [{"name": "p", "type": )" + outside +
        R"(}, {"name": "q", "type": {"type": "fixed", "name": "x", "size": 5}}, {"name": "s", "type": "x"}]})";
    CHECK(walk(near, {"s"}, Avro().raw({1, 2, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5})).whole());
    CHECK(opens(R"({"type": "error", "name": "r", "aliases": ["q"], "doc": "text", "fields": [
        {"name": "p", "type": "int", "default": 3, "order": "ignore"}]})"));
    CHECK(opens(R"("int")"));
    CHECK(opens(R"(["null", "int"])"));
    CHECK(opens(R"({"type": {"type": ["null", "int"]}})"));
    CHECK(!opens(R"({"type": "fixed", "name": "int", "size": 3})"));
}

void no_schemas() {
    const std::string refused[] = {"",
                                   "{}",
                                   "3",
                                   "null",
                                   "{\"type\": 3}",
                                   R"("strin")",
                                   R"({"type": "record", "name": "r"})",
                                   R"({"type": "record", "fields": []})",
                                   R"({"type": "record", "name": "r", "fields": [{"name": "p"}]})",
                                   R"({"type": "record", "name": "r", "fields": [{"type": "int"}]})",
                                   R"({"type": "record", "name": "r", "fields": [3]})",
                                   R"({"type": "record", "name": "r", "fields": {}})",
                                   R"({"type": "array"})",
                                   R"({"type": "map"})",
                                   R"({"type": "enum", "name": "e"})",
                                   R"({"type": "enum", "name": "e", "symbols": [1]})",
                                   R"({"type": "fixed", "name": "x"})",
                                   R"({"type": "fixed", "name": "x", "size": -1})",
                                   R"({"type": "fixed", "name": "x", "size": 1.5})",
                                   R"({"type": "fixed", "name": "x", "size": 1e300})",
                                   R"({"type": "int", "type": "long"})",
                                   R"({"type": "int"} {})"};
    for (const std::string &text : refused)
        CHECK_THROWS(Schema(text, {}), SchemaError,
                     caught.finding.fault == Fault::damaged_schema && !caught.reason.empty());
    CHECK_THROWS(Schema(R"({"type": "int",})", {}), SchemaError, caught.finding.offset > 13);
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += R"({"type": )";
    CHECK_THROWS(Schema(deep, {}), SchemaError, true);
    CHECK_THROWS(Schema(std::string(8U << 20, ' ') + R"("int")", {}), SchemaError, true);
    std::string nested = R"("int")";
    for (int i = 0; i < 30; ++i) nested = record(field("f", nested), named('r', i));
    CHECK(walk(nested, {}, Avro().number(3)).whole());
}

// Schemas whose parts multiply: compiled in bounded time and room, or refused.
void schemas_that_multiply() {
    // r40 holds r39 twice, which holds r38 twice, ...
    std::string fields = field("f0", record(field("v", R"("int")")));
    std::string last = "r";
    for (int i = 1; i <= 40; ++i) {
        const std::string name = named('r', i);
        const std::string twice = field("l", quoted(last)) + ',' + field("r", quoted(last));
        fields.append(",").append(field(named('f', i), record(twice, name)));
        last = name;
    }
    const std::string doubling = record(fields, "all");
    CHECK(walk(doubling, {"f0.v"}, Avro().number(5)).broken(Fault::truncated));
    CHECK(walk(doubling, {"f0.v"}, Avro().number(5)).fields[0].integer == 5);
    // A path through a union of many records, each of which holds the same union.
    std::string branches;
    std::string all;
    for (int i = 0; i < 300; ++i) {
        if (i > 0) branches += ',';
        branches += record(i == 0 ? "" : field("x", '[' + all + ']'), named('b', i));
        if (i > 0) all += ',';
        all += quoted(named('b', i));
    }
    CHECK_THROWS(Schema(record(field("u", "[" + branches + "]")), Paths{"u.x.x.x.x.v"}), SchemaError,
                 !caught.reason.empty());
    CHECK(walk(record(field("u", "[" + branches + "]")), {"u.x"}, Avro().number(0)).whole());
    // A long chain of records by name: no deep recursion while it is compiled.
    std::string chain = field("f0", record(field("v", R"("int")")));
    last = "r";
    for (int i = 1; i <= 20000; ++i) {
        const std::string name = named('c', i);
        chain.append(",").append(field("f", record(field("d", quoted(last)), name)));
        last = name;
    }
    CHECK(walk(record(chain, "all"), {"f0.v"}, Avro().number(5)).fields[0].integer == 5);
    CHECK_THROWS(Schema(R"({"type": "fixed", "size": 1, "name": ")" + std::string(5000, 'n') + "\"}", {}), SchemaError,
                 true);
}

}  // namespace

int main() {
    names();
    no_schemas();
    schemas_that_multiply();
    return check::report();
}
