// What packets are called and whose they are: names, ids, surveys, and where a candidate lies in its cutout.
#include "check.hpp"
#include "decode/ids.hpp"
#include "decode/packet.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <cmath>
#include <limits>

namespace {

using namespace s2v::decode;

// The path that is found, or "".
std::string found(std::vector<std::string> paths, std::string_view wanted) {
    const Paths known(std::move(paths));
    const std::string *const path = known.find(wanted);
    return path ? *path : "";
}

std::string of_role(std::vector<std::string> paths, Role role) {
    const Paths known(std::move(paths));
    const std::string *const path = known.of_role(static_cast<std::size_t>(role));
    return path ? *path : "";
}

void test_roles_under_any_name() {
    for (const char *name : {"objectId", "objectid", "object_id", "OBJECT_ID", "i:objectId"})
        CHECK(of_role({"x", name}, Role::object_id) == name);
    for (const char *name : {"cutoutScience", "cutout_science", "CutoutScience", "b:cutoutScience"})
        CHECK(of_role({name, "x"}, Role::cutout) == name);
    for (const char *name : {"cutoutScience.stampData", "cutoutScience_stampData", "b:cutoutScience_stampData",
                             "cutout_science.stamp_data"})
        CHECK(of_role({"cutoutScience.fileName", name}, Role::stamp_data) == name);
    CHECK(of_role({"i:candid", "i:jd"}, Role::candidate_id) == "i:candid");
    CHECK(of_role({"candidate_id", "candid"}, Role::candidate_id) == "candid");
    CHECK(of_role({"candidate_id"}, Role::candidate_id_in_record) == "candidate_id");
    CHECK(of_role({"r:diaSourceId", "r:diaObjectId"}, Role::dia_object_id) == "r:diaObjectId");
    CHECK(of_role({"prv_objectId", "my.objectId"}, Role::object_id).empty());
    CHECK(of_role({}, Role::x).empty());
    // The packet's own spelling comes before any other.
    CHECK(of_role({"objectid", "objectId"}, Role::object_id) == "objectId");
}

void test_paths_that_users_mean() {
    const std::vector<std::string> ztf = {"objectId", "candid", "candidate.jd", "candidate.ra", "candidate.magpsf"};
    CHECK(found(ztf, "candidate.jd") == "candidate.jd");
    CHECK(found(ztf, "jd") == "candidate.jd");
    CHECK(found(ztf, "RA") == "candidate.ra");
    CHECK(found(ztf, "mag_psf") == "candidate.magpsf");
    CHECK(found(ztf, "i:magpsf") == "candidate.magpsf");
    CHECK(found(ztf, "object_id") == "objectId");
    CHECK(found(ztf, "magap").empty() && found(ztf, "").empty() && found(ztf, ".").empty() && found(ztf, "i:").empty());
    const std::vector<std::string> rubin = {"diaSource.ra", "diaObject.ra", "ssSource.ra", "diaObject.nDiaSources",
                                            "MPCORB.q"};
    CHECK(found(rubin, "ra") == "diaSource.ra");
    CHECK(found(rubin, "nDiaSources") == "diaObject.nDiaSources");
    CHECK(found(rubin, "candidate.ra").empty());
    // The end of two paths, or a name that only case tells apart.
    CHECK(found({"a.mag", "b.mag"}, "mag").empty());
    CHECK(found({"candidate.Mag", "candidate.mag"}, "mag") == "candidate.mag");
    CHECK(found({"candidate.Mag", "candidate.mag"}, "MAG").empty());
    CHECK(found({"i:magpsf", "d:cdsxmatch"}, "candidate.magpsf") == "i:magpsf");
    CHECK(found({"i:magpsf", "d:cdsxmatch"}, "cdsxmatch") == "d:cdsxmatch");
    const char *const paths[] = {"candidate.ra", "candidate.dec"};
    CHECK(s2v_find_field(paths, 2, "dec") == 1 && s2v_find_field(paths, 2, "jd") == -1);
    CHECK(s2v_find_field(nullptr, 2, "dec") == -1 && s2v_find_field(paths, 2, nullptr) == -1);
    CHECK(s2v_find_field(paths, -1, "dec") == -1 && s2v_find_field(paths, 0, "dec") == -1);
}

void test_whose_an_alert_is() {
    CHECK(is_ztf({"ztf.alert", "ZTF (www.ztf.caltech.edu)", "ZTF18abcdefg"}));
    // Brokers rewrite the schema, and say that they are the publisher.
    CHECK(is_ztf({"topLevelRecord", "Fink", "ZTF18abcdefg"}));
    CHECK(is_ztf({"", "", "ZTF18abcdefg"}));
    CHECK(is_ztf({"ztf.alert", "", "17"}) && is_ztf({"", "ZTF", ""}) && is_ztf({"", "", "", true}));
    CHECK(is_ztf({"ztf.alert", "space2vec simulation", "SIM20aaaaaao"}) && !is_ztf({"alert", "", "SIM20aaaaaao"}));
    CHECK(!is_ztf({"", "", ""}) && !is_ztf({"alert", "Fink", "17"}));
    CHECK(!is_ztf({"atlas.alert", "ATLAS-02a", "1200825211121548288"}));
    CHECK(!is_ztf({"winter.alert", "WINTER-mirar", "WNTR24awati"}));
    // Layout and name of the schema taken over from ZTF.
    CHECK(!is_ztf({"ztf.alert", "", "PGIR19aaaaab"}) && !is_ztf({"ztf.alert", "WINTER-mirar", "17"}));
    CHECK(!is_ztf({"zuds.alert", "", "ZTF18abcdefg", true}) && !is_ztf({"", "growth", "ZTF18abcdefg"}));
    CHECK(Paths({"i:rcid", "i:pdiffimfilename"}).ztf_fields() && !Paths({"candidate.rcid"}).ztf_fields());
}

Field integer(std::int64_t value) {
    Field field;
    field.kind = Field::Kind::integer;
    field.integer = value;
    return field;
}
Field real(double value) {
    Field field;
    field.kind = Field::Kind::real;
    field.real = value;
    return field;
}
Field text(std::string_view value) {
    Field field;
    field.kind = Field::Kind::bytes;
    field.bytes = {reinterpret_cast<const std::uint8_t *>(value.data()), value.size()};
    return field;
}

bool is(const Field &field, s2v_id_kind kind, std::int64_t number, const std::string &written = "") {
    std::string letters = "before";
    const CandidateId id = read_candidate_id(field, letters);
    return id.kind == kind && id.number == number && letters == "before" + written;
}

void test_ids_of_candidates() {
    CHECK(is({}, S2V_ID_UNKNOWN, -1) && is(integer(0), S2V_ID_UNKNOWN, -1) && is(integer(-1), S2V_ID_UNKNOWN, -1));
    CHECK(is(integer(17), S2V_ID_SIGNED, 17) && is(integer(-5), S2V_ID_SIGNED, -5));
    CHECK(is(text(""), S2V_ID_UNKNOWN, -1) && is(text("-1"), S2V_ID_UNKNOWN, -1));
    CHECK(is(text("17"), S2V_ID_SIGNED, 17) && is(text("0"), S2V_ID_SIGNED, 0) && is(text("-5"), S2V_ID_SIGNED, -5));
    CHECK(is(text("9223372036854775807"), S2V_ID_SIGNED, std::numeric_limits<std::int64_t>::max()));
    CHECK(is(text("9223372036854775808"), S2V_ID_UNSIGNED, -1, "9223372036854775808"));
    CHECK(is(text("18446744073709551615"), S2V_ID_UNSIGNED, -1, "18446744073709551615"));
    CHECK(is(text("18446744073709551616"), S2V_ID_TEXT, -1, "18446744073709551616"));
    for (const char *other : {"007", "0x1F", "-0", "+5", " 5", "5 ", "1.0", "02a59543o0040o_006230", "\xff"})
        CHECK(is(text(other), S2V_ID_TEXT, -1, other));
    CHECK(is(real(17.0), S2V_ID_SIGNED, 17) && is(real(0.0), S2V_ID_UNKNOWN, -1) && is(real(-0.0), S2V_ID_UNKNOWN, -1));
    CHECK(is(real(NAN), S2V_ID_UNKNOWN, -1) && is(real(INFINITY), S2V_ID_UNKNOWN, -1));
    // As Python writes them.
    CHECK(is(real(2.5), S2V_ID_TEXT, -1, "2.5") && is(real(0.1), S2V_ID_TEXT, -1, "0.1"));
    CHECK(is(real(0.0001), S2V_ID_TEXT, -1, "0.0001") && is(real(0.00001234), S2V_ID_TEXT, -1, "1.234e-05"));
    CHECK(is(real(1234567890123456.5), S2V_ID_TEXT, -1, "1234567890123456.5"));
    CHECK(is(real(9223372036854775808.0), S2V_ID_TEXT, -1, "9.223372036854775808e+18") ||
          is(real(9223372036854775808.0), S2V_ID_TEXT, -1, "9.223372036854776e+18"));
    const auto object = [](const Field &field) {
        std::string letters;
        append_object_id(field, letters);
        return letters;
    };
    CHECK(object(text("007")) == "007" && object(integer(-3)) == "-3" && object(real(2.0)) == "2");
    CHECK(object(real(1.5)) == "1.5" && object(integer(0)).empty() && object({}).empty() && object(real(NAN)).empty());
}

void test_places() {
    const auto at = [](double x, double y, int height, int width) {
        const Pixel place = place_on_ztf(x, y, height, width);
        return std::array{place.row, place.column};
    };
    using Place = std::array<std::int32_t, 2>;
    CHECK((at(700, 800, 63, 63) == Place{31, 31}) && (at(NAN, NAN, 63, 63) == Place{31, 31}));
    CHECK((at(19.2, 800, 63, 50) == Place{31, 18}) && (at(700, 23.6, 55, 63) == Place{23, 31}));
    CHECK((at(3060, 800, 63, 44) == Place{31, 31}) && (at(3060, 3078, 34, 44) == Place{31, 31}));
    CHECK((at(1, 1, 32, 32) == Place{0, 0}) && (at(3072, 3080, 32, 32) == Place{31, 31}));
    // Another camera's, or cropped on all sides.
    CHECK((at(12, 15, 61, 61) == Place{30, 30}) && (at(700, 800, 61, 61) == Place{30, 30}));
    CHECK((at(19.2, 800, 41, 50) == Place{20, 25}) && (at(19.2, 800, 41, 41) == Place{20, 20}));
    for (const double far : {-1e300, 1e300, -HUGE_VAL, HUGE_VAL, std::nan("")})
        CHECK((at(far, 800, 63, 50) == Place{31, 25}) && (at(800, far, 50, 63) == Place{25, 31}));
    for (int size = 1; size < 70; ++size)
        for (int position = -3; position < 3085; ++position) {
            const Pixel place = place_on_ztf(position, position, size, size);
            if (place.row < 0 || place.row >= size || place.column < 0 || place.column >= size) {
                CHECK(false);
                return;
            }
        }
}

// A packet of WINTER's spelling, with an id and a further field of each kind.
void test_a_packet_of_other_names() {
    const std::string json = R"({"type": "record", "name": "alert", "namespace": "winter", "fields": [
        {"name": "objectid", "type": "string"}, {"name": "candid", "type": ["null", "string"]},
        {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
            {"name": "RA", "type": "double"}, {"name": "field", "type": ["null", "int"]}]}},
        {"name": "cutout_science", "type": "bytes"}, {"name": "cutout_difference", "type": ["null", "bytes"]}]})";
    const PacketSchema schema(json, {{}, {"ra", "candidate.field", "objectId", "nothing"}});
    CHECK(schema.has_cutout(0) && !schema.has_cutout(1) && schema.has_cutout(2));
    CHECK(schema.field_kinds(0) == 1U << static_cast<unsigned>(Field::Kind::real) &&
          schema.field_kinds(1) == 1U << static_cast<unsigned>(Field::Kind::integer) &&
          schema.field_kinds(2) == 1U << static_cast<unsigned>(Field::Kind::bytes) && schema.field_kinds(3) == 0);
    CHECK((schema.paths() == std::vector<std::string>{"objectid", "candid", "candidate.RA", "candidate.field",
                                                      "cutout_science", "cutout_difference"}));
    synthetic::Avro avro;
    avro.text("WNTR24awati").number(1).text("02a_1").real(1.5).number(1).number(7).text("S").number(0);
    const std::vector<std::uint8_t> bytes = avro.bytes();
    std::vector<Field> fields(schema.room());
    Alert alert;
    CHECK(!schema.read(bytes, fields.data(), alert, nullptr).finding);
    CHECK(alert.survey == S2V_SURVEY_OTHER && is(alert.candidate_id[0], S2V_ID_TEXT, -1, "02a_1"));
    CHECK(alert.cutout[0].size() == 1 && alert.cutout_fault[2] == Fault::missing_plane);
    const Field *const values = schema.values(fields.data());
    CHECK(values[0].real == 1.5 && values[1].integer == 7 && values[2].bytes.size() == 11);
    CHECK(values[3].kind == Field::Kind::absent);
}

