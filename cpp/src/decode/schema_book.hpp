// The schemas that an input has shown, each compiled once.
#pragma once

#include "decode/unit.hpp"

#include <mutex>

namespace s2v::decode {

// What the schemas met so far offer; threads may ask.
class SchemaBook {
public:
    explicit SchemaBook(std::vector<std::string> columns) : columns_(std::move(columns)) {}
    // Throws SchemaError.
    std::shared_ptr<const KnownSchema> find(std::string_view text);
    // Whether a schema has each column (1) or not (0).
    [[nodiscard]] std::vector<std::uint8_t> columns_of(std::int32_t number) const;
    [[nodiscard]] std::size_t column_count() const noexcept {
        return columns_.size();
    }

private:
    std::vector<std::string> columns_;
    std::vector<std::shared_ptr<const KnownSchema>> recent_;  // the last used first
    mutable std::mutex lock_;                                 // of what follows
    std::vector<std::vector<std::uint8_t>> offered_;
};

}  // namespace s2v::decode
