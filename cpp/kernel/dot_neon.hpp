// Dot products of small integers by the instructions of 64-bit Arm (kernel/dot.hpp includes it): sixteen outputs at a
// time, with
// - plain NEON, two products of 16 bits a lane in two steps;
// - the dot product (FEAT_DotProd), four products of signed bytes a lane and step. Inputs lie from 0 to 255: they are
//   multiplied less 128, and packed biases hold 128 times the sum of the weights;
// - the matrix extension (FEAT_I8MM), four products of an unsigned and a signed byte a lane and step, and eight where
//   words are multiplied in pairs.
#pragma once

#include "quotient.hpp"
#include "register_array.hpp"

#include <arm_neon.h>

namespace s2v::kernel {
namespace {

struct HostDot {
#if defined(__ARM_FEATURE_DOTPROD)
    static constexpr int kGroup = 4;
#else
    static constexpr int kGroup = 2;
#endif
#if defined(__ARM_FEATURE_MATMUL_INT8)
    static constexpr PackedFor kPacked = PackedFor::kPairs;
#elif defined(__ARM_FEATURE_DOTPROD)
    static constexpr PackedFor kPacked = PackedFor::kCentredDot;
#else
    static constexpr PackedFor kPacked = PackedFor::kDot;
#endif
    static constexpr int kLanes = 16;
    static constexpr int kVectors = 1;
    using Cell = CellOf<kGroup>::Type;
    struct Sum {
        int32x4_t a, b, c, d;
    };
    struct Weights {
        int32x4_t a, b, c, d;
    };
    using Word = int32x2_t;  // in the first element, by which instructions multiply

    // Their sums, what weighs them and their words fill the 32 registers.
    static constexpr int pixels(int) {
        return 5;
    }
    static Sum zero() {
        return {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    }
    static Sum load(const std::int32_t *at) {
        return {vld1q_s32(at), vld1q_s32(at + 4), vld1q_s32(at + 8), vld1q_s32(at + 12)};
    }
    static void store(std::int32_t *at, const Sum &sum) {
        vst1q_s32(at, sum.a);
        vst1q_s32(at + 4, sum.b);
        vst1q_s32(at + 8, sum.c);
        vst1q_s32(at + 12, sum.d);
    }
    static Word word(const std::uint32_t *at) {
        return Word{static_cast<std::int32_t>(word_at(at)), 0};
    }
    static Weights weights(const std::uint32_t *at) {
        const auto part = [&](int first) { return vreinterpretq_s32_u32(vld1q_u32(at + first)); };
        return {part(0), part(4), part(8), part(12)};
    }
    static Sum narrow(const Sum &sum, Word x, const Weights &w) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
        const uint8x8_t in = vreinterpret_u8_s32(x);
        return {vsudotq_lane_s32(sum.a, bytes(w.a), in, 0), vsudotq_lane_s32(sum.b, bytes(w.b), in, 0),
                vsudotq_lane_s32(sum.c, bytes(w.c), in, 0), vsudotq_lane_s32(sum.d, bytes(w.d), in, 0)};
#elif defined(__ARM_FEATURE_DOTPROD)
        const int8x8_t in = veor_s8(vreinterpret_s8_s32(x), vdup_n_s8(-128));
        return {vdotq_lane_s32(sum.a, bytes(w.a), in, 0), vdotq_lane_s32(sum.b, bytes(w.b), in, 0),
                vdotq_lane_s32(sum.c, bytes(w.c), in, 0), vdotq_lane_s32(sum.d, bytes(w.d), in, 0)};
#else
        return wide(sum, x, w);
#endif
    }
    static Sum wide(const Sum &sum, Word x, const Weights &w) {
        const int16x4_t in = vreinterpret_s16_s32(x);
        const Halves ab = halves(w.a, w.b);
        const Halves cd = halves(w.c, w.d);
        return {add_lower(sum.a, in, ab), add_upper(sum.b, in, ab), add_lower(sum.c, in, cd), add_upper(sum.d, in, cd)};
    }
    static void requantised(const Sum &sum, const std::int32_t *shift, const std::int16_t *multiplier, Cell *out) {
        const int16x8_t ab = rescaled_lanes(sum.a, sum.b, shift, multiplier);
        const int16x8_t cd = rescaled_lanes(sum.c, sum.d, shift + 8, multiplier + 8);
#if defined(__ARM_FEATURE_DOTPROD)
        vst1q_u8(out, vqmovun_high_s16(vqmovun_s16(ab), cd));
#else
        const int16x8_t least = vdupq_n_s16(0);
        const int16x8_t most = vdupq_n_s16(255);
        vst1q_s16(out, vminq_s16(vmaxq_s16(ab, least), most));
        vst1q_s16(out + 8, vminq_s16(vmaxq_s16(cd, least), most));
#endif
    }

#if defined(__ARM_FEATURE_MATMUL_INT8)
    // A convolution whose words are packed in pairs. out: the first output of the first row, `pitch` outputs a row.
    static void convolve_pairs(const ConvolutionView &layer, const std::uint32_t *in, Cell *out, int pitch) {
        const Quotient line(layer.out_side);
        const int last = layer.out_side * layer.out_side - 1;
        for (int channel = 0; channel < layer.channels; channel += kLanes)
            for (int begin = 0; begin <= last; begin += kPixels) {
                const std::uint32_t *from[kPixels];
                Cell *to[kPixels];
                for (int p = 0; p < kPixels; ++p) {  // what is behind the last pixel is the last once more
                    const int pixel = begin + p < last ? begin + p : last;
                    const int y = line(pixel);
                    const int x = pixel - y * layer.out_side;
                    from[p] = in + y * layer.row_step + x * layer.step;
                    to[p] = out + (y * pitch + x) * layer.channels + channel;
                }
                convolve_pairs_of(layer, from, channel, to);
            }
    }
#endif

private:
#if defined(__ARM_FEATURE_MATMUL_INT8)
    static constexpr int kPixels = 4;

