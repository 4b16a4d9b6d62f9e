// The schemas of the inputs, each compiled once.
#pragma once

#include "decode/unit.hpp"

#include <mutex>

namespace s2v::decode {

// Compiles schemas and remembers what each offers. Threads may share it.
class SchemaBook {
public:
    explicit SchemaBook(PacketSelection selection) : selection_(std::move(selection)) {}
    // The schema of a text, compiled unless it was lately, or is kept. Throws SchemaError.
    std::shared_ptr<const NumberedSchema> find(std::string_view text);
    // The same, and never compile it again.
    std::shared_ptr<const NumberedSchema> keep(std::string_view text);
    // The number of schemas that have been compiled.
    [[nodiscard]] std::size_t compiled() const noexcept {
        return compiled_;
    }
    // What a schema offers of the selection.
    struct Offer {
        std::vector<std::uint8_t> columns;  // 1: it has the column
        std::vector<std::uint8_t> fields;   // as PacketSchema::field_kinds
        std::string paths;                  // to single values, one a line; empty where no fields are asked for

        bool operator==(const Offer &other) const noexcept {
            return columns == other.columns && fields == other.fields;
        }
    };
    // Of schemas that offer the same the paths of the first.
    [[nodiscard]] Offer offer(std::int32_t number) const;
    [[nodiscard]] std::size_t column_count() const noexcept {
        return selection_.columns.size();
    }

private:
    PacketSelection selection_;
    std::vector<std::shared_ptr<const NumberedSchema>> kept_;
    std::vector<std::shared_ptr<const NumberedSchema>> recent_;  // the last used first
    std::size_t compiled_ = 0;
    mutable std::mutex lock_;  // of what follows
    std::vector<Offer> offered_;
};

}  // namespace s2v::decode
