// One card of a FITS header: 80 bytes with a keyword, a value and a comment.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

namespace s2v::decode {

inline constexpr std::size_t kCardSize = 80;

// A keyword, padded with blanks to eight bytes, as one number to compare and to switch on.
using Keyword = std::uint64_t;

constexpr Keyword keyword(std::string_view name) noexcept {
    std::array<char, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = i < name.size() ? name[i] : ' ';
    return std::bit_cast<Keyword>(bytes);
}

struct Card {
    Keyword keyword = 0;     // in upper case; 0 where it has bytes that no text has
    bool has_value = false;  // there is a "= "
    std::string_view value;  // what follows that, comment included
};

// The card at these 80 bytes. Keywords in lower case and a "= " before the ninth byte are taken as they are meant.
Card read_card(const std::uint8_t *bytes) noexcept;

// Whether the keyword is NAXIS and a number from 1 to 999 without leading zeros, and which.
int axis_of(Keyword keyword) noexcept;
// The same of ZNAXIS, which tells the size of an image that a table holds in tiles.
int tiled_axis_of(Keyword keyword) noexcept;

// The value of a card; false where it is none of the kind. Integers beyond 64 bits become the nearest of these,
// and are told as `beyond`.
bool read_integer(const Card &card, std::int64_t &value, bool *beyond = nullptr) noexcept;
bool read_real(const Card &card, double &value) noexcept;
bool read_logical(const Card &card, bool &value) noexcept;

// Whether the value is a string equal to this one, but for case and for blanks at the end.
bool is_text(const Card &card, std::string_view text) noexcept;

}  // namespace s2v::decode
