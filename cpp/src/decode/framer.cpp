#include "decode/framer.hpp"

#include "decode/inflate.hpp"
#include "decode/mark.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace s2v::decode {
namespace {

// Records of a unit, where they are small.
constexpr std::int64_t kUnitRecords = 64;
constexpr std::size_t kLargestMessage = std::size_t{64} << 20;
constexpr std::size_t kMessageHead = 5;
constexpr std::size_t kSync = 16;
constexpr std::size_t kLongestBlockHead = 20;
// Registries count schemas from 1 and come to thousands; other bytes after a zero are some other file's.
constexpr std::uint32_t kLikelySchemas = 1 << 20;

std::uint32_t schema_number(Bytes head) noexcept {
    return std::uint32_t{head[1]} << 24 | std::uint32_t{head[2]} << 16 | std::uint32_t{head[3]} << 8 |
           std::uint32_t{head[4]};
}

// Whether bytes that begin with a zero look like a message of which nobody gave the schema.
bool may_be_message(Bytes head) noexcept {
    return head.size() > kMessageHead && schema_number(head) > 0 && schema_number(head) < kLikelySchemas;
}

}  // namespace

Framer::Framer(const std::vector<Source> &sources, const MessageSchemas &messages, SchemaBook &book, Start start,
               const Limits &limits, UnitExchange &exchange)
    : sources_(sources), message_schemas_(messages), book_(book), start_(start), limits_(limits), exchange_(exchange) {}

void Framer::run() {
    begin_unit();
    try {
        for (source_ = start_.source; source_ < static_cast<std::int32_t>(sources_.size()); ++source_)
            frame(sources_[static_cast<std::size_t>(source_)]);
    } catch (const InputError &) {
        exchange_.submit(unit_);  // what was read before is sound
        throw;
    }
    exchange_.submit(unit_);
}

void Framer::frame(const Source &source) {
    position_ = 0;
    limit_ = kNoLimit;
    record_ = 0;
    rows_ = granted_ = 0;
    unpacked_ = std::make_shared<std::atomic<std::uint64_t>>(0);
    refused_ = false;
    member_.clear();
    cursor_ = unit_->bytes.size();
    try {
        Input input(source, exchange_.stopping);
        input_ = &input;
        cut();
    } catch (const InputError &error) {
        if (!error.of_file) throw;
        fail({Fault::unreadable_file, 0}, std::strerror(error.number));
    } catch (const std::bad_alloc &) {
        fail({Fault::too_large, 0}, "more memory than there is");
    } catch (const std::length_error &) {
        fail({Fault::too_large, 0}, "more memory than there is");
    }
    input_ = nullptr;
}

// Cut the input that is open.
void Framer::cut() {
    Input &input = *input_;
    // A small file is read at once, and wholly into one unit.
    const std::size_t whole = std::min(input.expected(), kChunk);
    if (unit_->bytes.size() + whole > unit_->bytes.capacity()) begin_unit();
    Bytes head = peek(std::max(whole, kTarBlock));
    if (head.empty()) return fail({Fault::empty_file, 0}, "");
    if (is_gzip(head)) {
        input.unpack(head);
        unit_->bytes.resize(cursor_);
        head = peek(kTarBlock);
    }
    if (is_avro(head))
        cut_containers();
    else if (is_tar(head))
        cut_archive();
    else if (head.size() >= kMessageHead && head[0] == 0 && (!message_schemas_.empty() || may_be_message(head)))
        cut_messages();
    else
        fail(input.finding() ? input.finding() : Finding{Fault::foreign_file, 0}, "");
}

