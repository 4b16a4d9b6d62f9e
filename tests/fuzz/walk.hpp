// Records walked with their schema, and what must hold of each.
#pragma once

#include "decode/avro.hpp"
#include "fuzz.hpp"

#include <algorithm>
#include <vector>

namespace fuzz {

inline constexpr std::string_view kPaths[] = {
    "objectId", "candid", "candidate.candid", "candidate.magpsf", "cutoutScience", "cutoutScience.stampData",
    "a",        "a.b",
};

// Walk at most `most` records; the bytes that they took.
inline std::size_t walk_records(const s2v::decode::Schema &schema, std::span<const std::uint8_t> data,
                                std::int64_t most) {
    using s2v::decode::Field;
    std::vector<Field> fields(std::size(kPaths));
    std::size_t at = 0;
    for (std::int64_t record = 0; record < most; ++record) {
        std::fill(fields.begin(), fields.end(), Field{});
        const auto left = data.subspan(at);
        const auto walked = schema.walk(left, fields.data());
        if (walked.finding) {
            require(walked.size == 0, "a record that is damaged takes no bytes");
            require(walked.finding.offset <= left.size(), "the offset of a finding in a record");
            break;
        }
        require(walked.size <= left.size(), "a record within its bytes");
        std::size_t sum = 0;
        for (const Field &field : fields)
            for (const std::uint8_t byte : field.bytes) sum += byte;
        require(sum <= 255 * (left.size() + 65536) * std::size(kPaths), "the bytes of a field can be read");
        if (walked.size == 0) break;  // such records would never end
        const Exact cut(left.first(walked.size - 1));
        require(static_cast<bool>(schema.walk(cut.all(), fields.data()).finding), "a record that is cut is damaged");
        at += walked.size;
    }
    return at;
}

}  // namespace fuzz
