#include "decode/tar.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace s2v::decode {
namespace {

// Where the fields of a header lie: POSIX.1-1988, "ustar Interchange Format".
constexpr std::size_t kName = 0, kNameSize = 100;
constexpr std::size_t kSize = 124, kSizeSize = 12;
constexpr std::size_t kSum = 148, kSumSize = 8;
constexpr std::size_t kType = 156;
constexpr std::size_t kMagic = 257;
constexpr std::size_t kPrefix = 345, kPrefixSize = 155;

std::string text(Bytes block, std::size_t at, std::size_t size) {
    const auto *begin = reinterpret_cast<const char *>(block.data()) + at;
    return {begin, std::find(begin, begin + size, '\0')};
}

// Octal digits, or (GNU) a binary number with the highest bit set.
std::optional<std::uint64_t> number(Bytes block, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    if (block[at] & 0x80) {
        for (std::size_t i = at + 1; i < at + size; ++i) {
            if (value >> 55) return {};
            value = value << 8 | block[i];
        }
        return value;
    }
    bool digits = false;
    for (std::size_t i = at; i < at + size; ++i) {
        const std::uint8_t c = block[i];
        if (c == ' ' && !digits) continue;
        if (c == '\0' || c == ' ') break;
        if (c < '0' || c > '7') return {};
        value = value * 8 + (c - '0');
        digits = true;
    }
    return value;
}

// The sum of the header's bytes, its own field taken as spaces; old programs took the bytes as signed.
bool sum_holds(Bytes block) {
    const std::optional<std::uint64_t> told = number(block, kSum, kSumSize);
    std::int64_t plain = 0, with_sign = 0;
    for (std::size_t i = 0; i < kTarBlock; ++i) {
        const bool own = i >= kSum && i < kSum + kSumSize;
        plain += own ? ' ' : block[i];
        with_sign += own ? ' ' : static_cast<std::int8_t>(block[i]);
    }
    return told && (static_cast<std::int64_t>(*told) == plain || static_cast<std::int64_t>(*told) == with_sign);
}

}  // namespace

bool is_tar(Bytes block) noexcept {
    if (block.size() < kTarBlock) return false;
    const auto *magic = reinterpret_cast<const char *>(block.data()) + kMagic;
    return std::string_view(magic, 5) == "ustar" || (block[0] != 0 && sum_holds(block));
}

TarHeader read_tar_header(Bytes block) {
    TarHeader header;
    if (std::all_of(block.begin(), block.begin() + kTarBlock, [](std::uint8_t byte) { return byte == 0; })) {
        header.kind = TarHeader::Kind::end;
        return header;
    }
    const std::optional<std::uint64_t> size = number(block, kSize, kSizeSize);
    if (!size || *size >> 56 || !sum_holds(block)) return header;
    header.size = *size;
    header.name = text(block, kName, kNameSize);
    const std::string magic = text(block, kMagic, 6);
    if (const std::string prefix = text(block, kPrefix, kPrefixSize); magic == "ustar" && !prefix.empty())
        header.name = prefix + "/" + header.name;
    switch (block[kType]) {
        case '\0':
        case '0':
        case '7':
            header.kind = TarHeader::Kind::file;
            break;
        case 'L':
            header.kind = TarHeader::Kind::long_name;
            break;
        case 'x':
            header.kind = TarHeader::Kind::pax;
            break;
        case '1':
        case '2':
            header.size = 0;
            header.kind = TarHeader::Kind::link;
            break;
        // Folders and devices have no contents, whatever their size says; nor have links.
        case '3':
        case '4':
        case '5':
        case '6':
            header.size = 0;
            header.kind = TarHeader::Kind::other;
            break;
        default:
            header.kind = TarHeader::Kind::other;
    }
    return header;
}

void read_pax(std::string_view records, std::string &name, std::uint64_t &size) {
    // Each record: its own length in digits, a space, key=value, a newline.
    while (!records.empty()) {
        std::size_t length = 0;
        const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
        const auto digits = static_cast<std::size_t>(end - records.data());
        if (error != std::errc() || length > records.size() || length < digits + 2 || records[digits] != ' ') return;
        const std::string_view record = records.substr(digits + 1, length - digits - 2);
        const std::size_t equals = record.find('=');
        if (equals != std::string_view::npos) {
            const std::string_view value = record.substr(equals + 1);
            if (record.substr(0, equals) == "path") name = value;
            std::uint64_t told = 0;
            if (record.substr(0, equals) == "size" &&
                std::from_chars(value.data(), value.data() + value.size(), told).ec == std::errc() && told >> 56 == 0)
                size = told;
        }
        records.remove_prefix(length);
    }
}

}  // namespace s2v::decode
