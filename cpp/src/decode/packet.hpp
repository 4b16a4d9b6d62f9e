// The alert packets of ZTF, Rubin, Fink and cameras with packets like these: ids, cutouts and the candidate's place.
#pragma once

#include "decode/avro.hpp"
#include "decode/packet_names.hpp"

#include <string>
#include <vector>

namespace s2v::decode {

// The ids, survey, position and cutouts of one packet.
struct Alert {
    Field object_id[2];     // the first that is known counts
    Field candidate_id[2];  // as well
    s2v_survey survey = S2V_SURVEY_OTHER;
    double x = 0, y = 0;                 // position on the detector, from 1; NAN where unknown
    Bytes cutout[S2V_CHANNELS];          // packed or plain FITS
    Fault cutout_fault[S2V_CHANNELS]{};  // missing_plane, empty_cutout
};

// The columns and fields that are read of every packet beside what a reader always needs.
struct PacketSelection {
    std::vector<std::string> columns;  // dotted paths whose numbers are wanted
    std::vector<std::string> fields;   // paths, or shorter names (Paths::find), whose values are wanted
    bool catalogue = false;            // the fields from which the catalogue's columns are computed
};

// The schema of a packet, compiled for a selection of its fields.
class PacketSchema {
public:
    // Throws SchemaError, with foreign_schema where there is no cutout.
    PacketSchema(std::string_view text, const PacketSelection &selection);

    [[nodiscard]] const std::string &text() const noexcept {
        return text_;
    }
    [[nodiscard]] bool has_column(std::size_t column) const noexcept;
    [[nodiscard]] bool has_cutout(int channel) const noexcept;
    // As Schema::kinds, of a field that is asked for.
    [[nodiscard]] std::uint8_t field_kinds(std::size_t field) const noexcept;
    // Every path to a single value.
    [[nodiscard]] const std::vector<std::string> &paths() const noexcept {
        return paths_.all();
    }
    // Fill the catalogue's columns, if they are asked for, from what the last walk found.
    void fill_catalogue(const Field *fields, s2v_survey survey, float *columns) const noexcept;
    // Room that a walk needs.
    [[nodiscard]] std::size_t room() const noexcept;

    // Read one packet. fields: room for room(); columns: one number a column, NAN where there is none; a text of one
    // character gives its code. The finding is damaged_record or truncated; the ids that stand before the damage are
    // given all the same.
    Schema::Walked read(Bytes data, Field *fields, Alert &alert, double *columns) const noexcept;
    // What the last walk found at the paths that are asked for.
    [[nodiscard]] const Field *values(const Field *fields) const noexcept;

private:
    std::string text_;
    std::size_t columns_;
    std::size_t fields_;
    std::string name_;
    Paths paths_;
    bool ztf_fields_;
    Schema schema_;
    bool catalogue_;
    bool of_rubin_ = false;              // the catalogue's columns come from Rubin's fields
    std::vector<std::uint8_t> present_;  // which of them there are

    PacketSchema(std::string_view text, const PacketSelection &selection, const AvroTypes &types);
    [[nodiscard]] bool is_rubin(const Field *fields) const noexcept;
};

// The candidate's pixel (row, column; from 0) in a cutout of height x width.
struct Pixel {
    std::int32_t row = 0;
    std::int32_t column = 0;
};
inline Pixel middle(std::int32_t height, std::int32_t width) noexcept {
    return {height / 2, width / 2};
}
// Of a ZTF cutout, from the position on the readout channel: the middle, unless the edge of the channel explains the
// size of the cutout, for then the part beyond it is what is missing.
Pixel place_on_ztf(double x, double y, std::int32_t height, std::int32_t width) noexcept;
// On an axis of a Rubin cutout, from its reference pixel, which counts from 1.
std::int32_t place_of_reference(double reference, std::int32_t size) noexcept;

}  // namespace s2v::decode
