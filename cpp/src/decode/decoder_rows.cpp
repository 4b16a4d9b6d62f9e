// What a row says beside its pixels: ids, whose it is, what was lost with it or stands behind it.
#include "decode/decoder.hpp"
#include "decode/ids.hpp"
#include "kernel/registry_table.hpp"

#include <algorithm>
#include <limits>

namespace s2v::decode {

// Give the last row the alert's ids, and whose it is.
void Decoder::write_ids(Rows &rows, const Alert &alert) {
    for (const Field &field : alert.candidate_id) {
        const CandidateId id = read_candidate_id(field, rows.candidate_text.letters);
        rows.candidate_id.back() = id.number;
        rows.candidate_kind.back() = static_cast<std::uint8_t>(id.kind);
        if (id.kind != S2V_ID_UNKNOWN) break;
    }
    rows.candidate_text.close();
    const std::size_t before = rows.object_id.letters.size();
    for (const Field &field : alert.object_id) {
        if (rows.object_id.letters.size() != before) break;
        // Rubin's sources of no object have 0 or less there.
        const bool none = alert.survey == S2V_SURVEY_RUBIN && field.kind == Field::Kind::integer && field.integer < 0;
        if (!none) append_object_id(field, rows.object_id.letters);
    }
    rows.object_id.close();
    rows.survey.back() = static_cast<std::uint8_t>(alert.survey);
}

// A row that stands for what is lost.
void Decoder::add_lost_row(Unit &unit, const Piece &piece, const Place &place, Finding finding,
                           const std::string &detail) {
    const std::size_t row = unit.rows.add(place);
    refuse_rows(unit, piece, row, finding, detail);
    pending_rows_begin_ = unit.rows.count();
}

// Let the rows from `first` on have nothing but their ids.
void Decoder::refuse_rows(Unit &unit, const Piece &piece, std::size_t first, Finding finding,
                          const std::string &detail) {
    Rows &rows = unit.rows;
    for (std::size_t row = first; row < rows.count(); ++row) {
        rows.flags[row] = kernel::flag::bad_stamp;
        if (settings_.shape.features) rows.feature_flags[row] = kernel::flag::missing;
        if (settings_.shape.scores) {
            rows.score[row] = std::numeric_limits<float>::quiet_NaN();
            rows.score_flags[row] = kernel::flag::bad_stamp;
        }
        if (settings_.shape.vector) {
            std::fill_n(rows.vectors.begin() + static_cast<std::ptrdiff_t>(row * rows.shape.vector), rows.shape.vector,
                        std::int8_t{0});
            rows.vector_flags[row] = kernel::flag::bad_stamp;
        }
        std::fill_n(rows.features.begin() + static_cast<std::ptrdiff_t>(row * rows.shape.features), rows.shape.features,
                    std::numeric_limits<float>::quiet_NaN());
        std::fill_n(rows.offset.begin() + static_cast<std::ptrdiff_t>(row * S2V_CHANNELS), S2V_CHANNELS, -1);
        rows.problems.push_back({static_cast<std::int64_t>(row), rows.place[row], finding, -1, piece.member, detail});
    }
}

// Say of a message's one row, the last, what else there was: bytes behind its record, or further alerts.
void Decoder::report_surplus(Rows &rows, const Piece &piece, std::size_t bytes) {
    if (piece.records == 1 && bytes == 0 && !piece.surplus) return;
    rows.flags.back() |= kernel::flag::surplus;
    std::string detail = "further blocks";
    if (piece.records > 1)
        detail = std::to_string(piece.records) + " records";
    else if (bytes > 0)
        detail = std::to_string(bytes) + " bytes behind the record";
    rows.problems.push_back({static_cast<std::int64_t>(rows.count()) - 1,
                             rows.place.back(),
                             {Fault::surplus, 0},
                             -1,
                             piece.member,
                             std::move(detail)});
}

// Bring the one row of a message to its end. broken: its alert, if the record could not be walked; else null.
void Decoder::end_message(Unit &unit, const Piece &piece, const Unpacked &block, std::size_t at, const Alert *broken,
                          Finding finding) {
    // The bytes of a packed block are written over by the next one.
    if (broken || piece.codec != Codec::null) flush(unit);
    if (broken) {
        add_lost_row(unit, piece, piece.place, finding, piece.finding ? piece.detail : "a message");
        write_ids(unit.rows, *broken);
    } else if (finding && piece.codec != Codec::null) {
        refuse_rows(unit, piece, unit.rows.count() - 1, finding, piece.detail);
    } else {
        if (finding)
            unit.rows.problems.push_back({static_cast<std::int64_t>(unit.rows.count()) - 1, piece.place, finding, -1,
                                          piece.member, piece.detail});
        report_surplus(unit.rows, piece, block.plain.size() - at);
    }
}

}  // namespace s2v::decode
