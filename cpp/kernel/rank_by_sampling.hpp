// How one thread that has all the pixels finds an order statistic: a sample tells roughly where the value lies, and the
// values there are copied and searched. The result is an element, whatever the guess was.
#pragma once

#include "math.hpp"

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__BMI2__))
#include <immintrin.h>
#endif

namespace s2v::kernel {
namespace {

inline constexpr int kChunk = 16;

struct Kept {
    int below;  // values that are not above the range
    int count;  // values within it
};

// Of `length` values x, a multiple of kChunk, stores those above `low` and not above `high` at `out`, which has room
// for all of them. No compiler makes these instructions of a loop.
#if defined(__AVX512F__)
inline void keep_values(const float *x, int length, float low, float high, float *out, Kept &kept) {
    alignas(64) std::int32_t lane[kChunk];
    __m512i below_by_lane = _mm512_setzero_si512();
    float *end = out;
    for (int i = 0; i < length; i += kChunk) {
        const __m512 value = _mm512_load_ps(x + i);
        const __mmask16 below = _mm512_cmp_ps_mask(value, _mm512_set1_ps(low), _CMP_LE_OQ);
        const __mmask16 above = _mm512_cmp_ps_mask(value, _mm512_set1_ps(low), _CMP_GT_OQ);
        const __mmask16 within = _mm512_mask_cmp_ps_mask(above, value, _mm512_set1_ps(high), _CMP_LE_OQ);
        _mm512_storeu_ps(end, _mm512_maskz_compress_ps(within, value));
        below_by_lane = _mm512_mask_add_epi32(below_by_lane, below, below_by_lane, _mm512_set1_epi32(1));
        end += __builtin_popcount(within);
    }
    _mm512_store_si512(lane, below_by_lane);
    for (int l = 0; l < kChunk; ++l) kept.below += lane[l];
    kept.count += static_cast<int>(end - out);
}
#elif defined(__AVX2__) && defined(__BMI2__)
inline void keep_values(const float *x, int length, float low, float high, float *out, Kept &kept) {
    float *end = out;
    for (int i = 0; i < length; i += 8) {
        const __m256 value = _mm256_load_ps(x + i);
        const __m256 below = _mm256_cmp_ps(value, _mm256_set1_ps(low), _CMP_LE_OQ);
        const __m256 upto = _mm256_cmp_ps(value, _mm256_set1_ps(high), _CMP_LE_OQ);
        const auto within = static_cast<unsigned>(_mm256_movemask_ps(_mm256_andnot_ps(below, upto)));
        const std::uint64_t bytes = _pdep_u64(within, 0x0101010101010101u) * 0xff;
        const std::uint64_t order = _pext_u64(0x0706050403020100u, bytes);
        const __m256i from = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(order)));
        _mm256_storeu_ps(end, _mm256_permutevar8x32_ps(value, from));
        end += __builtin_popcount(within);
        kept.below += __builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(below)));
    }
    kept.count += static_cast<int>(end - out);
}
#else
inline void keep_values(const float *x, int length, float low, float high, float *out, Kept &kept) {
    int stored = 0;
    int below = 0;
    for (int i = 0; i < length; ++i) {
        out[stored] = x[i];
        stored += (x[i] > low ? 1 : 0) & (x[i] <= high ? 1 : 0);
    }
    for (int i = 0; i < length; ++i) below += x[i] <= low ? 1 : 0;
    kept.below += below;
    kept.count += stored;
}
#endif

// Copies the f(i) above `low` and not above `high`, i in [0, n), to `out`, which has room for n + kChunk.
template <class F>
S2V_STAGE Kept keep_within(int n, float low, float high, F f, float *out) {
    constexpr int block = 8 * kChunk;  // shorter loops are unrolled before they are vectorised
    Kept kept{};
    alignas(64) float x[block];
    for (int begin = 0; begin < n; begin += block) {
        const int length = n - begin < block ? n - begin : block;
        for (int l = 0; l < length; ++l) x[l] = f(begin + l) + 0.0f;  // a copy alone would become a call
        const int end = (length + kChunk - 1) / kChunk * kChunk;
        for (int l = length; l < end; ++l) x[l] = quiet_nan();
        keep_values(x, end, low, high, out + kept.count, kept);
    }
    return kept;
}

inline constexpr int kFew = 64;  // values: a sample, and what a search ends with
inline constexpr int kMostNarrowed = 4096;

