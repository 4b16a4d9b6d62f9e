#include "decode/packet.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace s2v::decode {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// The fields that every reader looks at; the columns follow them.
enum Wanted {
    kObjectId,
    kCandid,
    kCandidateCandid,
    kDiaSourceId,
    kSourceDiaSourceId,
    kDiaObjectId,
    kSsObjectId,
    kX,
    kY,
    kCutout,                              // as bytes, one a channel
    kStampData = kCutout + S2V_CHANNELS,  // in a record
    kColumns = kStampData + S2V_CHANNELS,
};

constexpr std::string_view kPaths[kColumns] = {
    "objectId",
    "candid",
    "candidate.candid",
    "diaSourceId",
    "diaSource.diaSourceId",
    "diaSource.diaObjectId",
    "diaSource.ssObjectId",
    "candidate.xpos",
    "candidate.ypos",
    "cutoutScience",
    "cutoutTemplate",
    "cutoutDifference",
    "cutoutScience.stampData",
    "cutoutTemplate.stampData",
    "cutoutDifference.stampData",
};

// Side of a ZTF cutout and its middle pixel.
constexpr std::int32_t kZtfSide = 63;
constexpr std::int32_t kZtfMiddle = 31;

std::vector<std::string_view> all_paths(std::span<const std::string> columns) {
    std::vector<std::string_view> paths(std::begin(kPaths), std::end(kPaths));
    paths.insert(paths.end(), columns.begin(), columns.end());
    return paths;
}

double number(const Field &field) noexcept {
    switch (field.kind) {
        case Field::Kind::integer:
            return static_cast<double>(field.integer);
        case Field::Kind::real:
            return field.real;
        case Field::Kind::bytes:
            return field.bytes.size() == 1 ? field.bytes[0] : kUnknown;
        default:
            return kUnknown;
    }
}

// Whether a field may stand for an id: a whole number, null or absent.
bool is_id(const Field &field) noexcept {
    return field.kind != Field::Kind::real && field.kind != Field::Kind::bytes;
}

std::int64_t first_id(const Field &one, const Field &other) noexcept {
    for (const Field *field : {&one, &other})
        if (field->kind == Field::Kind::integer && field->integer != 0) return field->integer;
    return -1;
}

}  // namespace

PacketSchema::PacketSchema(std::string text, std::span<const std::string> columns)
    : text_(std::move(text)), columns_(columns.size()), schema_(text_, all_paths(columns)) {
    for (int channel = 0; channel < S2V_CHANNELS; ++channel)
        if (has_cutout(channel)) return;
    throw SchemaError{{Fault::foreign_schema, 0}, "none of its fields is a cutout"};
}

bool PacketSchema::has_column(std::size_t column) const noexcept {
    return schema_.has(kColumns + column);
}

bool PacketSchema::has_cutout(int channel) const noexcept {
    const auto of = static_cast<std::size_t>(channel);
    return schema_.has(kCutout + of) || schema_.has(kStampData + of);
}

std::size_t PacketSchema::field_count() const noexcept {
    return kColumns + columns_;
}

Schema::Walked PacketSchema::read(Bytes data, Field *fields, Alert &alert, double *columns) const noexcept {
    std::fill_n(fields, field_count(), Field{});
    const Schema::Walked walked = schema_.walk(data, fields);
    alert = Alert{};
    for (const Wanted id : {kCandid, kCandidateCandid, kDiaSourceId, kSourceDiaSourceId})
        if (!is_id(fields[id])) return walked.finding ? walked : Schema::Walked{0, {Fault::damaged_record, 0}};
    alert.rubin = std::any_of(fields + kDiaSourceId, fields + kSsObjectId + 1,
                              [](const Field &id) { return id.kind != Field::Kind::absent; });
    if (alert.rubin) {
        alert.candidate_id = first_id(fields[kDiaSourceId], fields[kSourceDiaSourceId]);
        alert.object_number = std::max<std::int64_t>(0, first_id(fields[kDiaObjectId], fields[kSsObjectId]));
    } else {
        alert.candidate_id = first_id(fields[kCandid], fields[kCandidateCandid]);
        if (const Field &id = fields[kObjectId]; id.kind == Field::Kind::bytes)
            alert.object_id = {reinterpret_cast<const char *>(id.bytes.data()), id.bytes.size()};
        else if (id.kind == Field::Kind::integer)
            alert.object_number = id.integer;
    }
    if (walked.finding) return walked;
    for (std::size_t k = 0; k < columns_; ++k) columns[k] = number(fields[kColumns + k]);
    alert.x = number(fields[kX]);
    alert.y = number(fields[kY]);
    for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
        const Field &plain = fields[kCutout + channel];
        const Field &held = plain.kind == Field::Kind::bytes ? plain : fields[kStampData + channel];
        if (held.kind != Field::Kind::bytes)
            alert.cutout_fault[channel] = Fault::missing_plane;
        else if (held.bytes.empty())
            alert.cutout_fault[channel] = Fault::empty_cutout;
        else
            alert.cutout[channel] = held.bytes;
    }
    return walked;
}

std::int32_t place_on_detector(double position, std::int32_t size) noexcept {
    if (size >= kZtfSide || !std::isfinite(position)) return size / 2;
    const double pixel = std::min<double>(std::nearbyint(position) - 1, std::min(kZtfMiddle, size - 1));
    return static_cast<std::int32_t>(std::max(0.0, pixel));
}

std::int32_t place_of_reference(double reference, std::int32_t size) noexcept {
    if (!(reference >= 0.5 && reference < size + 0.5)) return size / 2;
    return std::max(0, std::min(static_cast<std::int32_t>(std::nearbyint(reference)) - 1, size - 1));
}

}  // namespace s2v::decode
