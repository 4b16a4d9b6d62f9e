// Avro records and schemas made by hand, and walks over them.
#pragma once

#include "decode/avro.hpp"

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace synthetic {

class Avro {
public:
    Avro &number(std::int64_t value) {
        std::uint64_t left = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
        for (; left >= 0x80; left >>= 7) bytes_.push_back(static_cast<std::uint8_t>(left | 0x80));
        bytes_.push_back(static_cast<std::uint8_t>(left));
        return *this;
    }
    Avro &text(std::string_view value) {
        number(static_cast<std::int64_t>(value.size()));
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        return *this;
    }
    Avro &real(float value) {
        return little(std::bit_cast<std::uint32_t>(value), 4);
    }
    Avro &real(double value) {
        return little(std::bit_cast<std::uint64_t>(value), 8);
    }
    Avro &raw(std::initializer_list<int> values) {
        for (const int value : values) bytes_.push_back(static_cast<std::uint8_t>(value));
        return *this;
    }
    Avro &raw(std::span<const std::uint8_t> values) {
        bytes_.insert(bytes_.end(), values.begin(), values.end());
        return *this;
    }
    [[nodiscard]] std::vector<std::uint8_t> bytes() const {
        return bytes_;
    }

private:
    std::vector<std::uint8_t> bytes_;

    Avro &little(std::uint64_t value, int size) {
        for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
        return *this;
    }
};

using Paths = std::vector<std::string_view>;

// A record of these fields.
inline std::string record(const std::string &fields, const std::string &name = "r") {
    return R"({"type": "record", "name": ")" + name + R"(", "fields": [)" + fields + "]}";
}
inline std::string field(const std::string &name, const std::string &type) {
    return R"({"name": ")" + name + R"(", "type": )" + type + "}";
}

// A walk over a copy of the bytes without one to spare, so that a sanitizer sees a read past the end.
struct Result {
    std::shared_ptr<const s2v::decode::Schema> schema;  // whose symbols the fields may be
    std::vector<std::uint8_t> bytes;
    std::vector<s2v::decode::Field> fields;
    s2v::decode::Schema::Walked walked;

    Result(const s2v::decode::Schema &compiled, std::vector<std::uint8_t> data, std::size_t wanted)
        : bytes(std::move(data)), fields(wanted) {
        bytes.shrink_to_fit();
        walked = compiled.walk(bytes, fields.data());
    }
    [[nodiscard]] bool whole() const {
        return !walked.finding && walked.size == bytes.size();
    }
    [[nodiscard]] bool broken(s2v::decode::Fault fault) const {
        return walked.finding.fault == fault && walked.size == 0 && walked.finding.offset <= bytes.size();
    }
    [[nodiscard]] std::string text(std::size_t i) const {
        return {reinterpret_cast<const char *>(fields[i].bytes.data()), fields[i].bytes.size()};
    }
};

inline Result walk(const std::string &schema, const Paths &wanted, const Avro &record) {
    const auto compiled = std::make_shared<const s2v::decode::Schema>(schema, wanted);
    Result result(*compiled, record.bytes(), wanted.size());
    result.schema = compiled;
    return result;
}

}  // namespace synthetic
