#include "decode/decoder.hpp"

#include "catalogue.hpp"
#include "checks.hpp"
#include "decode/ids.hpp"
#include "decode/input.hpp"
#include "kernel/registry_table.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

namespace s2v::decode {
namespace {

// Cutouts that are inflated together: enough to keep every lane busy, few enough to stay in the cache.
constexpr std::size_t kTogether = 24;
constexpr std::size_t kTogetherBytes = std::size_t{2} << 20;
// Pixels that one block may unpack to: far more than real alerts need.
constexpr std::size_t kMostPixelsKept = std::size_t{1} << 25;
// Room that one worker keeps after a use that needed more.
constexpr std::size_t kKeptRoom = std::size_t{8} << 20;

std::string_view text_of(const char *texts, const std::int64_t *end, std::int64_t row) noexcept {
    if (!texts) return {};
    const std::int64_t begin = row ? end[row - 1] : 0;
    return {texts + begin, static_cast<std::size_t>(end[row] - begin)};
}

s2v_survey survey_of(const s2v_cutouts &table, std::int64_t row) noexcept {
    if (table.rubin) return S2V_SURVEY_RUBIN;
    const bool ztf = is_ztf({"", text_of(table.publishers, table.publisher_end, row),
                             text_of(table.object_ids, table.object_end, row), table.ztf_fields != 0});
    return ztf ? S2V_SURVEY_ZTF : S2V_SURVEY_OTHER;
}

// Whether the features of rows are those that a model would measure.
bool measures_for(const DecodeSettings &settings, const s2v_model &model) noexcept {
    const kernel::Measuring &own = model.measuring;
    return !model.first && settings.measuring.sets != 0 && settings.measuring.sets == own.sets &&
           settings.measuring.planes == own.planes && settings.convention == model.convention;
}

}  // namespace

Decoder::Decoder(const DecodeSettings &settings, const std::atomic<bool> *stopping)
    : settings_(settings), stopping_(stopping), columns_(settings.shape.columns) {
    if (settings_.model) {
        scorer_.emplace(*settings_.model, *settings_.isa, kLargestStampSide, nullptr);
        model_measured_ = measures_for(settings_, *settings_.model);
    }
    if (settings_.embedder) {
        embedder_.emplace(*settings_.embedder, *settings_.isa, kLargestStampSide, nullptr);
        embedder_measured_ = measures_for(settings_, *settings_.embedder);
        prepared_once_ = settings_.model && take_the_same(*settings_.model, *settings_.embedder);
    }
    if (settings_.shape.features) scratch_ = ::operator new(settings_.isa->feature_scratch, std::align_val_t{64});
}

Decoder::~Decoder() {
    ::operator delete(scratch_, std::align_val_t{64});
}

bool Decoder::decode(Unit &unit) {
    try {
        decode_pieces(unit);
        return true;
    } catch (const std::bad_alloc &) {
        release_memory(unit);
    } catch (const std::length_error &) {
        release_memory(unit);
    }
    return false;
}

void Decoder::decode_one_by_one(Unit &unit) {
    std::vector<Piece> pieces = std::move(unit.pieces);
    Rows whole;
    whole.shape = settings_.shape;
    for (Piece &piece : pieces) {
        unit.pieces.assign(1, std::move(piece));
        if (!decode(unit)) add_refused_rows(unit);
        whole.append(unit.rows, 0, unit.rows.count());
    }
    unit.rows = std::move(whole);
}

void Decoder::decode_pieces(Unit &unit) {
    unit.rows.shape = settings_.shape;
    unit.rows.clear();
    pending_.clear();
    alerts_.clear();
    pending_bytes_ = pending_rows_begin_ = 0;
    allowance_left_.clear();
    for (const Piece &piece : unit.pieces) allowance_left_.push_back(piece.allowance);
    for (const Piece &piece : unit.pieces) {
        if (piece.table)
            decode_table(unit, piece);
        else if (piece.schema)
            decode_records(unit, piece);
        else if (piece.finding) {
            flush(unit);
            add_lost_row(unit, piece, piece.place, piece.finding, piece.detail);
        }
    }
    flush(unit);
    std::stable_sort(unit.rows.problems.begin(), unit.rows.problems.end(), [](const Problem &a, const Problem &b) {
        return a.row != b.row ? a.row < b.row
                              : static_cast<std::uint32_t>(a.channel) < static_cast<std::uint32_t>(b.channel);
    });
    arena_.trim(kKeptRoom);
    retried_.clear();
    if (!settings_.shape.pixels) unit.rows.pixels.trim(kKeptRoom / sizeof(float));
    if (block_.capacity() > kKeptRoom) std::vector<std::uint8_t>().swap(block_);
}

void Decoder::decode_records(Unit &unit, const Piece &piece) {
    const Bytes packed((piece.memory ? piece.memory : unit.bytes.data()) + piece.begin, piece.size);
    // The cutouts of earlier pieces may lie in the room that this block is unpacked to.
    if (piece.codec != Codec::null) flush(unit);
    const std::size_t most = std::min<std::uint64_t>(piece.allowance, kLargestBlock);
    const Unpacked block = unpack_block(piece.codec, packed, block_, most);
    if (piece.codec != Codec::null)
        spend(unit, piece, block.finding.fault == Fault::too_large ? most : block.plain.size());
    const PacketSchema &schema = piece.schema->packet;
    fields_.resize(schema.room());
    const std::size_t first = unit.rows.count();
    Finding finding = piece.finding ? piece.finding : block.finding;
    std::string detail = piece.detail;
    Place place = piece.place;
    std::size_t at = 0;
    std::int64_t left = piece.message ? 1 : piece.records;
    Alert alert;
    for (; left > 0; --left) {
        const Schema::Walked walked = schema.read(block.plain.subspan(at), fields_.data(), alert, columns_.data());
        if (walked.finding) {
            // A record breaks off where the block's damage begins: then that is what is wrong.
            if (!finding) finding = walked.finding;
            if (left > 1) detail = std::to_string(left) + " records of a block";
            break;
        }
        if (const std::string what = find_long_text(unit, schema, alert); !what.empty()) {
            flush(unit);
            add_lost_row(unit, piece, place, {Fault::too_large, 0}, what);
            write_ids(unit.rows, alert);
            if (piece.message) return;
            at += walked.size;
            ++place.record;
            if (piece.codec == Codec::null) place.offset += walked.size;
            continue;
        }
        const std::size_t row = add_alert(unit, piece, place, alert);
        std::copy_n(columns_.data(), settings_.shape.columns, unit.rows.columns.data() + row * settings_.shape.columns);
        if (settings_.shape.fields) unit.rows.set_values(schema.values(fields_.data()));
        if (settings_.shape.catalogue)
            schema.fill_catalogue(fields_.data(), alert.survey,
                                  unit.rows.catalogue.data() + row * S2V_CATALOGUE_COLUMNS);
        unit.rows.schema[row] = piece.schema->number;
        at += walked.size;
        ++place.record;
        if (piece.codec == Codec::null) place.offset += walked.size;
    }
    if (piece.message) return end_message(unit, piece, block, at, left == 0 ? nullptr : &alert, finding);
    const bool whole = left == 0 && at == block.plain.size();
    if (piece.codec != Codec::null) flush(unit);
    if (whole && !finding) return;
    if (!finding) {
        finding = {piece.codec == Codec::null ? Fault::damaged_avro : Fault::damaged_block, 0};
        detail = "a block holds more than its records";
    }
    flush(unit);
    // What comes before the cut of a file is sound; a packed block that is damaged may have gone wrong long before that
    // was noticed.
    const bool sound =
        piece.codec == Codec::null || piece.finding.fault == Fault::truncated || (whole && !block.finding);
    if (!sound) refuse_rows(unit, piece, first, finding, piece.detail);
    if (!sound && left == 0) return;
    add_lost_row(unit, piece, place, finding, detail);
    if (sound && left > 0) write_ids(unit.rows, alert);
}

void Decoder::decode_table(Unit &unit, const Piece &piece) {
    const s2v_cutouts &table = *piece.table;
    const double unknown = std::numeric_limits<double>::quiet_NaN();
    for (std::int64_t row = piece.place.record; row < piece.place.record + piece.records; ++row) {
        Alert alert;
        alert.survey = survey_of(table, row);
        alert.x = table.x ? table.x[row] : unknown;
        alert.y = table.y ? table.y[row] : unknown;
        for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
            if (table.data[channel] && table.begin[channel][row] < table.begin[channel][row + 1])
                alert.cutout[channel] = {table.data[channel] + table.begin[channel][row],
                                         table.data[channel] + table.begin[channel][row + 1]};
            else
                alert.cutout_fault[channel] = Fault::missing_plane;
        }
        Place place = piece.place;
        place.record = row;
        const std::size_t added = add_alert(unit, piece, place, alert);
        if (!settings_.shape.catalogue || !table.catalogue) continue;
        const std::size_t count = catalogue_paths(alert.survey).size();
        present_.assign(count, 1);
        if (table.catalogue_present) std::copy_n(table.catalogue_present, count, present_.begin());
        fill_catalogue(alert.survey, table.catalogue + static_cast<std::size_t>(row) * count, present_.data(),
                       unit.rows.catalogue.data() + added * S2V_CATALOGUE_COLUMNS);
    }
}

