#include "decode/fits_card.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace s2v::decode {
namespace {

constexpr Keyword kEvery = 0x0101010101010101;
constexpr Keyword kBlanks = kEvery * ' ';
constexpr std::size_t kKeywordSize = sizeof(Keyword);

Keyword load(const void *bytes) noexcept {
    Keyword word = 0;
    std::memcpy(&word, bytes, sizeof(word));
    return word;
}

char upper(char c) noexcept {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool has_byte(Keyword word, std::uint8_t byte) noexcept {
    const Keyword difference = word ^ (kEvery * byte);
    return ((difference - kEvery) & ~difference & (kEvery * 0x80)) != 0;
}

// Bytes with both of these bits are lower case letters, or punctuation that no keyword has.
bool has_lower_case(Keyword word) noexcept {
    return (word & (word >> 1) & (kEvery * 0x20)) != 0;
}

// Reads a value from its start; all of it must be taken before a comment begins.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : at_(text.data()), end_(text.data() + text.size()) {
        skip_blanks();
    }
    void skip_blanks() noexcept {
        while (static_cast<std::size_t>(end_ - at_) >= kKeywordSize && load(at_) == kBlanks) at_ += kKeywordSize;
        while (at_ != end_ && *at_ == ' ') ++at_;
    }
    [[nodiscard]] char peek() const noexcept {
        return at_ == end_ ? '\0' : *at_;
    }
    char next() noexcept {
        return at_ == end_ ? '\0' : *at_++;
    }
    bool take(char c) noexcept {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    // '-' or '+', and blanks after it.
    bool take_minus() noexcept {
        const bool minus = take('-');
        if (!minus) (void)take('+');
        skip_blanks();
        return minus;
    }
    bool ended() noexcept {
        skip_blanks();
        return at_ == end_ || *at_ == '/';
    }

private:
    const char *at_;
    const char *end_;
};

}  // namespace

Card read_card(const std::uint8_t *bytes) noexcept {
    const char *const text = reinterpret_cast<const char *>(bytes);
    Keyword word = load(text);
    if ((word & (kEvery * 0x80)) != 0) return {};
    std::size_t indicator = kKeywordSize;
    if (has_byte(word, '=') || has_lower_case(word) || (text[0] == ' ' && word != kBlanks)) {
        const std::string_view head(text, kKeywordSize + 2);
        indicator = std::min(head.find("= "), kKeywordSize);
        std::string_view name = head.substr(0, indicator);
        name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
        std::array<char, kKeywordSize> meant;
        for (std::size_t i = 0; i < meant.size(); ++i) meant[i] = i < name.size() ? upper(name[i]) : ' ';
        word = load(meant.data());
    }
    const bool has_value = text[indicator] == '=' && text[indicator + 1] == ' ';
    return {word, has_value, {text + indicator + 2, kCardSize - indicator - 2}};
}

int axis_of(Keyword word) noexcept {
    std::array<char, kKeywordSize> bytes;
    std::memcpy(bytes.data(), &word, sizeof(word));
    if (std::memcmp(bytes.data(), "NAXIS", 5) != 0 || bytes[5] == '0') return 0;
    int axis = 0;
    std::size_t i = 5;
    for (; i < bytes.size() && is_digit(bytes[i]); ++i) axis = 10 * axis + (bytes[i] - '0');
    for (; i < bytes.size(); ++i)
        if (bytes[i] != ' ') return 0;
    return axis;
}

int tiled_axis_of(Keyword word) noexcept {
    const auto bytes = std::bit_cast<std::array<char, kKeywordSize>>(word);
    if (bytes[0] != 'Z') return 0;
    return axis_of(keyword({bytes.data() + 1, bytes.size() - 1}));
}

bool read_integer(const Card &card, std::int64_t &value, bool *beyond) noexcept {
    if (!card.has_value) return false;
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
    Reader reader(card.value);
    const bool minus = reader.take_minus();
    if (!is_digit(reader.peek())) return false;
    std::int64_t read = 0;
    bool too_far = false;
    while (is_digit(reader.peek())) {
        const int digit = reader.next() - '0';
        // Counted below zero: there is one more number there.
        too_far = too_far || read < (kLeast + digit) / 10;
        if (!too_far) read = 10 * read - digit;
    }
    too_far = too_far || (!minus && read == kLeast);
    value = too_far ? (minus ? kLeast : kMost) : minus ? read : -read;
    if (beyond) *beyond = too_far;
    return reader.ended();
}

bool read_real(const Card &card, double &value) noexcept {
    if (!card.has_value) return false;
    std::array<char, kCardSize> number;
    char *end = number.data();
    Reader reader(card.value);
    if (reader.take_minus()) *end++ = '-';
    bool digits = false;
    const auto take_digits = [&] {
        for (; is_digit(reader.peek()); digits = true) *end++ = reader.next();
    };
    take_digits();
    const bool whole = digits;
    if (reader.peek() == '.') {
        *end++ = reader.next();
        digits = false;
        take_digits();
        if (!whole && !digits) return false;
    } else if (!whole) {
        return false;
    }
    reader.skip_blanks();
    bool small = false;
    if (const char c = upper(reader.peek()); c == 'E' || c == 'D') {
        (void)reader.next();
        *end++ = 'e';
        reader.skip_blanks();
        small = reader.take_minus();
        if (small) *end++ = '-';
        digits = false;
        take_digits();
        if (!digits) return false;
    }
    if (!reader.ended()) return false;
    const auto [_, error] = std::from_chars(number.data(), end, value);
    // Digits enough to reach beyond a double without an exponent do not fit a card.
    if (error == std::errc::result_out_of_range)
        value = (number[0] == '-' ? -1.0 : 1.0) * (small ? 0.0 : std::numeric_limits<double>::infinity());
    return true;
}

bool read_logical(const Card &card, bool &value) noexcept {
    if (!card.has_value) return false;
    Reader reader(card.value);
    value = reader.peek() == 'T';
    return (reader.take('T') || reader.take('F')) && reader.ended();
}

bool is_text(const Card &card, std::string_view text) noexcept {
    if (!card.has_value) return false;
    Reader reader(card.value);
    if (!reader.take('\'')) return false;
    bool same = true;
    std::size_t i = 0;
    for (;; ++i) {
        const char c = reader.next();
        if (c == '\0') return false;  // no quote at the end
        if (c == '\'' && !reader.take('\'')) break;
        same = same && upper(c) == (i < text.size() ? upper(text[i]) : ' ');
    }
    return same && i >= text.size() && reader.ended();
}

}  // namespace s2v::decode
