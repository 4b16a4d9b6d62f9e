// The alert packets of ZTF, Rubin and Fink: which fields tell the ids, the cutouts and the candidate's place.
#pragma once

#include "decode/avro.hpp"
#include "space2vec/space2vec.h"

#include <string>
#include <vector>

namespace s2v::decode {

// What one packet says of its candidate, beside the columns.
struct Alert {
    std::string_view object_id;      // text, or empty
    std::int64_t object_number = 0;  // an id of the object that is a number; 0: none
    std::int64_t candidate_id = -1;  // -1: unknown
    bool rubin = false;
    double x = 0, y = 0;                 // ZTF's position on the detector, from 1; NAN where unknown
    Bytes cutout[S2V_CHANNELS];          // packed or plain FITS
    Fault cutout_fault[S2V_CHANNELS]{};  // missing_plane, empty_cutout
};

// The schema of a packet, and the columns that are asked for.
class PacketSchema {
public:
    // columns: dotted paths whose numbers are wanted. Throws SchemaError, with foreign_schema where there is no cutout.
    PacketSchema(std::string text, std::span<const std::string> columns);

    [[nodiscard]] const std::string &text() const noexcept {
        return text_;
    }
    [[nodiscard]] bool has_column(std::size_t column) const noexcept;
    [[nodiscard]] bool has_cutout(int channel) const noexcept;
    [[nodiscard]] std::size_t field_count() const noexcept;

    // Read one packet. fields: room for field_count(); columns: one number a column, NAN where there is none; a text of
    // one character gives its code. The finding is damaged_record or truncated; the ids that stand before the damage
    // are given all the same.
    Schema::Walked read(Bytes data, Field *fields, Alert &alert, double *columns) const noexcept;

private:
    std::string text_;
    std::size_t columns_;
    Schema schema_;
};

// The candidate's pixel (row or column, from 0) in a cutout.
//
// On an axis of a ZTF cutout of `size` pixels, from the position on the detector, which counts from 1: a full cutout
// has the candidate in its middle, one cut at the detector's edge elsewhere.
std::int32_t place_on_detector(double position, std::int32_t size) noexcept;
// From the reference pixel of a Rubin cutout, which counts from 1.
std::int32_t place_of_reference(double reference, std::int32_t size) noexcept;

}  // namespace s2v::decode
