// Dot products of small integers: the part of a network that differs between instruction sets. Sums of integers have no
// order, so all give the same bits.
//
// A Dot multiplies one word of inputs, the same for all, by a word of weights for each of kLanes outputs, and adds to
// their sums. A word of 32 bits holds kGroup inputs from 0 to 255 of a convolution (narrow), or two of 16 bits (wide).
// kPacked tells how its networks are packed.
#pragma once

#include "network_view.hpp"

#if defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>
#endif
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__CUDACC__)
#define S2V_NEON
#endif

namespace s2v::kernel {
namespace {

// Inputs of 8 bits are kept in as many as the Dot multiplies.
template <int Group>
struct CellOf;
template <>
struct CellOf<4> {
    using Type = std::uint8_t;
};
template <>
struct CellOf<2> {
    using Type = std::int16_t;
};

// Words are written as cells: read as bytes, they alias these.
S2V_HD inline std::uint32_t word_at(const std::uint32_t *at) {
#if defined(__CUDA_ARCH__)
    return *at;
#else
    std::uint32_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
#endif
}

S2V_HD inline std::int32_t within_16_bits(std::int32_t x) {
    return x < -32768 ? -32768 : x > 32767 ? 32767 : x;
}

// A sum shifted, saturated to 16 bits, multiplied by m / 2^15 and divided by 64, rounded twice.
S2V_HD inline std::int32_t rescaled(std::int32_t sum, std::int32_t shift, std::int32_t multiplier) {
    const std::int32_t value = (within_16_bits(sum >> shift) * multiplier + 16384) >> 15;
    return (value + 32) >> 6;
}

// A sum as an activation of 8 bits: rescaled, then clamped, by which what is negative becomes 0.
S2V_HD inline std::int32_t requantise(std::int32_t sum, std::int32_t shift, std::int32_t multiplier) {
    const std::int32_t rounded = rescaled(sum, shift, multiplier);
    return rounded < 0 ? 0 : rounded > 255 ? 255 : rounded;
}

// Of plain operations.
template <int Lanes>
struct PlainDot {
    static constexpr int kGroup = 4;
    static constexpr PackedFor kPacked = PackedFor::kDot;
    static constexpr int kLanes = Lanes;
    static constexpr int kVectors = 1;  // the most that share a word
    using Cell = CellOf<kGroup>::Type;
    struct Sum {
        std::int32_t lane[Lanes];
    };
    using Word = std::uint32_t;
    using Weights = const std::uint32_t *;

    // Pixels whose sums are kept at a time, for so many vectors each.
    S2V_HD static constexpr int pixels(int) {
        return Lanes == 1 ? 8 : 4;
    }
    S2V_HD static Sum zero() {
        return Sum{};
    }
    S2V_HD static Sum load(const std::int32_t *at) {
        Sum sum;
        for (int i = 0; i < Lanes; ++i) sum.lane[i] = at[i];
        return sum;
    }
    S2V_HD static void store(std::int32_t *at, const Sum &sum) {
        for (int i = 0; i < Lanes; ++i) at[i] = sum.lane[i];
    }
    S2V_HD static Word word(const std::uint32_t *at) {
        return word_at(at);
    }
    S2V_HD static Weights weights(const std::uint32_t *at) {
        return at;
    }
    S2V_HD static Sum narrow(Sum sum, Word x, Weights w) {
        for (int i = 0; i < Lanes; ++i) sum.lane[i] = add_four(sum.lane[i], x, w[i]);
        return sum;
    }
    S2V_HD static Sum wide(Sum sum, Word x, Weights w) {
        for (int i = 0; i < Lanes; ++i) sum.lane[i] += low(x) * low(w[i]) + high(x) * high(w[i]);
        return sum;
    }
    S2V_HD static void requantised(const Sum &sum, const std::int32_t *shift, const std::int16_t *multiplier,
                                   Cell *out) {
        for (int i = 0; i < Lanes; ++i) out[i] = static_cast<Cell>(requantise(sum.lane[i], shift[i], multiplier[i]));
    }

private:
    S2V_HD static std::int32_t low(std::uint32_t x) {
        return static_cast<std::int16_t>(x);
    }
    S2V_HD static std::int32_t high(std::uint32_t x) {
        return static_cast<std::int16_t>(x >> 16);
    }
    // Four products of an unsigned and a signed byte.
    S2V_HD static std::int32_t add_four(std::int32_t sum, std::uint32_t x, std::uint32_t w) {
        for (int byte = 0; byte < 32; byte += 8)
            sum += static_cast<std::uint8_t>(x >> byte) * static_cast<std::int8_t>(w >> byte);
        return sum;
    }
};

// Sums are vectors of the type that they are added in: of another, the compiler copies each at every step.
#if defined(S2V_NEON)
// dot_neon.hpp
#elif defined(__CUDACC__) || !defined(__x86_64__)
using HostDot = PlainDot<16>;
#elif defined(__AVX512BW__)
// AVX-512: sixteen outputs. With VNNI, four products a lane and step; without it, two of 16 bits and an addition.
struct HostDot {
#if defined(__AVX512VNNI__)
    static constexpr int kGroup = 4;
#else
    static constexpr int kGroup = 2;
#endif
    static constexpr PackedFor kPacked = PackedFor::kDot;
    static constexpr int kLanes = 16;
    static constexpr int kVectors = 4;
    using Cell = CellOf<kGroup>::Type;
    struct Sum {
        typedef int Lanes __attribute__((vector_size(64)));
        Lanes value;
    };
    struct Weights {
        __m512i value;
    };
    using Word = __m512i;

