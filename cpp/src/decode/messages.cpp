#include "decode/messages.hpp"

#include "decode/limits.hpp"
#include "decode/mark.hpp"

#include <algorithm>

namespace s2v::decode {
namespace {

constexpr std::size_t kMessageHead = 5;
constexpr std::size_t kLargestMessage = std::size_t{64} << 20;
constexpr std::size_t kSync = 16;

std::uint32_t schema_number(Bytes head) noexcept {
    return std::uint32_t{head[1]} << 24 | std::uint32_t{head[2]} << 16 | std::uint32_t{head[3]} << 8 |
           std::uint32_t{head[4]};
}

// Let a piece be one of which nothing can be read.
void refuse(Piece &piece, Fault fault, std::string detail) {
    piece.schema = nullptr;
    piece.finding = {fault, 0};
    piece.detail = std::move(detail);
}

}  // namespace

MessageDecoder::MessageDecoder(const PacketSelection &selection, const DecodeSettings &settings,
                               std::shared_ptr<Store> store)
    : book_(selection), decoder_(settings) {
    unit_.rows.pixels = Buffer<float>(std::move(store));
}

void MessageDecoder::add_schema(std::uint32_t number, std::string_view json) {
    known_[number] = book_.keep(json);
}

void MessageDecoder::set_bare_schema(std::string_view json) {
    bare_ = book_.keep(json);
}

const Rows &MessageDecoder::decode(std::span<const Bytes> messages) {
    unit_.pieces.clear();
    for (std::size_t i = 0; i < messages.size(); ++i) {
        unit_.pieces.push_back(piece_of(messages[i]));
        unit_.pieces.back().place.source = static_cast<std::int32_t>(i);
    }
    decoder_.decode(unit_);
    return unit_.rows;
}

Piece MessageDecoder::piece_of(Bytes message) {
    Piece piece;
    piece.message = true;
    piece.memory = message.data();
    piece.size = message.size();
    piece.records = 1;
    piece.allowance = Limits::kFreeOfPiece + Limits::kShareOfPiece * message.size();
    const auto known =
        message.size() >= kMessageHead && message[0] == 0 ? known_.find(schema_number(message)) : known_.end();
    if (message.empty()) {
        refuse(piece, Fault::empty_file, "a message");
    } else if (message.size() > kLargestMessage) {
        refuse(piece, Fault::too_large, "a message of " + std::to_string(message.size()) + " bytes");
    } else if (known != known_.end()) {
        piece.schema = known->second;
        piece.begin = piece.place.offset = kMessageHead;
        piece.size -= kMessageHead;
    } else if (is_avro(message)) {
        cut_container(message, piece);
    } else if (bare_) {
        piece.schema = bare_;
    } else if (message[0] == 0 && message.size() >= kMessageHead) {
        refuse(piece, Fault::unknown_schema, "schema " + std::to_string(schema_number(message)));
    } else if (message[0] == 0) {
        refuse(piece, Fault::truncated, "the head of a message");
    } else {
        refuse(piece, Fault::foreign_file, "a message");
    }
    return piece;
}

// Take the first block of an Avro file that holds a record.
void MessageDecoder::cut_container(Bytes message, Piece &piece) {
    const ContainerHeader header = read_header(message);
    if (header.finding) return refuse(piece, header.finding.fault, "the header");
    if (header.codec == Codec::unknown)
        return refuse(piece, Fault::unknown_codec, std::string(header.codec_name.substr(0, 100)));
    try {
        piece.schema = book_.find(header.schema);
    } catch (const SchemaError &error) {
        return refuse(piece, error.finding.fault, error.reason);
    }
    piece.codec = header.codec;
    std::size_t at = header.size;
    BlockHead head;
    do {
        if (at == message.size()) return refuse(piece, Fault::empty_file, "an Avro file without a record");
        head = read_block_head(message.subspan(at));
        if (head.finding) return refuse(piece, head.finding.fault, "the head of a block");
        piece.begin = at + head.size;
        at = piece.begin + std::min(head.packed + kSync, message.size() - piece.begin);
    } while (head.records == 0 && at < message.size());
    piece.records = head.records;
    if (head.records == 0) return refuse(piece, Fault::empty_file, "an Avro file without a record");
    piece.place.block = piece.place.offset = piece.begin;
    piece.size = std::min(head.packed, message.size() - piece.begin);
    piece.surplus = at < message.size();
    // Of a block that is cut short, or goes on into what is none, the record itself tells what is wrong, if it is
    // packed as it is; a packed one tells by its checksum, or by its end.
    const Bytes end = message.subspan(piece.begin + piece.size);
    if (piece.size < head.packed) {
        piece.finding = {Fault::truncated, 0};
        piece.detail = "the last block";
    } else if (end.size() < kSync || !std::equal(header.sync.begin(), header.sync.end(), end.begin())) {
        piece.finding = {end.size() < kSync ? Fault::truncated : Fault::damaged_avro, 0};
        piece.detail = "the sync marker after a block";
    }
}

}  // namespace s2v::decode