// Containers one after another, as `cat *.avro` gives them.
void Framer::cut_containers() {
    for (;;) {
        std::size_t wanted = std::size_t{64} << 10;
        Bytes bytes = peek(wanted);
        if (bytes.empty()) return;
        ContainerHeader header = read_header(bytes);
        while (header.finding.fault == Fault::truncated && bytes.size() >= wanted && wanted < kLargestHeader) {
            wanted *= 4;
            bytes = peek(wanted);
            header = read_header(bytes);
        }
        if (header.finding) {
            if (header.finding.fault == Fault::truncated) header.finding.fault = short_finding().fault;
            fail(header.finding, "the header");
            take(kMagicSize);
            if (!find_container({})) return;
            continue;
        }
        std::shared_ptr<const NumberedSchema> schema;
        try {
            if (header.codec == Codec::unknown)
                fail({Fault::unknown_codec, 0}, std::string(header.codec_name));
            else
                schema = book_.find(header.schema);
        } catch (const SchemaError &error) {
            fail({error.finding.fault, 0}, error.reason);
        }
        take(header.size);
        if (!(schema ? cut_blocks(schema, header) : find_container(header.sync))) return;
    }
}

// The blocks of one container; tells whether another container follows.
bool Framer::cut_blocks(const std::shared_ptr<const NumberedSchema> &schema, const ContainerHeader &header) {
    for (;;) {
        const Bytes head = peek(kMagicSize);
        if (head.empty()) {
            if (limit_ != kNoLimit ? position_ < limit_ : static_cast<bool>(input_->finding()))
                fail(short_finding(), "");
            return false;
        }
        if (is_avro(head)) return true;
        Piece piece = make_piece();
        piece.schema = schema;
        piece.codec = header.codec;
        if (!cut_block(header, std::move(piece))) return false;
    }
}

// Cut one block, whatever its state, and come to the next; false where there is none.
bool Framer::cut_block(const ContainerHeader &header, Piece piece) {
    const BlockHead head = read_block_head(peek(kLongestBlockHead));
    if (head.finding) {
        piece.schema = nullptr;
        piece.finding = head.finding.fault == Fault::truncated ? short_finding() : head.finding;
        piece.detail = "the head of a block";
        add(std::move(piece));
        return find_next(header.sync);
    }
    const std::size_t needed = head.size + head.packed + kSync;
    Bytes block = peek(needed);
    const bool there = block.size() >= needed;
    std::size_t advance = needed;
    bool lost = false;
    bool ended = false;
    piece.size = head.packed;
    if (!there || !std::ranges::equal(block.subspan(needed - kSync, kSync), header.sync)) {
        if (there && block_begins_at(needed, header)) {
            piece.finding = {Fault::damaged_avro, 0};
            piece.detail = "the sync marker after a block";
        } else {
            // A damaged length looks like a file that is cut short; so does a cut file that another one follows.
            block = peek(needed);
            const Mark mark = find_mark(block.first(std::min(block.size(), needed)), head.size, header.sync);
            lost = there && !mark.found;
            ended = !there && !mark.found;
            if (ended)
                piece.finding = short_finding();
            else
                piece.finding = {mark.container ? Fault::truncated : Fault::damaged_avro, 0};
            piece.detail = ended || mark.container ? "the last block" : "the length of a block";
            piece.size = std::min(head.packed, mark.end - std::min(mark.end, head.size));
            advance = lost ? head.size : mark.next;
        }
    }
    // Only now: looking ahead may have moved the bytes.
    piece.begin = cursor_ + head.size;
    piece.records = head.records;
    if (piece.codec == Codec::null) piece.place.offset += head.size;
    if (!grant_bytes(piece)) return false;
    record_ += head.records;
    add(std::move(piece));
    take(advance);
    return lost ? find_next(header.sync) : !ended;
}

// Whether a sound block, or the end, comes that far ahead.
bool Framer::block_begins_at(std::size_t ahead, const ContainerHeader &header) {
    Bytes bytes = peek(ahead + kLongestBlockHead);
    if (bytes.size() <= ahead) return true;
    const BlockHead next = read_block_head(bytes.subspan(ahead));
    if (next.finding) return false;
    const std::size_t end = ahead + next.size + next.packed + kSync;
    bytes = peek(end);
    return bytes.size() >= end &&
           std::equal(header.sync.begin(), header.sync.end(), bytes.begin() + static_cast<std::ptrdiff_t>(end - kSync));
}