void test_schemas_that_are_none() {
    std::int64_t size = -1;
    char room[64] = {};
    CHECK(s2v_schema_check(synthetic::kPacketSchema.c_str(), room, sizeof room, &size) == S2V_OK && size == 0);
    const char *const parts = R"({"type": "record", "name": "a.b", "fields": [{"name": "c", "type": "a.part"}]})";
    CHECK(s2v_schema_check(parts, room, sizeof room, &size) == S2V_BAD_INPUT);
    CHECK(std::string(room, static_cast<std::size_t>(size)) == "unknown type 'a.part'");
    CHECK(s2v_schema_check(parts, room, 7, &size) == S2V_BAD_INPUT && size == 21);
    CHECK(s2v_schema_check("{", nullptr, 0, &size) == S2V_BAD_INPUT && size > 0);
    CHECK(s2v_schema_check(nullptr, room, 7, &size) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_schema_check("{", nullptr, 7, &size) == S2V_INVALID_ARGUMENT);
}

// A record that holds itself, and one of two of two of two ...: not all paths, but an end.
void test_paths_without_end() {
    const std::string itself = R"({"type": "record", "name": "r", "fields": [{"name": "cutoutScience", "type": "bytes"},
        {"name": "r", "type": ["null", "r"]}, {"name": "last", "type": "int"}]})";
    const PacketSchema recursive(itself, {{}, {"last", "r.r.last"}});
    CHECK(recursive.field_kinds(0) != 0 && recursive.field_kinds(1) != 0 && recursive.paths().size() < 100);
    std::string doubled = R"("bytes")";
    for (int level = 0; level < 14; ++level) {
        const std::string name = "r" + std::to_string(level);
        doubled = R"({"type": "record", "name": ")" + name + R"(", "fields": [{"name": "cutoutScience", "type": )" +
                  doubled + R"(}, {"name": "b", "type": )" +
                  (level ? "\"r" + std::to_string(level - 1) + '"' : "\"int\"") + "}]}";
    }
    try {
        CHECK(PacketSchema(doubled, {}).paths().size() <= 1 << 15);
    } catch (const SchemaError &) {
        // No cutout at the top: as good.
    }
}

}  // namespace

int main() {
    test_roles_under_any_name();
    test_paths_that_users_mean();
    test_whose_an_alert_is();
    test_ids_of_candidates();
    test_places();
    test_a_packet_of_other_names();
    test_schemas_that_are_none();
    test_paths_without_end();
    return check::report();
}
