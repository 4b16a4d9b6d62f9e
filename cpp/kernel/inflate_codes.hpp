// Prefix codes of deflate: lookup tables, and the canonical order behind them.
#pragma once

#include "kernel/inflate_state.hpp"
#include "kernel/macros.hpp"

namespace s2v::kernel {
namespace {

// An entry of the table of literals and lengths. One half is always 0: taking a literal from where there is none does
// nothing, however often, and the match where there is none is nothing.
//   literals     bits 0-5 bits of the code, 7 set, 8-15 the literal
//   otherwise    bits 16-23 bits of the code, 24-31 what it is: a length without extra bits, or one of these
inline constexpr std::uint32_t kLiteral = 1u << 7;
inline constexpr int kWhat = 24;
inline constexpr std::uint32_t kLengthWithBits = 32;  // + the length's symbol - 257
inline constexpr std::uint32_t kEndOfBlock = 64;
inline constexpr std::uint32_t kLongCode = 65;
inline constexpr std::uint32_t kNoCode = 66;
inline constexpr std::uint32_t kLastQuickLength = 10;

// An entry of the table of distances: bits 0-7 bits of the code with its extra bits, 8-15 bits of the code alone,
// 16-30 the distance where the extra bits are 0. Entry 0 stands for a long code or none.
inline constexpr std::uint32_t kNoMatch = 64u << 16;  // takes no bits, and points to bytes written long before

struct ExtraBits {
    std::uint16_t base;
    std::uint8_t bits;
};
inline constexpr ExtraBits kLengths[29] = {{3, 0},   {4, 0},   {5, 0},   {6, 0},   {7, 0},  {8, 0},  {9, 0},  {10, 0},
                                           {11, 1},  {13, 1},  {15, 1},  {17, 1},  {19, 2}, {23, 2}, {27, 2}, {31, 2},
                                           {35, 3},  {43, 3},  {51, 3},  {59, 3},  {67, 4}, {83, 4}, {99, 4}, {115, 4},
                                           {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0}};
inline constexpr ExtraBits kDistances[30] = {{1, 0},     {2, 0},     {3, 0},     {4, 0},      {5, 1},      {7, 1},
                                             {9, 2},     {13, 2},    {17, 3},    {25, 3},     {33, 4},     {49, 4},
                                             {65, 5},    {97, 5},    {129, 6},   {193, 6},    {257, 7},    {385, 7},
                                             {513, 8},   {769, 8},   {1025, 9},  {1537, 9},   {2049, 10},  {3073, 10},
                                             {4097, 11}, {6145, 11}, {8193, 12}, {12289, 12}, {16385, 13}, {24577, 13}};

// Entries by symbol, less what the length of the code adds.
struct LiteralEntries {
    std::uint32_t of[kSymbols];

    constexpr LiteralEntries() : of() {
        for (std::uint32_t symbol = 0; symbol < 256; ++symbol) of[symbol] = kLiteral | symbol << 8;
        of[256] = kEndOfBlock << kWhat;
        for (std::uint32_t i = 0; i < 29; ++i)
            of[257 + i] = (kLengths[i].base <= kLastQuickLength ? kLengths[i].base : kLengthWithBits + i) << kWhat;
        of[286] = of[287] = kNoCode << kWhat;
    }

    std::uint32_t operator()(std::uint32_t symbol, std::uint32_t length) const {
        return of[symbol] + length * (symbol < 256 ? 1u : 1u << 16);
    }
};
inline constexpr LiteralEntries kLiteralEntries;

struct DistanceEntries {
    std::uint32_t of[32];

    constexpr DistanceEntries() : of() {
        for (std::uint32_t i = 0; i < 30; ++i) of[i] = std::uint32_t{kDistances[i].base} << 16 | kDistances[i].bits;
    }

    std::uint32_t operator()(std::uint32_t symbol, std::uint32_t length) const {
        return symbol < 30 ? of[symbol] + length * (1u | 1u << 8) : 0;
    }
};
inline constexpr DistanceEntries kDistanceEntries;

struct LengthCodeEntries {
    std::uint32_t operator()(std::uint32_t symbol, std::uint32_t length) const {
        return symbol << 8 | length;
    }
};

// The bits of each index of the largest table in reverse.
struct ReversedBits {
    std::uint16_t of[1 << kLiteralBits];

