// What a worker unpacks, and what it refuses: bytes beyond the allowance of a piece, long ids, more than fits in
// memory.
#include "decode/decoder.hpp"

#include <algorithm>
#include <functional>

namespace s2v::decode {
namespace {

// Bytes that the cutouts of one flush may ask for beyond what they announced.
constexpr std::size_t kMostRetried = 4 * kLargestFile;

// What to unpack into at first. The announced size is right for all but damaged streams; these get more when they ask.
std::size_t first_capacity(Bytes packed) noexcept {
    const std::size_t announced = announced_size(packed);
    const bool likely = announced >= packed.size() / 2 && announced <= 64 * packed.size();
    return std::min(likely ? announced : 4 * packed.size(), kLargestFile);
}

}  // namespace

// All of it at once, or at the second attempt where so much looks unlikely.
std::size_t announced_capacity(Bytes cutout) noexcept {
    if (!is_gzip(cutout)) return 0;
    const std::size_t first = first_capacity(cutout);
    const std::size_t announced = std::min(announced_size(cutout), kLargestFile);
    return announced > first ? first + announced : first;
}

// Forget what a failed attempt took: memory, and what the files were charged for it.
void Decoder::release_memory(Unit &unit) {
    arena_.trim(0);
    retried_.clear();
    std::vector<std::uint8_t>().swap(block_);
    unit.rows.clear();
    unit.rows.pixels.trim(0);
    for (std::size_t k = 0; k < allowance_left_.size(); ++k)
        if (unit.pieces[k].unpacked) *unit.pieces[k].unpacked -= unit.pieces[k].allowance - allowance_left_[k];
}

void Decoder::add_refused_rows(Unit &unit) {
    for (const Piece &piece : unit.pieces) {
        // A table has its rows whatever becomes of them.
        for (Place place = piece.place; place.record < piece.place.record + (piece.table ? piece.records : 1);
             ++place.record)
            add_lost_row(unit, piece, place, {Fault::too_large, 0}, "more memory than there is");
    }
}

// What of an alert is longer than it may be, in words, or ""; an id that is counts as unknown.
std::string Decoder::find_long_text(const Unit &unit, const PacketSchema &schema, Alert &alert) const {
    std::string what;
    for (Field(&ids)[2] : {std::ref(alert.candidate_id), std::ref(alert.object_id)})
        for (Field &id : ids)
            if (id.kind == Field::Kind::bytes && id.bytes.size() > settings_.id_bytes) {
                what = "an id of " + std::to_string(id.bytes.size()) + " bytes";
                id = {};
            }
    const Field *const values = schema.values(fields_.data());
    for (std::size_t k = 0; k < unit.rows.shape.fields; ++k)
        if (values[k].kind == Field::Kind::bytes && values[k].bytes.size() > Limits::kLongestText)
            what = "a text of " + std::to_string(values[k].bytes.size()) + " bytes";
    return what;
}

// Take bytes out of what a piece may unpack to; false where it may not.
bool Decoder::spend(const Unit &unit, const Piece &piece, std::size_t bytes) {
    std::uint64_t &left = allowance_left_[static_cast<std::size_t>(&piece - unit.pieces.data())];
    if (bytes > left) return false;
    left -= bytes;
    if (piece.unpacked) *piece.unpacked += bytes;
    return true;
}

const Piece &Decoder::piece_of(const Cutout &cutout) const {
    return *alerts_[cutout.row - pending_rows_begin_].piece;
}

void Decoder::inflate(const Unit &unit) {
    std::size_t room = 0;
    streams_.clear();
    for (Cutout &cutout : pending_)
        if (cutout.packed) {
            cutout.stream = {};
            const std::size_t capacity = first_capacity(cutout.bytes);
            if (!spend(unit, piece_of(cutout), capacity)) {
                cutout.stream.finding = {Fault::too_large, 0};
                continue;
            }
            cutout.stream.packed = cutout.bytes;
            cutout.stream.capacity = capacity;
            room += capacity;
        }
    arena_.resize(room);
    room = 0;
    for (Cutout &cutout : pending_)
        if (cutout.packed && !cutout.stream.finding) {
            cutout.stream.out = arena_.data() + room;
            room += cutout.stream.capacity;
            streams_.push_back(cutout.stream);
        }
    unpack(streams_, Wrapping::gzip);
    retried_.clear();
    std::size_t retried = 0;
    std::size_t at = 0;
    for (Cutout &cutout : pending_) {
        if (!cutout.packed || cutout.stream.finding) continue;
        Stream &stream = cutout.stream;
        stream = streams_[at++];
        while (stream.finding.fault == Fault::too_large && stream.capacity < kLargestFile && retried < kMostRetried) {
            const std::size_t announced = std::min(announced_size(cutout.bytes), kLargestFile);
            const std::size_t asked = announced > stream.capacity
                                          ? announced
                                          : std::min(4 * std::max<std::size_t>(stream.capacity, 4096), kLargestFile);
            if (!spend(unit, piece_of(cutout), asked)) break;
            std::vector<std::uint8_t> larger(asked);
            stream = {};
            stream.packed = cutout.bytes;
            stream.out = larger.data();
            stream.capacity = larger.size();
            unpack({&stream, 1}, Wrapping::gzip);
            if (stream.finding) continue;
            retried += larger.size();
            retried_.push_back(std::move(larger));
        }
    }
}

}  // namespace s2v::decode