    static constexpr int pixels(int vectors) {
        return vectors == 4 ? 5 : 9;
    }
    static Sum zero() {
        return {Sum::Lanes{}};
    }
    static Sum load(const std::int32_t *at) {
        return {reinterpret_cast<Sum::Lanes>(_mm512_loadu_si512(at))};
    }
    static void store(std::int32_t *at, Sum sum) {
        _mm512_storeu_si512(at, vector_of(sum));
    }
    static Word word(const std::uint32_t *at) {
        return _mm512_set1_epi32(static_cast<int>(word_at(at)));
    }
    static Weights weights(const std::uint32_t *at) {
        return {_mm512_loadu_si512(at)};
    }
    static Sum narrow(Sum sum, Word x, Weights w) {
#if defined(__AVX512VNNI__)
        return {reinterpret_cast<Sum::Lanes>(_mm512_dpbusd_epi32(vector_of(sum), x, w.value))};
#else
        return wide(sum, x, w);
#endif
    }
    static Sum wide(Sum sum, Word x, Weights w) {
#if defined(__AVX512VNNI__)
        return {reinterpret_cast<Sum::Lanes>(_mm512_dpwssd_epi32(vector_of(sum), x, w.value))};
#else
        return {sum.value + reinterpret_cast<Sum::Lanes>(_mm512_madd_epi16(x, w.value))};
#endif
    }
    static void requantised(Sum sum, const std::int32_t *shift, const std::int16_t *multiplier, Cell *out) {
        // With a mask that leaves nothing out: of those without one, GCC 12 warns that they read what was not set.
        const __m512i shifted = _mm512_maskz_srav_epi32(kAll, vector_of(sum), _mm512_loadu_si512(shift));
        const __m256i by = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(multiplier));
        const __m256i value = _mm256_mulhrs_epi16(_mm512_maskz_cvtsepi32_epi16(kAll, shifted), by);
        const __m256i rounded = _mm256_srai_epi16(_mm256_adds_epi16(value, _mm256_set1_epi16(32)), 6);
        const __m256i positive = _mm256_max_epi16(rounded, _mm256_setzero_si256());
#if defined(__AVX512VNNI__)
        _mm_storeu_si128(reinterpret_cast<__m128i *>(out), _mm256_maskz_cvtusepi16_epi8(kAll, positive));
#else
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm256_min_epi16(positive, _mm256_set1_epi16(255)));
#endif
    }

private:
    static constexpr __mmask16 kAll = 0xffff;
    static __m512i vector_of(Sum sum) {
        return reinterpret_cast<__m512i>(sum.value);
    }
};
#elif defined(__AVX2__)
// AVX2: eight outputs, two products of 16 bits a lane and step. Its products of 8 bits saturate, and are no use.
struct HostDot {
    static constexpr int kGroup = 2;
    static constexpr PackedFor kPacked = PackedFor::kDot;
    static constexpr int kLanes = 8;
    static constexpr int kVectors = 2;
    using Cell = CellOf<kGroup>::Type;
    struct Sum {
        typedef int Lanes __attribute__((vector_size(32)));
        Lanes value;
    };
    struct Weights {
        __m256i value;
    };
    using Word = __m256i;