std::size_t Decoder::add_alert(Unit &unit, const Piece &piece, const Place &place, const Alert &alert) {
    if (pending_.size() >= kTogether || pending_bytes_ >= kTogetherBytes) flush(unit);
    const std::size_t row = unit.rows.add(place);
    write_ids(unit.rows, alert);
    for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
        if (alert.cutout_fault[channel] != Fault::none) {
            unit.rows.flags[row] |= kernel::flag::missing;
            const Finding finding = {alert.cutout_fault[channel], 0};
            if (piece.table ? piece.table->data[channel] != nullptr : piece.schema->packet.has_cutout(channel))
                unit.rows.problems.push_back(
                    {static_cast<std::int64_t>(row), place, finding, channel, piece.member, ""});
        } else if (settings_.planes >> channel & 1) {
            queue_plane(row, channel, alert.cutout[channel]);
        }
    }
    alerts_.push_back({alert, &piece});
    return row;
}

void Decoder::queue_plane(std::size_t row, int channel, Bytes cutout) {
    pending_.push_back({row, channel, cutout, is_gzip(cutout), {}});
    pending_bytes_ += cutout.size() + (is_gzip(cutout) ? std::min(announced_size(cutout), kLargestFile) : 0);
}

void Decoder::flush(Unit &unit) {
    reference_.assign(2 * alerts_.size(), std::numeric_limits<double>::quiet_NaN());
    read_planes(unit);
    finish_rows(unit);
    pending_.clear();
    pending_bytes_ = 0;
    alerts_.clear();
    pending_rows_begin_ = unit.rows.count();
}

