#include "decode/packet.hpp"

#include "catalogue.hpp"
#include "decode/avro_types.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

namespace s2v::decode {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Side of a ZTF cutout, its middle pixel, and the readout channel that it is cut from.
constexpr std::int32_t kZtfSide = 63;
constexpr std::int32_t kZtfMiddle = 31;
constexpr std::int32_t kZtfWidth = 3072;
constexpr std::int32_t kZtfHeight = 3080;

// Whose fields the catalogue's columns are looked for in, in this order.
constexpr s2v_survey kLayouts[] = {S2V_SURVEY_RUBIN, S2V_SURVEY_ZTF};

constexpr std::size_t at(Role role, int channel = 0) noexcept {
    return static_cast<std::size_t>(role) + static_cast<std::size_t>(channel);
}

// What a walk looks for: the roles, then the columns and the fields that are asked for, then those of the catalogue.
std::vector<std::string> all_paths(const Paths &paths, const PacketSelection &selection) {
    std::vector<std::string> wanted;
    for (std::size_t role = 0; role < kRoles; ++role) {
        const std::string *const found = paths.of_role(role);
        wanted.emplace_back(found ? *found : packet_name(role));
    }
    wanted.insert(wanted.end(), selection.columns.begin(), selection.columns.end());
    for (const std::string &field : selection.fields) {
        const std::string *const found = paths.find(field);
        wanted.push_back(found ? *found : field);
    }
    if (selection.catalogue)
        for (const s2v_survey survey : kLayouts)
            for (const char *const path : catalogue_paths(survey)) wanted.emplace_back(path);
    return wanted;
}

Schema compiled(const AvroTypes &types, const std::vector<std::string> &wanted) {
    return {types, std::vector<std::string_view>(wanted.begin(), wanted.end())};
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

std::string_view text_of(const Field &field) noexcept {
    if (field.kind != Field::Kind::bytes) return {};
    return {reinterpret_cast<const char *>(field.bytes.data()), field.bytes.size()};
}

// The pixel of a position on an axis of a readout channel, in a cutout around it of which the channel holds `size`
// pixels, or one more or less, for a position is rounded; none where it holds another number.
std::optional<std::int32_t> place_on_channel(double position, std::int32_t size, std::int32_t channel) noexcept {
    if (!(position > -kZtfSide && position < channel + kZtfSide)) return std::nullopt;
    const auto pixel = static_cast<std::int32_t>(std::nearbyint(position)) - 1;
    const std::int32_t begin = std::max(pixel - kZtfMiddle, 0);
    const std::int32_t end = std::min(pixel + kZtfMiddle + 1, channel);
    if (size < 1 || std::abs(end - begin - size) > 1) return std::nullopt;
    return std::clamp(pixel - begin, 0, size - 1);
}

}  // namespace

PacketSchema::PacketSchema(std::string_view text, const PacketSelection &selection)
    : PacketSchema(text, selection, read_types(text)) {}

PacketSchema::PacketSchema(std::string_view text, const PacketSelection &selection, const AvroTypes &types)
    : text_(text),
      columns_(selection.columns.size()),
      fields_(selection.fields.size()),
      name_(types.name),
      paths_(value_paths(types)),
      ztf_fields_(paths_.ztf_fields()),
      schema_(compiled(types, all_paths(paths_, selection))),
      catalogue_(selection.catalogue) {
    if (catalogue_) {
        const std::size_t rubin = catalogue_paths(S2V_SURVEY_RUBIN).size();
        const std::size_t first = kRoles + columns_ + fields_;
        for (std::size_t k = 0; k < rubin; ++k) of_rubin_ = of_rubin_ || schema_.has(first + k);
        const std::size_t begin = of_rubin_ ? first : first + rubin;
        for (std::size_t k = 0; k < catalogue_paths(of_rubin_ ? S2V_SURVEY_RUBIN : S2V_SURVEY_ZTF).size(); ++k)
            present_.push_back(schema_.has(begin + k) ? 1 : 0);
    }
    for (int channel = 0; channel < S2V_CHANNELS; ++channel)
        if (has_cutout(channel)) return;
    throw SchemaError{{Fault::foreign_schema, 0}, "none of its fields is a cutout"};
}

bool PacketSchema::has_column(std::size_t column) const noexcept {
    return schema_.has(kRoles + column);
}

bool PacketSchema::has_cutout(int channel) const noexcept {
    return schema_.has(at(Role::cutout, channel)) || schema_.has(at(Role::stamp_data, channel));
}

std::uint8_t PacketSchema::field_kinds(std::size_t field) const noexcept {
    return schema_.kinds(kRoles + columns_ + field);
}

std::size_t PacketSchema::room() const noexcept {
    std::size_t room = kRoles + columns_ + fields_;
    for (const s2v_survey survey : kLayouts) room += catalogue_ ? catalogue_paths(survey).size() : 0;
    return room;
}

void PacketSchema::fill_catalogue(const Field *fields, s2v_survey survey, float *columns) const noexcept {
    constexpr std::size_t kMost = 32;
    static_assert(kMost >= ztf::kFields && kMost >= rubin::kFields);
    double values[kMost];
    const Field *const first =
        fields + kRoles + columns_ + fields_ + (of_rubin_ ? 0 : catalogue_paths(S2V_SURVEY_RUBIN).size());
    for (std::size_t k = 0; k < present_.size(); ++k) values[k] = number(first[k]);
    if (of_rubin_)
        survey = S2V_SURVEY_RUBIN;
    else if (survey == S2V_SURVEY_RUBIN)  // by its ids, of which it has none of the fields
        survey = S2V_SURVEY_OTHER;
    s2v::fill_catalogue(survey, values, present_.data(), columns);
}

const Field *PacketSchema::values(const Field *fields) const noexcept {
    return fields + kRoles + columns_;
}

bool PacketSchema::is_rubin(const Field *fields) const noexcept {
    return std::any_of(fields + at(Role::dia_source_id), fields + at(Role::ss_object_id) + 1,
                       [](const Field &id) { return id.kind != Field::Kind::absent; });
}

Schema::Walked PacketSchema::read(Bytes data, Field *fields, Alert &alert, double *columns) const noexcept {
    std::fill_n(fields, room(), Field{});
    const Schema::Walked walked = schema_.walk(data, fields);
    const auto take = [&](Field(&ids)[2], Role first, Role second) {
        ids[0] = fields[at(first)];
        ids[1] = fields[at(second)];
    };
    alert = Alert{};
    if (is_rubin(fields)) {
        alert.survey = S2V_SURVEY_RUBIN;
        take(alert.candidate_id, Role::dia_source_id, Role::dia_source_id_in_record);
        take(alert.object_id, Role::dia_object_id, Role::ss_object_id);
    } else {
        take(alert.candidate_id, Role::candidate_id, Role::candidate_id_in_record);
        alert.object_id[0] = fields[at(Role::object_id)];
        if (is_ztf({name_, text_of(fields[at(Role::publisher)]), text_of(fields[at(Role::object_id)]), ztf_fields_}))
            alert.survey = S2V_SURVEY_ZTF;
    }
    if (walked.finding) return walked;
    for (std::size_t k = 0; k < columns_; ++k) columns[k] = number(fields[kRoles + k]);
    alert.x = number(fields[at(Role::x)]);
    alert.y = number(fields[at(Role::y)]);
    for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
        const Field &plain = fields[at(Role::cutout, channel)];
        const Field &held = plain.kind == Field::Kind::bytes ? plain : fields[at(Role::stamp_data, channel)];
        if (held.kind != Field::Kind::bytes)
            alert.cutout_fault[channel] = Fault::missing_plane;
        else if (held.bytes.empty())
            alert.cutout_fault[channel] = Fault::empty_cutout;
        else
            alert.cutout[channel] = held.bytes;
    }
    return walked;
}

Pixel place_on_ztf(double x, double y, std::int32_t height, std::int32_t width) noexcept {
    const std::optional<std::int32_t> row = place_on_channel(y, height, kZtfHeight);
    const std::optional<std::int32_t> column = place_on_channel(x, width, kZtfWidth);
    return row && column ? Pixel{*row, *column} : middle(height, width);
}

std::int32_t place_of_reference(double reference, std::int32_t size) noexcept {
    if (!(reference >= 0.5 && reference < size + 0.5)) return size / 2;
    return std::max(0, std::min(static_cast<std::int32_t>(std::nearbyint(reference)) - 1, size - 1));
}

}  // namespace s2v::decode