    static constexpr int pixels(int) {
        return 6;
    }
    static Sum zero() {
        return {Sum::Lanes{}};
    }
    static Sum load(const std::int32_t *at) {
        return {reinterpret_cast<Sum::Lanes>(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(at)))};
    }
    static void store(std::int32_t *at, Sum sum) {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(at), vector_of(sum));
    }
    static Word word(const std::uint32_t *at) {
        return _mm256_set1_epi32(static_cast<int>(word_at(at)));
    }
    static Weights weights(const std::uint32_t *at) {
        return {_mm256_loadu_si256(reinterpret_cast<const __m256i *>(at))};
    }
    static Sum narrow(Sum sum, Word x, Weights w) {
        return wide(sum, x, w);
    }
    static Sum wide(Sum sum, Word x, Weights w) {
        return {sum.value + reinterpret_cast<Sum::Lanes>(_mm256_madd_epi16(x, w.value))};
    }
    static void requantised(Sum sum, const std::int32_t *shift, const std::int16_t *multiplier, Cell *out) {
        const __m256i by = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(shift));
        const __m256i shifted = _mm256_srav_epi32(vector_of(sum), by);
        const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1));
        const __m128i value = _mm_mulhrs_epi16(packed, _mm_loadu_si128(reinterpret_cast<const __m128i *>(multiplier)));
        const __m128i rounded = _mm_srai_epi16(_mm_adds_epi16(value, _mm_set1_epi16(32)), 6);
        const __m128i positive = _mm_max_epi16(rounded, _mm_setzero_si128());
        _mm_storeu_si128(reinterpret_cast<__m128i *>(out), _mm_min_epi16(positive, _mm_set1_epi16(255)));
    }

private:
    static __m256i vector_of(Sum sum) {
        return reinterpret_cast<__m256i>(sum.value);
    }
};
#else
// SSE2: four outputs, two products of 16 bits a lane and step.
struct HostDot {
    static constexpr int kGroup = 2;
    static constexpr PackedFor kPacked = PackedFor::kDot;
    static constexpr int kLanes = 4;
    static constexpr int kVectors = 2;
    using Cell = CellOf<kGroup>::Type;
    struct Sum {
        typedef int Lanes __attribute__((vector_size(16)));
        Lanes value;
    };
    struct Weights {
        __m128i value;
    };
    using Word = __m128i;

    static constexpr int pixels(int) {
        return 5;
    }
    static Sum zero() {
        return {Sum::Lanes{}};
    }
    static Sum load(const std::int32_t *at) {
        return {reinterpret_cast<Sum::Lanes>(_mm_loadu_si128(reinterpret_cast<const __m128i *>(at)))};
    }
    static void store(std::int32_t *at, Sum sum) {
        _mm_storeu_si128(reinterpret_cast<__m128i *>(at), vector_of(sum));
    }
    static Word word(const std::uint32_t *at) {
        return _mm_set1_epi32(static_cast<int>(word_at(at)));
    }
    static Weights weights(const std::uint32_t *at) {
        return {_mm_loadu_si128(reinterpret_cast<const __m128i *>(at))};
    }
    static Sum narrow(Sum sum, Word x, Weights w) {
        return wide(sum, x, w);
    }
    static Sum wide(Sum sum, Word x, Weights w) {
        return {sum.value + reinterpret_cast<Sum::Lanes>(_mm_madd_epi16(x, w.value))};
    }
    static void requantised(Sum sum, const std::int32_t *shift, const std::int16_t *multiplier, Cell *out) {
        alignas(16) std::int32_t lane[kLanes];
        store(lane, sum);
        for (int i = 0; i < kLanes; ++i) out[i] = static_cast<Cell>(requantise(lane[i], shift[i], multiplier[i]));
    }

private:
    static __m128i vector_of(Sum sum) {
        return reinterpret_cast<__m128i>(sum.value);
    }
};
#endif

}  // namespace
}  // namespace s2v::kernel

#if defined(S2V_NEON)
#include "dot_neon.hpp"
#endif