// Inflates the pending cutouts and takes their pixels; a row whose plane cannot be read has a flag, and a problem.
void Decoder::read_planes(Unit &unit) {
    inflate(unit);
    for (const Cutout &cutout : pending_) {
        Finding finding = cutout.packed ? cutout.stream.finding : Finding{};
        if (!finding) {
            const Bytes file = cutout.packed ? Bytes(cutout.stream.out, cutout.stream.size) : cutout.bytes;
            finding = read_plane(unit, cutout, file);
        }
        if (finding) {
            unit.rows.flags[cutout.row] |= kernel::flag::bad_stamp;
            unit.rows.problems.push_back({static_cast<std::int64_t>(cutout.row), unit.rows.place[cutout.row], finding,
                                          cutout.channel, alerts_[cutout.row - pending_rows_begin_].piece->member, ""});
        }
    }
}

// The planes that only rows in doubt are looked at for: their bytes are still there, as those of all pending rows are.
void Decoder::read_doubtful_planes(Unit &unit, std::span<const std::int64_t> doubtful) {
    pending_.clear();
    for (const std::int64_t row : doubtful) {
        const Alert &alert = alerts_[static_cast<std::size_t>(row) - pending_rows_begin_].alert;
        for (int channel = 0; channel < S2V_CHANNELS; ++channel)
            if (settings_.doubt_planes >> channel & 1 && alert.cutout_fault[channel] == Fault::none)
                queue_plane(static_cast<std::size_t>(row), channel, alert.cutout[channel]);
    }
    if (!pending_.empty()) read_planes(unit);
}

Finding Decoder::read_plane(Unit &unit, const Cutout &cutout, Bytes file) {
    const Image image = find_image(file);
    const bool foreign = image.finding.fault == Fault::compressed_image && settings_.decode_image;
    if (image.finding && !foreign) return image.finding;
    Rows &rows = unit.rows;
    const std::size_t begin = rows.pixels.size();
    if (begin > kMostPixelsKept) return {Fault::too_large, 0};
    rows.pixels.resize(begin + static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width));
    float *const pixels = rows.pixels.data() + begin;
    if (!foreign) {
        read_pixels(file, image, pixels);
    } else {
        const Bytes tiled = file.subspan(image.finding.offset);
        const auto size = static_cast<std::int64_t>(tiled.size());
        if (settings_.decode_image(settings_.context, tiled.data(), size, image.height, image.width, pixels) != 0) {
            rows.pixels.resize(begin);
            return {Fault::damaged_fits, image.finding.offset};
        }
    }
    const std::size_t at = cutout.row * S2V_CHANNELS + static_cast<std::size_t>(cutout.channel);
    rows.offset[at] = static_cast<std::int64_t>(begin);
    rows.size[2 * at] = image.height;
    rows.size[2 * at + 1] = image.width;
    std::copy_n(image.crpix, 2,
                reference_.begin() + static_cast<std::ptrdiff_t>(2 * (cutout.row - pending_rows_begin_)));
    return {};
}

