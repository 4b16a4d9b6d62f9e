// A small deflate encoder for tests: it can write what no sensible encoder would.
#pragma once

#include "decode/inflate.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <utility>
#include <vector>

namespace synthetic {

using Data = std::vector<std::uint8_t>;

class BitWriter {
public:
    // The lowest `count` bits of `value`, lowest first.
    void bits(std::uint32_t value, int count) {
        for (int i = 0; i < count; ++i) {
            if (at_ % 8 == 0) data.push_back(0);
            data.back() |= static_cast<std::uint8_t>((value >> i & 1) << at_ % 8);
            ++at_;
        }
    }
    // A code's bits stand highest first.
    void code(std::uint32_t code, int length) {
        for (int i = length - 1; i >= 0; --i) bits(code >> i & 1, 1);
    }
    void align() {
        at_ = 8 * data.size();
    }
    Data data;

private:
    std::size_t at_ = 0;
};

// The lengths of a Huffman code of at most `longest` bits.
inline std::vector<int> code_lengths(std::vector<std::uint64_t> counts, int longest) {
    for (;;) {
        using Node = std::pair<std::uint64_t, std::vector<int>>;
        std::priority_queue<Node, std::vector<Node>, std::greater<>> nodes;
        for (std::size_t i = 0; i < counts.size(); ++i)
            if (counts[i] > 0) nodes.push({counts[i], {static_cast<int>(i)}});
        std::vector<int> lengths(counts.size(), 0);
        if (nodes.size() == 1) lengths[static_cast<std::size_t>(nodes.top().second[0])] = 1;
        while (nodes.size() > 1) {
            Node a = nodes.top();
            nodes.pop();
            Node b = nodes.top();
            nodes.pop();
            a.first += b.first;
            a.second.insert(a.second.end(), b.second.begin(), b.second.end());
            for (const int symbol : a.second) ++lengths[static_cast<std::size_t>(symbol)];
            nodes.push(std::move(a));
        }
        if (*std::max_element(lengths.begin(), lengths.end()) <= longest) return lengths;
        for (std::uint64_t &count : counts)
            if (count > 0) count = count / 2 + 1;
    }
}

inline std::vector<std::uint32_t> codes_of(const std::vector<int> &lengths) {
    std::vector<std::uint32_t> codes(lengths.size(), 0);
    std::uint32_t next = 0;
    for (int length = 1; length <= 15; ++length, next <<= 1)
        for (std::size_t i = 0; i < lengths.size(); ++i)
            if (lengths[i] == length) codes[i] = next++;
    return codes;
}

struct Token {
    int length = 0;  // of a match; 0: a literal
    int distance = 0;
    std::uint8_t literal = 0;
};

inline std::vector<Token> find_matches(const Data &data) {
    std::vector<Token> tokens;
    std::map<std::uint32_t, std::size_t> last;
    for (std::size_t at = 0; at < data.size();) {
        std::size_t length = 0;
        std::size_t from = 0;
        if (at + 3 <= data.size()) {
            const std::uint32_t key = data[at] | data[at + 1] << 8 | data[at + 2] << 16;
            const auto found = last.find(key);
            if (found != last.end() && at - found->second <= 32768) {
                from = found->second;
                while (length < 258 && at + length < data.size() && data[from + length] == data[at + length]) ++length;
            }
            last[key] = at;
        }
        if (length < 3) {
            tokens.push_back({0, 0, data[at++]});
        } else {
            tokens.push_back({static_cast<int>(length), static_cast<int>(at - from), 0});
            at += length;
        }
    }
    return tokens;
}

// A number as a symbol and extra bits, as deflate counts lengths (from 3) and distances (from 1).
struct Extra {
    int symbol;
    int bits;
    std::uint32_t value;
};
inline Extra length_extra(int length) {
    if (length == 258) return {285, 0, 0};
    const int n = length - 3;
    int bits = 0;
    while (n >> (bits + 3) != 0) ++bits;
    return {257 + 4 * bits + (n >> bits), bits, static_cast<std::uint32_t>(n & ((1 << bits) - 1))};
}
inline Extra distance_extra(int distance) {
    const int n = distance - 1;
    int bits = 0;
    while (n >> (bits + 2) != 0) ++bits;
    return {2 * bits + (n >> bits), bits, static_cast<std::uint32_t>(n & ((1 << bits) - 1))};
}

inline void put_tokens(BitWriter &out, const std::vector<Token> &tokens, const std::vector<int> &literals,
                       const std::vector<int> &distances) {
    const std::vector<std::uint32_t> literal_codes = codes_of(literals);
    const std::vector<std::uint32_t> distance_codes = codes_of(distances);
    const auto put = [&](const std::vector<std::uint32_t> &codes, const std::vector<int> &lengths, int symbol) {
        out.code(codes[static_cast<std::size_t>(symbol)], lengths[static_cast<std::size_t>(symbol)]);
    };
    for (const Token &token : tokens) {
        if (token.length == 0) {
            put(literal_codes, literals, token.literal);
            continue;
        }
        const Extra length = length_extra(token.length);
        put(literal_codes, literals, length.symbol);
        out.bits(length.value, length.bits);
        const Extra distance = distance_extra(token.distance);
        put(distance_codes, distances, distance.symbol);
        out.bits(distance.value, distance.bits);
    }
    put(literal_codes, literals, 256);
}

// The head of a dynamic block with these lengths, whatever they are.
inline void put_dynamic_head(BitWriter &out, const std::vector<int> &literals, const std::vector<int> &distances) {
    std::vector<int> all = literals;
    all.insert(all.end(), distances.begin(), distances.end());
    struct Run {
        int symbol;
        int extra;
        int bits;
    };
    std::vector<Run> runs;
    for (std::size_t i = 0; i < all.size();) {
        std::size_t same = 1;
        while (i + same < all.size() && all[i + same] == all[i]) ++same;
        if (all[i] == 0 && same >= 11) {
            same = std::min<std::size_t>(same, 138);
            runs.push_back({18, static_cast<int>(same) - 11, 7});
        } else if (all[i] == 0 && same >= 3) {
            runs.push_back({17, static_cast<int>(same) - 3, 3});
        } else if (same >= 4) {
            same = std::min<std::size_t>(same, 7);
            runs.push_back({all[i], 0, 0});
            runs.push_back({16, static_cast<int>(same) - 4, 2});
        } else {
            same = 1;
            runs.push_back({all[i], 0, 0});
        }
        i += same;
    }
    std::vector<std::uint64_t> counts(19, 0);
    for (const Run &run : runs) ++counts[static_cast<std::size_t>(run.symbol)];
    if (std::count(counts.begin(), counts.end(), 0u) == 18) ++counts[counts[0] == 0 ? 0 : 1];  // a full code needs two
    const std::vector<int> lengths = code_lengths(counts, 7);
    const std::vector<std::uint32_t> codes = codes_of(lengths);
    out.bits(static_cast<std::uint32_t>(literals.size() - 257), 5);
    out.bits(static_cast<std::uint32_t>(distances.size() - 1), 5);
    out.bits(15, 4);
    for (const int i : {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15})
        out.bits(static_cast<std::uint32_t>(lengths[static_cast<std::size_t>(i)]), 3);
    for (const Run &run : runs) {
        out.code(codes[static_cast<std::size_t>(run.symbol)], lengths[static_cast<std::size_t>(run.symbol)]);
        out.bits(static_cast<std::uint32_t>(run.extra), run.bits);
    }
}

enum class Block { stored, fixed, dynamic };

inline void put_fixed_tokens(BitWriter &out, const std::vector<Token> &tokens) {
    std::vector<int> literals(288, 8);
    std::fill(literals.begin() + 144, literals.begin() + 256, 9);
    std::fill(literals.begin() + 256, literals.begin() + 280, 7);
    put_tokens(out, tokens, literals, std::vector<int>(32, 5));
}

inline void put_block(BitWriter &out, Block block, const Data &data, const std::vector<Token> &tokens, bool last) {
    out.bits(last, 1);
    out.bits(static_cast<std::uint32_t>(block), 2);
    if (block == Block::stored) {
        out.align();
        out.bits(static_cast<std::uint32_t>(data.size()), 16);
        out.bits(~static_cast<std::uint32_t>(data.size()), 16);
        for (const std::uint8_t byte : data) out.bits(byte, 8);
    } else if (block == Block::fixed) {
        put_fixed_tokens(out, tokens);
    } else {
        std::vector<std::uint64_t> literal_counts(286, 0);
        std::vector<std::uint64_t> distance_counts(30, 0);
        literal_counts[256] = 1;
        literal_counts[0] += 1;  // a full code needs two symbols
        for (const Token &token : tokens) {
            ++literal_counts[static_cast<std::size_t>(token.length ? length_extra(token.length).symbol
                                                                   : token.literal)];
            if (token.length) ++distance_counts[static_cast<std::size_t>(distance_extra(token.distance).symbol)];
        }
        const std::vector<int> literals = code_lengths(literal_counts, 15);
        const std::vector<int> distances = code_lengths(distance_counts, 15);
        put_dynamic_head(out, literals, distances);
        put_tokens(out, tokens, literals, distances);
    }
}

// One block after another, of at most 40000 bytes each, the kinds in turn. Matches stay within a block.
inline Data deflate(const Data &data, const std::vector<Block> &kinds) {
    BitWriter out;
    std::size_t at = 0;
    for (std::size_t i = 0;; ++i) {
        const std::size_t size = kinds.size() > 1 || data.size() > 40000
                                     ? std::min<std::size_t>(data.size() - at, kinds.size() > 1 ? 3000 : 40000)
                                     : data.size() - at;
        const Data part(data.begin() + static_cast<std::ptrdiff_t>(at),
                        data.begin() + static_cast<std::ptrdiff_t>(at + size));
        at += size;
        const bool last = at == data.size();
        const Block kind = kinds[i % kinds.size()];
        put_block(out, kind, part, kind == Block::stored ? std::vector<Token>() : find_matches(part), last);
        if (last) return out.data;
    }
}

inline void append_number(Data &to, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

// What a gzip header may have.
struct GzipFields {
    std::string extra;
    std::string name;
    std::string comment;
    bool crc = false;
};

inline Data gzip(const Data &deflated, const Data &plain, const GzipFields &fields = {}) {
    Data out = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    const auto append = [&](const std::string &text, bool end) {
        out.insert(out.end(), text.begin(), text.end());
        if (end) out.push_back(0);
    };
    if (!fields.extra.empty()) {
        out[3] |= 4;
        append_number(out, static_cast<std::uint32_t>(fields.extra.size()), 2);
        append(fields.extra, false);
    }
    if (!fields.name.empty()) {
        out[3] |= 8;
        append(fields.name, true);
    }
    if (!fields.comment.empty()) {
        out[3] |= 16;
        append(fields.comment, true);
    }
    if (fields.crc) {
        out[3] |= 2;
        append_number(out, s2v::decode::crc32(out), 2);
    }
    out.insert(out.end(), deflated.begin(), deflated.end());
    append_number(out, s2v::decode::crc32(plain), 4);
    append_number(out, static_cast<std::uint32_t>(plain.size()), 4);
    return out;
}

// Bytes of several kinds, the same every time.
enum class Kind { pixels, noise, zeros, words, ramp, kinds };
inline Data bytes_of(Kind kind, std::size_t size, std::uint32_t seed = 1) {
    Data data(size);
    std::uint32_t random = seed * 2654435761u + 1;
    const auto next = [&] {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        return random;
    };
    for (std::size_t i = 0; i < size; ++i) {
        const std::uint32_t r = next();
        switch (kind) {
            case Kind::pixels:
                data[i] = static_cast<std::uint8_t>(i % 4 == 0 ? 67 + r % 7 / 6 : i % 4 == 1 ? r % 61 : r);
                break;
            case Kind::noise:
                data[i] = static_cast<std::uint8_t>(r);
                break;
            case Kind::zeros:
                data[i] = 0;
                break;
            case Kind::words:
                data[i] = static_cast<std::uint8_t>("SIMPLE  = T "[r % 97 < 90 ? i % 12 : r % 12]);
                break;
            default:
                data[i] = static_cast<std::uint8_t>(i >> 3 ^ i);
                break;
        }
    }
    return data;
}

}  // namespace synthetic