    constexpr ReversedBits() : of() {
        for (int i = 1; i < 1 << kLiteralBits; ++i)
            of[i] = static_cast<std::uint16_t>(of[i >> 1] >> 1 | (i & 1) << (kLiteralBits - 1));
    }
};
inline constexpr ReversedBits kReversedBits;

// Put a code into canonical order. False where it is none that a decoder may take: more codes than there is room for,
// or fewer. A single code of one bit, or none at all, is `sparse`.
inline bool order_code(const std::uint8_t *lengths, int symbols, CanonicalCode &code, std::uint32_t *count,
                       bool &sparse) {
    // Symbols are counted and sorted in four parts: each step of a part waits for the one before it.
    constexpr int kParts = 4;
    std::uint32_t places[kParts][kLongestCode + 1] = {};
    const int size = (symbols + kParts - 1) / kParts;
    for (int i = 0; i < size; ++i)
        for (int part = 0; part < kParts; ++part)
            if (const int symbol = part * size + i; symbol < symbols) ++places[part][lengths[symbol]];

    const auto place_parts = [&](int length, std::uint32_t first) {
        for (int part = 0; part < kParts; ++part) {
            const std::uint32_t next = first + places[part][length];
            places[part][length] = first;
            first = next;
        }
        return first;
    };
    std::uint32_t next = 0;
    std::uint32_t used = 0;
    for (int length = 1; length <= kLongestCode; ++length) {
        next <<= 1;
        code.offset[length] = static_cast<std::int32_t>(used) - static_cast<std::int32_t>(next);
        const std::uint32_t end = place_parts(length, used);
        count[length] = end - used;
        next += count[length];
        used = end;
        if (next > 1u << length) return false;
        code.limit[length] = next << (16 - length);
    }
    sparse = next != 1u << kLongestCode;
    if (sparse && used > 0 && (used != 1 || count[1] != 1)) return false;

    place_parts(0, used);  // symbols without a code come last
    for (int i = 0; i < size; ++i)
        for (int part = 0; part < kParts; ++part)
            if (const int symbol = part * size + i; symbol < symbols)
                code.sorted[places[part][lengths[symbol]]++] = static_cast<std::uint16_t>(symbol);
    return true;
}

// Fill the table of a code from the lengths of its symbols. `entry(symbol, length)` makes an entry.
template <int kBits, typename Entry>
bool make_table(const std::uint8_t *lengths, int symbols, bool may_be_sparse, const Entry &entry,
                std::uint32_t long_code, std::uint32_t no_code, CanonicalCode &code, std::uint32_t *table) {
    std::uint32_t count[kLongestCode + 1];
    bool sparse = false;
    if (!order_code(lengths, symbols, code, count, sparse)) return false;
    if (sparse) {
        if (!may_be_sparse) return false;
        for (int i = 0; i < 1 << kBits; ++i) table[i] = no_code;
        if (count[1] == 1)
            for (int i = 0; i < 1 << kBits; i += 2) table[i] = entry(code.sorted[0], 1);
        return true;
    }

    // Each symbol is entered once; the table doubles with the length of the codes. A code's bits stand in the stream
    // with the first lowest.
    std::uint32_t next = 0;
    const std::uint16_t *symbol = code.sorted;
    for (int length = 1; length <= kBits; ++length) {
        const int unused = kLiteralBits - length;
        for (std::uint32_t i = 0; i < count[length]; ++i, ++next, ++symbol)
            table[kReversedBits.of[next << unused]] = entry(*symbol, static_cast<std::uint32_t>(length));
        if (length == kBits) break;
        next <<= 1;
        __builtin_memcpy(table + (1u << length), table, sizeof(std::uint32_t) << length);
    }
    // What no short code has taken belongs to long ones.
    for (; next < 1u << kBits; ++next) table[kReversedBits.of[next << (kLiteralBits - kBits)]] = long_code;
    return true;
}

// The symbol of a code of more than kBits bits at the start of `bits`.
struct LongSymbol {
    int length = 0;  // 0: no code begins so
    int symbol = 0;
};
inline LongSymbol long_symbol(const CanonicalCode &code, int shortest, std::uint64_t bits) {
    static_assert(kLiteralBits == 10);
    const std::uint32_t reversed =
        std::uint32_t{kReversedBits.of[bits & 1023]} << 6 | kReversedBits.of[bits >> 10 & 63] >> 4;
    for (int length = shortest; length <= kLongestCode; ++length)
        if (reversed < code.limit[length])
            return {length, code.sorted[static_cast<std::int32_t>(reversed >> (16 - length)) + code.offset[length]]};
    return {};
}

}  // namespace
}  // namespace s2v::kernel
