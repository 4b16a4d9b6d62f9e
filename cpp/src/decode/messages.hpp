// Decodes messages in memory, as a stream of alerts delivers them, to one row each, in the thread of the caller.
#pragma once

#include "decode/decoder.hpp"
#include "decode/schema_book.hpp"

#include <map>

namespace s2v::decode {

// One thread at a time. Once it has seen as many and as large messages as there are, it allocates nothing for sound
// ones.
class MessageDecoder {
public:
    MessageDecoder(const PacketSelection &selection, const DecodeSettings &settings, std::shared_ptr<Store> store);

    // The schema of the messages with this number in their header. Throws SchemaError.
    void add_schema(std::uint32_t number, std::string_view json);
    // The schema of messages without a header. Throws SchemaError.
    void set_bare_schema(std::string_view json);

    // The rows of messages, one each, in order; valid until the next call. A message is a record behind a header (a
    // zero, the number of its schema in four bytes), an Avro file, or a record alone, if there is a schema for that.
    const Rows &decode(std::span<const Bytes> messages);

    [[nodiscard]] Rows &rows() noexcept {
        return unit_.rows;
    }
    [[nodiscard]] const SchemaBook &schemas() const noexcept {
        return book_;
    }

private:
    Piece piece_of(Bytes message);
    void cut_container(Bytes message, Piece &piece);

    SchemaBook book_;
    Decoder decoder_;
    Unit unit_;
    std::map<std::uint32_t, std::shared_ptr<const NumberedSchema>> known_;
    std::shared_ptr<const NumberedSchema> bare_;
};

}  // namespace s2v::decode