// Pass over bytes until a block or a container may begin; false where none comes.
bool Framer::find_next(Bytes sync) {
    for (;;) {
        const Bytes bytes = peek(kChunk);
        const Mark mark = find_mark(bytes, 0, sync);
        if (mark.found || bytes.size() < kChunk) {
            take(mark.next);
            return mark.found;
        }
        take(bytes.size() - (kLongestMark - 1));
    }
}

// Pass over the rest of a container; false where no other follows.
bool Framer::find_container(Bytes sync) {
    while (find_next(sync))
        if (is_avro(peek(kMagicSize))) return true;
    return false;
}

void Framer::cut_messages() {
    while (cut_message()) continue;
}

// A message: a zero, the number of its schema in four bytes, a record. False where there is none, or no way on.
bool Framer::cut_message() {
    const Bytes head = peek(kMessageHead);
    if (head.empty()) {
        if (input_->finding()) fail(short_finding(), "");
        return false;
    }
    if (head.size() < kMessageHead || head[0] != 0) {
        fail(head.size() < kMessageHead ? short_finding() : Finding{Fault::damaged_record, 0}, "the head of a message");
        return false;
    }
    const std::uint32_t number = schema_number(head);
    const auto known = message_schemas_.find(number);
    if (known == message_schemas_.end()) {
        fail({Fault::unknown_schema, 0}, "schema " + std::to_string(number));
        return false;
    }
    Piece piece = make_piece();
    piece.schema = book_.find(known->second);
    const PacketSchema &schema = piece.schema->packet;
    fields_.resize(schema.room());
    columns_.resize(book_.column_count());
    Alert alert;
    std::size_t wanted = std::size_t{64} << 10;
    Bytes bytes = peek(wanted);
    Schema::Walked walked = schema.read(bytes.subspan(kMessageHead), fields_.data(), alert, columns_.data());
    while (walked.finding.fault == Fault::truncated && bytes.size() >= wanted && wanted < kLargestMessage) {
        wanted *= 4;
        bytes = peek(wanted);
        walked = schema.read(bytes.subspan(kMessageHead), fields_.data(), alert, columns_.data());
    }
    if (walked.finding) {
        fail(walked.finding.fault == Fault::truncated ? short_finding() : walked.finding, "a message");
        return false;
    }
    piece.begin = cursor_ + kMessageHead;
    piece.size = walked.size;
    piece.records = 1;
    piece.place.offset += kMessageHead;
    if (!grant_bytes(piece)) return false;
    ++record_;
    add(std::move(piece));
    take(kMessageHead + walked.size);
    return true;
}

Piece Framer::make_piece() {
    // What is held ahead moves with each turn: the more it is, the more records are worth one.
    const auto held = static_cast<std::int64_t>((unit_->bytes.size() - cursor_) / kChunk);
    if (unit_records_ >= kUnitRecords * (1 + held)) begin_unit();
    Piece piece;
    piece.place = {source_, record_, position_, position_};
    piece.member = member_;
    return piece;
}

void Framer::add(Piece piece) {
    if (source_ == start_.source && piece.place.block < start_.block) return;
    unit_records_ += std::max<std::int64_t>(1, piece.records);
    unit_->pieces.push_back(std::move(piece));
}

// A row that stands for what cannot be read here.
void Framer::fail(Finding finding, std::string detail) {
    Piece piece = make_piece();
    if (record_ == 0) piece.place.record = -1;
    piece.finding = finding;
    piece.detail = std::move(detail);
    add(std::move(piece));
}

// Why bytes are missing: the file ends, or what it is packed in is damaged.
Finding Framer::short_finding() const {
    return input_->finding() ? Finding{input_->finding().fault, 0} : Finding{Fault::truncated, 0};
}

}  // namespace s2v::decode