// The first values of `sorted` are those of x[0..count), count <= kFew, that are not NaN, in ascending order; but of
// equal ones only one is there, and the others are left as NaN after it. Whole chunks of x are read, and what comes of
// those beyond count is dropped.
S2V_STAGE inline void sort_few(const float *x, int count, float *sorted) {
    std::int32_t below[kFew];
    for (int begin = 0; begin < count; begin += kChunk * 2) {
        std::int32_t sum[kChunk * 2] = {};
        const float *const own = x + begin;
        for (int i = 0; i < count; ++i) {
            const float value = x[i];
            for (int l = 0; l < kChunk * 2; ++l) sum[l] += value < own[l] ? 1 : 0;
        }
        for (int l = 0; l < kChunk * 2; ++l) below[begin + l] = own[l] == own[l] ? sum[l] : kFew;
    }
    for (int i = 0; i < kFew; ++i) sorted[i] = quiet_nan();
    for (int i = 0; i < count; ++i) sorted[below[i]] = x[i];
}

// The value of rank k in what sort_few made.
inline float rank_few(const float *sorted, int k) {
    while (sorted[k] != sorted[k]) --k;
    return sorted[k];
}

// What is left of a search: the value of rank `rank` among `count` of `values`.
struct Narrowed {
    const float *values;  // null: it is -inf
    int count;
    int rank;
};

struct NarrowingScratch {
    alignas(64) float values[2][kMostNarrowed + kChunk];
    alignas(64) float few[kFew];
    alignas(64) float sorted[kFew + 1];
};

// How far a guessed rank among n may be off, to 2.5 sigma at the median.
inline float rank_margin(int n) {
    return 1.25f * square_root(static_cast<float>(n)) + 1.0f;
}

// Keeps of the f(i), above `least` and not above `most`, those within a guessed range, or if the one of rank k is not
// there those on its side of it; makes that the range.
template <class F>
Narrowed keep_rank(int n, int k, float least, float most, float &low, float &high, F f, float *out) {
    Kept kept = keep_within(n, low, high, f, out);
    if (k < kept.below || k >= kept.below + kept.count) {
        const float edge = k < kept.below ? low : high;
        low = k < kept.below ? least : edge;
        high = k < kept.below ? edge : most;
        kept = keep_within(n, low, high, f, out);
    }
    if (k < kept.below || k >= kept.below + kept.count) return {nullptr, 0, 0};
    return {out, kept.count, k - kept.below};
}

// Narrows the search for rank k of the `valid` f(i) that are not NaN, i in [0, n), n <= kMostNarrowed.
template <class F>
S2V_STAGE Narrowed narrow(int n, int valid, int k, F f, NarrowingScratch &s) {
    int sampled = 0;
    for (int i = 0; i < kFew; ++i) s.few[i] = f((2 * i + 1) * n / (2 * kFew));
    for (int i = 0; i < kFew; ++i) sampled += s.few[i] == s.few[i] ? 1 : 0;
    const float guess = (static_cast<float>(k) + 0.5f) / static_cast<float>(valid) * static_cast<float>(sampled);
    const float margin = rank_margin(sampled);
    sort_few(s.few, kFew, s.sorted);
    float low = guess >= margin ? rank_few(s.sorted, static_cast<int>(guess - margin)) : -kInfinity;
    float high =
        guess + margin < static_cast<float>(sampled) ? rank_few(s.sorted, static_cast<int>(guess + margin)) : kInfinity;
    Narrowed left = keep_rank(n, k, -kInfinity, kInfinity, low, high, f, s.values[0]);
    // Over a short range the ranks are nearly a straight line.
    for (int round = 1; round < 6 && left.count > kFew; ++round) {
        const float each = (high - low) / static_cast<float>(left.count);
        const float middle = static_cast<float>(left.rank) + 0.5f;
        const float off = rank_margin(left.count) + static_cast<float>(left.count / 32);
        const float least = low;
        const float most = high;
        low = low + (middle - off) * each;
        high = least + (middle + off) * each;
        low = low > least ? low : least;
        high = high < most ? high : most;
        const float *const in = left.values;
        left =
            keep_rank(left.count, left.rank, least, most, low, high, [&](int i) { return in[i]; }, s.values[round % 2]);
    }
    return left;
}

}  // namespace
}  // namespace s2v::kernel