// While the pixels of the pending rows are in the cache.
void Decoder::score_rows(Unit &unit) {
    Rows &rows = unit.rows;
    CandidateData known;
    known.raised = rows.flags.data();
    if (settings_.shape.catalogue) known.catalogue = rows.catalogue.data();
    CandidateData measured = known;
    measured.features = rows.features.data();
    measured.feature_flags = rows.feature_flags.data();
    const auto n = static_cast<std::int64_t>(rows.count());
    for (auto begin = static_cast<std::int64_t>(pending_rows_begin_); begin < n; begin += kScorerBlock) {
        if (stopping_ != nullptr && *stopping_) throw ReadingStopped();  // a model may be slow
        const std::int64_t end = std::min<std::int64_t>(n, begin + kScorerBlock);
        if (embedder_ && !prepared_once_)
            embedder_->embed(stamps_of(rows), begin, end, embedder_measured_ ? measured : known, rows.vectors.data(),
                             rows.vector_flags.data());
        if (scorer_) score_block(unit, begin, end, model_measured_ ? measured : known);
    }
}

void Decoder::score_block(Unit &unit, std::int64_t begin, std::int64_t end, const CandidateData &known) {
    Rows &rows = unit.rows;
    std::optional<VectorTarget> also;
    if (prepared_once_) also.emplace(embedder_->target(rows.vectors.data()));
    const std::span<const std::int64_t> doubtful = scorer_->score_first(
        stamps_of(rows), begin, end, known, rows.score.data(), rows.score_flags.data(), also ? &*also : nullptr);
    if (prepared_once_)
        std::copy(rows.score_flags.begin() + begin, rows.score_flags.begin() + end, rows.vector_flags.begin() + begin);
    if (doubtful.empty()) return;
    read_doubtful_planes(unit, doubtful);
    scorer_->score_doubtful(stamps_of(rows), known, rows.score.data(), rows.score_flags.data());
}

s2v_stamps Decoder::stamps_of(const Rows &rows) const noexcept {
    return {
        sizeof(s2v_stamps), rows.pixels.data(), static_cast<std::int64_t>(rows.pixels.size()), rows.offset.data(),
        rows.size.data(),   rows.centre.data(), static_cast<std::int64_t>(rows.count()),       settings_.saturation};
}

// Once the planes of the pending rows are there: where the candidates lie in them, and their features.
void Decoder::finish_rows(Unit &unit) {
    Rows &rows = unit.rows;
    for (std::size_t k = 0; k < alerts_.size(); ++k) {
        const std::size_t row = pending_rows_begin_ + k;
        for (std::size_t at = row * S2V_CHANNELS; at < (row + 1) * S2V_CHANNELS; ++at) {
            if (rows.offset[at] < 0) continue;
            const Alert &alert = alerts_[k].alert;
            const std::int32_t height = rows.size[2 * at], width = rows.size[2 * at + 1];
            Pixel place = middle(height, width);
            if (alert.survey == S2V_SURVEY_RUBIN)
                place = {place_of_reference(reference_[2 * k], height),
                         place_of_reference(reference_[2 * k + 1], width)};
            else if (alert.survey == S2V_SURVEY_ZTF)
                place = place_on_ztf(alert.x, alert.y, height, width);
            rows.centre[2 * row] = place.row;
            rows.centre[2 * row + 1] = place.column;
            break;
        }
    }
    if (settings_.shape.features) {
        const s2v_stamps stamps = stamps_of(rows);
        settings_.isa->features(&stamps, static_cast<std::int64_t>(pending_rows_begin_),
                                static_cast<std::int64_t>(rows.count()), &settings_.measuring, settings_.convention,
                                rows.features.data(), rows.feature_flags.data(), scratch_);
    }
    if (scorer_ || embedder_) score_rows(unit);
    if (!settings_.shape.pixels) {
        std::fill(rows.offset.begin() + static_cast<std::ptrdiff_t>(pending_rows_begin_ * S2V_CHANNELS),
                  rows.offset.end(), -1);
        rows.pixels.clear();
    }
}

}  // namespace s2v::decode
