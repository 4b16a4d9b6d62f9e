// CRC-32 as gzip has it: by carry-less multiplication where the processor can, by tables elsewhere.
#include "decode/inflate.hpp"

#include <array>
#include <cstring>

#if defined(S2V_X86_64)
#include <immintrin.h>
#endif

namespace s2v::decode {
namespace {

constexpr std::uint32_t kPolynomial = 0xedb88320;  // lowest bit first

constexpr auto kTables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t i = 1; i < 8; ++i)
        for (std::size_t byte = 0; byte < 256; ++byte)
            tables[i][byte] = tables[i - 1][byte] >> 8 ^ tables[0][tables[i - 1][byte] & 255];
    return tables;
}();

// Here and below a running value is the complement of the checksum.
std::uint32_t run_tables(std::uint32_t crc, const std::uint8_t *data, std::size_t size) noexcept {
    const auto four = [](const std::uint8_t *p) {
        return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[3]} << 24;
    };
    for (; size >= 8; data += 8, size -= 8) {
        const std::uint32_t low = four(data) ^ crc;
        const std::uint32_t high = four(data + 4);
        crc = kTables[7][low & 255] ^ kTables[6][low >> 8 & 255] ^ kTables[5][low >> 16 & 255] ^ kTables[4][low >> 24] ^
              kTables[3][high & 255] ^ kTables[2][high >> 8 & 255] ^ kTables[1][high >> 16 & 255] ^
              kTables[0][high >> 24];
    }
    for (; size > 0; ++data, --size) crc = crc >> 8 ^ kTables[0][(crc ^ *data) & 255];
    return crc;
}

#if defined(S2V_X86_64)

// x^n modulo the polynomial, in the order of bits that a carry-less product of two reflected factors asks for.
constexpr long long power(int n) {
    std::uint32_t value = 1u << 31;
    for (; n > 0; --n) value = value >> 1 ^ (value & 1 ? kPolynomial : 0);
    return static_cast<long long>(std::uint64_t{value} << 1);
}

// What moves 128 bits on by `bits`: for its earlier and for its later half.
constexpr long long early(int bits) {
    return power(bits + 32);
}
constexpr long long late(int bits) {
    return power(bits - 32);
}

__attribute__((target("pclmul"))) inline __m128i fold(__m128i value, __m128i factors, __m128i next) noexcept {
    return _mm_xor_si128(
        next, _mm_xor_si128(_mm_clmulepi64_si128(value, factors, 0x00), _mm_clmulepi64_si128(value, factors, 0x11)));
}

__attribute__((target("pclmul"))) inline __m128i load(const std::uint8_t *data) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(data));
}

// The checksum of 16 bytes to which everything before was folded, and of what follows them.
__attribute__((target("pclmul"))) std::uint32_t finish(__m128i value, const std::uint8_t *data,
                                                       std::size_t size) noexcept {
    const __m128i by_128 = _mm_set_epi64x(late(128), early(128));
    for (; size >= 16; data += 16, size -= 16) value = fold(value, by_128, load(data));
    std::uint8_t bytes[16];
    std::memcpy(bytes, &value, sizeof bytes);
    return run_tables(run_tables(0, bytes, sizeof bytes), data, size);
}

// Of at least 64 bytes.
__attribute__((target("pclmul"))) std::uint32_t run_128(std::uint32_t crc, const std::uint8_t *data,
                                                        std::size_t size) noexcept {
    const __m128i by_512 = _mm_set_epi64x(late(512), early(512));
    const __m128i by_128 = _mm_set_epi64x(late(128), early(128));
    __m128i a = _mm_xor_si128(load(data), _mm_cvtsi32_si128(static_cast<int>(crc)));
    __m128i b = load(data + 16);
    __m128i c = load(data + 32);
    __m128i d = load(data + 48);
    for (data += 64, size -= 64; size >= 64; data += 64, size -= 64) {
        a = fold(a, by_512, load(data));
        b = fold(b, by_512, load(data + 16));
        c = fold(c, by_512, load(data + 32));
        d = fold(d, by_512, load(data + 48));
    }
    return finish(fold(fold(fold(a, by_128, b), by_128, c), by_128, d), data, size);
}

#define S2V_WIDE __attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul")))

S2V_WIDE inline __m512i fold(__m512i value, __m512i factors, __m512i next) noexcept {
    return _mm512_ternarylogic_epi64(next, _mm512_clmulepi64_epi128(value, factors, 0x00),
                                     _mm512_clmulepi64_epi128(value, factors, 0x11), 0x96);
}

// Of at least 256 bytes.
S2V_WIDE std::uint32_t run_512(std::uint32_t crc, const std::uint8_t *data, std::size_t size) noexcept {
    const __m512i by_2048 = _mm512_set4_epi64(late(2048), early(2048), late(2048), early(2048));
    const __m512i by_512 = _mm512_set4_epi64(late(512), early(512), late(512), early(512));
    const __m128i by_128 = _mm_set_epi64x(late(128), early(128));
    __m512i a =
        _mm512_xor_si512(_mm512_loadu_si512(data), _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(crc))));
    __m512i b = _mm512_loadu_si512(data + 64);
    __m512i c = _mm512_loadu_si512(data + 128);
    __m512i d = _mm512_loadu_si512(data + 192);
    for (data += 256, size -= 256; size >= 256; data += 256, size -= 256) {
        a = fold(a, by_2048, _mm512_loadu_si512(data));
        b = fold(b, by_2048, _mm512_loadu_si512(data + 64));
        c = fold(c, by_2048, _mm512_loadu_si512(data + 128));
        d = fold(d, by_2048, _mm512_loadu_si512(data + 192));
    }
    a = fold(fold(fold(a, by_512, b), by_512, c), by_512, d);
    for (; size >= 64; data += 64, size -= 64) a = fold(a, by_512, _mm512_loadu_si512(data));
    std::uint8_t lanes[64];
    _mm512_storeu_si512(lanes, a);
    const __m128i value =
        fold(fold(fold(load(lanes), by_128, load(lanes + 16)), by_128, load(lanes + 32)), by_128, load(lanes + 48));
    return finish(value, data, size);
}

#endif

// Of at least `least` bytes, in the quickest way that this processor has.
struct Runner {
    std::size_t least = 0;
    std::uint32_t (*run)(std::uint32_t crc, const std::uint8_t *data, std::size_t size) noexcept = run_tables;
};

struct Runners {
    Runner small{};
    Runner large{};

    Runners() noexcept {
#if defined(S2V_X86_64)
        __builtin_cpu_init();
        if (!__builtin_cpu_supports("pclmul")) return;
        small = large = {64, run_128};
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("vpclmulqdq"))
            large = {256, run_512};
#endif
    }
};

}  // namespace

std::uint32_t crc32(Bytes bytes, std::uint32_t of_what_came_before) noexcept {
    static const Runners runners;
    const Runner &runner = bytes.size() >= runners.large.least   ? runners.large
                           : bytes.size() >= runners.small.least ? runners.small
                                                                 : Runner();
    return ~runner.run(~of_what_came_before, bytes.data(), bytes.size());
}

}  // namespace s2v::decode
