// Cuts inputs into units of work, in order: the blocks of Avro files, alone or in tar archives, and bare Avro messages.
#pragma once

#include "decode/input.hpp"
#include "decode/limits.hpp"
#include "decode/schema_book.hpp"
#include "decode/tar.hpp"
#include "decode/unit.hpp"

#include <limits>
#include <map>

namespace s2v::decode {

// The schemas of bare messages, by the number that stands in the message's header.
using MessageSchemas = std::map<std::uint32_t, std::string>;

// Where to begin: at a block of a source.
struct Start {
    std::int32_t source = 0;
    std::uint64_t block = 0;
};

// Provides empty units and takes full ones.
class UnitExchange {
public:
    virtual ~UnitExchange() = default;
    // Throws ReadingStopped.
    virtual Unit *take_empty() = 0;
    virtual void submit(Unit *unit) = 0;
    // Wait until all full ones are decoded. Throws ReadingStopped.
    virtual void wait_until_decoded() = 0;
    // Set when no more units are wanted.
    std::atomic<bool> stopping = false;
};

class Framer {
public:
    Framer(const std::vector<Source> &sources, const MessageSchemas &messages, SchemaBook &book, Start start,
           const Limits &limits, UnitExchange &exchange);
    // Cut all sources. Throws InputError, and what the exchange throws.
    void run();

private:
    static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
    // Bytes of a unit: some eight alerts.
    static constexpr std::size_t kChunk = std::size_t{512} << 10;

    void frame(const Source &source);
    void cut();
    bool grant_bytes(Piece &piece);
    void reclaim_unused(Piece &piece);
    void cut_archive();
    bool cut_member(const TarHeader &header, const std::string &name);
    bool refuse_link(const TarHeader &header, const std::string &name);
    void cut_containers();
    bool cut_blocks(const std::shared_ptr<const NumberedSchema> &schema, const ContainerHeader &header);
    bool cut_block(const ContainerHeader &header, Piece piece);
    bool block_begins_at(std::size_t ahead, const ContainerHeader &header);
    bool find_next(Bytes sync);
    bool find_container(Bytes sync);
    void cut_messages();
    bool cut_message();

    Piece make_piece();
    void add(Piece piece);
    void fail(Finding finding, std::string detail);
    [[nodiscard]] Finding short_finding() const;

    Bytes peek(std::size_t wanted);
    void take(std::size_t count) noexcept;
    bool skip(std::uint64_t count);
    void begin_unit();

    const std::vector<Source> &sources_;
    const MessageSchemas &message_schemas_;
    SchemaBook &book_;
    Start start_;
    const Limits &limits_;
    UnitExchange &exchange_;

    std::int32_t source_ = 0;
    Input *input_ = nullptr;
    Unit *unit_ = nullptr;
    std::size_t cursor_ = 0;          // in the unit's bytes
    std::uint64_t position_ = 0;      // of the cursor in the unpacked input
    std::uint64_t limit_ = kNoLimit;  // end of the member
    std::int64_t record_ = 0;         // of the file or member
    std::int64_t unit_records_ = 0;
    std::uint64_t rows_ = 0;     // of the input
    std::uint64_t granted_ = 0;  // bytes that its pieces may unpack to, or have, once that was looked at
    std::shared_ptr<std::atomic<std::uint64_t>> unpacked_;
    bool refused_ = false;  // it has more rows than it may
    std::string member_;
    std::vector<Field> fields_;
    std::vector<double> columns_;
};

}  // namespace s2v::decode
