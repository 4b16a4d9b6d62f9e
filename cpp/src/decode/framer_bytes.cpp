// The bytes of an input as the framer sees them, and what it grants: rows of a file, and bytes that they unpack to.
#include "decode/framer.hpp"

#include <algorithm>

namespace s2v::decode {
namespace {

// A unit that had to be larger gives its room back.
constexpr std::size_t kKeptRoom = std::size_t{2} << 20;

}  // namespace

// Grant a piece the bytes that it may unpack to, by the bytes of the file that have been read; false, and a row that
// says so, where the input has more rows than it may.
bool Framer::grant_bytes(Piece &piece) {
    const std::uint64_t read = input_->taken();
    rows_ += static_cast<std::uint64_t>(piece.records);
    if (rows_ > limits_.free_rows + read / Limits::kBytesOfRow) {
        piece.schema = nullptr;
        piece.finding = {Fault::too_large, 0};
        piece.detail = "more rows than " + std::to_string(limits_.free_rows) + " in a file as small";
        add(std::move(piece));
        refused_ = true;
        return false;
    }
    const std::uint64_t earned = limits_.free_bytes + Limits::kShare * read;
    const std::uint64_t wanted = Limits::kFreeOfPiece + Limits::kShareOfPiece * piece.size;
    if (granted_ + wanted > earned) reclaim_unused(piece);
    piece.allowance = std::min(wanted, earned - std::min(earned, granted_));
    piece.unpacked = unpacked_;
    granted_ += piece.allowance;
    return true;
}

// Take back what earlier pieces were granted and have not used; the piece begins behind the cursor.
void Framer::reclaim_unused(Piece &piece) {
    piece.begin -= cursor_;
    begin_unit();
    piece.begin += cursor_;
    exchange_.wait_until_decoded();
    granted_ = *unpacked_;
}

// Bytes from the cursor on: as many as wanted, and more where they are there; fewer only at the end.
Bytes Framer::peek(std::size_t wanted) {
    const std::uint64_t room = limit_ - position_;
    wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, room));
    if (cursor_ + wanted > unit_->bytes.capacity()) {
        begin_unit();
        // With room to go on, or every block of a file that announces long ones would move all that is held.
        unit_->bytes.reserve(wanted > kChunk ? wanted + kChunk : wanted);
    }
    Buffer<std::uint8_t> &bytes = unit_->bytes;
    while (bytes.size() - cursor_ < wanted) {
        const std::size_t held = bytes.size();
        bytes.resize(bytes.capacity());
        std::size_t given = 0;
        try {
            given = input_->read(bytes.data() + held, bytes.capacity() - held);
        } catch (...) {
            bytes.resize(held);
            throw;
        }
        bytes.resize(held + given);
        if (given == 0) break;
    }
    const std::size_t there = bytes.size() - cursor_;
    return {bytes.data() + cursor_, static_cast<std::size_t>(std::min<std::uint64_t>(there, room))};
}

void Framer::take(std::size_t count) noexcept {
    cursor_ += count;
    position_ += count;
}

// Pass over bytes without keeping them; false where the input ends first.
bool Framer::skip(std::uint64_t count) {
    while (count > 0) {
        const Bytes bytes = peek(static_cast<std::size_t>(std::min<std::uint64_t>(count, kChunk)));
        if (bytes.empty()) return false;
        const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(count, bytes.size()));
        take(step);
        count -= step;
    }
    return true;
}

// Hand the unit over, and go on in an empty one with the bytes that no piece has taken.
void Framer::begin_unit() {
    Unit *const full = unit_;
    if (full && full->pieces.empty()) {
        const std::size_t left = full->bytes.size() - cursor_;
        if (left) std::memmove(full->bytes.data(), full->bytes.data() + cursor_, left);
        full->bytes.resize(left);
        cursor_ = 0;
        return;
    }
    unit_ = exchange_.take_empty();
    unit_->bytes.clear();
    unit_->bytes.trim(kKeptRoom);
    unit_->bytes.reserve(kChunk);
    unit_->pieces.clear();
    unit_records_ = 0;
    if (!full) return;
    try {
        unit_->bytes.append(full->bytes.data() + cursor_, full->bytes.size() - cursor_);
    } catch (...) {
        unit_->bytes.clear();
        cursor_ = 0;
        exchange_.submit(full);  // its pieces are sound
        throw;
    }
    cursor_ = 0;
    exchange_.submit(full);
}

}  // namespace s2v::decode