    // kLanes channels of kPixels outputs. An instruction multiplies two words of two pixels by those of two channels:
    // sums are of both channels of a pixel, then of the next pixel.
    static void convolve_pairs_of(const ConvolutionView &layer, const std::uint32_t *const (&from)[kPixels],
                                  int channel, Cell *const (&to)[kPixels]) {
        constexpr int kTwos = kLanes / 2;
        RegisterArray<RegisterArray<int32x4_t, kTwos>, kPixels / 2> sums;
        each_of<kTwos>([&](auto two) {
            const int32x2_t bias = vld1_s32(layer.bias + channel + 2 * two.value);
            each_of<kPixels / 2>([&](auto pair) { sums[pair][two] = vcombine_s32(bias, bias); });
        });
        const std::uint32_t *weights = layer.weights + 2 * channel;
        for (int k = 0; k < layer.words; k += 2) {
            const auto where = layer.offset[k];
            const uint8x16_t first = two_words(from[0] + where, from[1] + where);
            const uint8x16_t second = two_words(from[2] + where, from[3] + where);
            each_of<kTwos>([&](auto two) {
                const int8x16_t w = vreinterpretq_s8_u32(vld1q_u32(weights + 4 * two.value));
                sums[Constant<0>{}][two] = vusmmlaq_s32(sums[Constant<0>{}][two], first, w);
                sums[Constant<1>{}][two] = vusmmlaq_s32(sums[Constant<1>{}][two], second, w);
            });
            weights += 2 * layer.channels;
        }
        each_of<kPixels / 2>([&](auto pair) {
            auto &of = sums[pair];
            const auto sum = [&](auto half) {
                return Sum{vcombine_s32(half(of[Constant<0>{}]), half(of[Constant<1>{}])),
                           vcombine_s32(half(of[Constant<2>{}]), half(of[Constant<3>{}])),
                           vcombine_s32(half(of[Constant<4>{}]), half(of[Constant<5>{}])),
                           vcombine_s32(half(of[Constant<6>{}]), half(of[Constant<7>{}]))};
            };
            const auto low = [](int32x4_t x) { return vget_low_s32(x); };
            const auto high = [](int32x4_t x) { return vget_high_s32(x); };
            requantised(sum(low), layer.shift + channel, layer.multiplier + channel, to[2 * pair.value]);
            requantised(sum(high), layer.shift + channel, layer.multiplier + channel, to[2 * pair.value + 1]);
        });
    }
    static uint8x16_t two_words(const std::uint32_t *a, const std::uint32_t *b) {
        return vcombine_u8(vld1_u8(reinterpret_cast<const std::uint8_t *>(a)),
                           vld1_u8(reinterpret_cast<const std::uint8_t *>(b)));
    }
#endif
    // The first and the second weights of eight words.
    struct Halves {
        int16x8_t first, second;
    };
    static int8x16_t bytes(int32x4_t x) {
        return vreinterpretq_s8_s32(x);
    }
    static Halves halves(int32x4_t low, int32x4_t high) {
        const int16x8_t a = vreinterpretq_s16_s32(low);
        const int16x8_t b = vreinterpretq_s16_s32(high);
        return {vuzp1q_s16(a, b), vuzp2q_s16(a, b)};
    }
    static int32x4_t add_lower(int32x4_t sum, int16x4_t x, const Halves &w) {
        return vmlal_lane_s16(vmlal_lane_s16(sum, vget_low_s16(w.first), x, 0), vget_low_s16(w.second), x, 1);
    }
    static int32x4_t add_upper(int32x4_t sum, int16x4_t x, const Halves &w) {
        return vmlal_high_lane_s16(vmlal_high_lane_s16(sum, w.first, x, 0), w.second, x, 1);
    }
    // As `rescaled`; multipliers are positive, so that no product saturates.
    static int16x8_t rescaled_lanes(int32x4_t low, int32x4_t high, const std::int32_t *shift,
                                    const std::int16_t *multiplier) {
        const int32x4_t a = vshlq_s32(low, vnegq_s32(vld1q_s32(shift)));
        const int32x4_t b = vshlq_s32(high, vnegq_s32(vld1q_s32(shift + 4)));
        const int16x8_t value = vqmovn_high_s32(vqmovn_s32(a), b);
        return vrshrq_n_s16(vqrdmulhq_s16(value, vld1q_s16(multiplier)), 6);
    }
};

}  // namespace
}  // namespace s2v::kernel
