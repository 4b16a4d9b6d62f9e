// Convolutions by products of small matrices of bytes, which the lanes of a warp hold together. Sums of integers have
// no order: the bits are those of every Dot.
//
// lanes.multiply_add(sum, a, b) adds to a matrix of 16x8 sums the product of one of 16x32 unsigned bytes and one of
// 32x8 signed ones, laid out as PTX has them (mma.m16n8k32). With `group` = lane / 4 and `member` = lane % 4, a lane
// holds, in words of four bytes along the 32: of the first, words `member` (a[0], a[1]) and `member` + 4 (a[2], a[3])
// of rows `group` (a[0], a[2]) and `group` + 8 (a[1], a[3]); of the second, words `member` (b[0]) and `member` + 4
// (b[1]) of column `group`; of the sums, columns 2 `member` and the next of rows `group` (sum[0], sum[1]) and `group`
// + 8.
//
// Weights lie as lanes load them: for each kMatrixWords words and 16 channels, a lane's four words beside those of the
// next lane, b of the first 8 channels before that of the others (lane_place).
#pragma once

#include "dot_tiles.hpp"
#include "network_view.hpp"
#include "quotient.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kMatrixRows = 16;
inline constexpr int kMatrixColumns = 8;
inline constexpr int kMatrixWords = 8;  // along which products are summed: words of a layer are padded to as many

inline constexpr int kPairChannels = 2 * kMatrixColumns;  // whose weights a lane loads at once

// Where word `word` of the weights of a channel lies.
S2V_HD constexpr int lane_place(int word, int channel, int channels) {
    const int pair = word / kMatrixWords * (channels / kPairChannels) + channel / kPairChannels;
    const int lane = channel % kMatrixColumns * 4 + word % 4;
    return (pair * kLanes + lane) * 4 + channel % kPairChannels / kMatrixColumns * 2 + word % kMatrixWords / 4;
}

struct alignas(16) LaneWeights {
    std::uint32_t word[4];
};

struct TwoBytes {
    std::uint16_t both;
};

// Of N matrices of channels, what a lane knows of its own two each.
template <int N>
struct LaneChannels {
    std::int32_t bias[N][2];
    std::int32_t shift[N][2];
    std::int32_t multiplier[N][2];
};

template <int N>
S2V_HD void load_channels(const ConvolutionView &layer, int first, LaneChannels<N> &own) {
    for (int n = 0; n < N; ++n)
        for (int i = 0; i < 2; ++i) {
            const int channel = first + n * kMatrixColumns + i;
            own.bias[n][i] = layer.bias[channel];
            own.shift[n][i] = layer.shift[channel];
            own.multiplier[n][i] = layer.multiplier[channel];
        }
}

// Two numbers as bytes, clamped to what these hold, the first in the lower one.
S2V_HD inline std::uint16_t two_bytes(std::int32_t low, std::int32_t high) {
#if defined(__CUDA_ARCH__)
    std::uint32_t both;
    __asm__("cvt.pack.sat.u8.s32.b32 %0, %1, %2, 0;" : "=r"(both) : "r"(high), "r"(low));
    return static_cast<std::uint16_t>(both);
#else
    const auto byte = [](std::int32_t x) { return static_cast<std::uint32_t>(x < 0 ? 0 : x > 255 ? 255 : x); };
    return static_cast<std::uint16_t>(byte(low) | byte(high) << 8);
#endif
}

// Outputs of a convolution from pixel `begin` on, two matrices of them, for N matrices of channels from `first` on.
template <int N, class Lanes>
S2V_HD void convolve_matrices(const Lanes &lanes, const ConvolutionView &layer, const Quotient &line,
                              const LaneChannels<N> &own, const std::uint32_t *in, int begin, int first,
                              std::uint8_t *out, int pitch) {
    constexpr int kPixels = 4;  // of a lane: two a matrix
    const int group = lanes.index() / 4;
    const int member = lanes.index() % 4;
    const int pixels = layer.out_side * layer.out_side;
    const std::uint32_t *from[kPixels];
    int to[kPixels];
    for (int p = 0; p < kPixels; ++p) {
        const int pixel = begin + group + kMatrixRows / 2 * p;
        const int y = line(pixel < pixels ? pixel : pixels - 1);
        const int x = (pixel < pixels ? pixel : pixels - 1) - y * layer.out_side;
        from[p] = in + y * layer.row_step + x * layer.step;
        to[p] = pixel < pixels ? (y * pitch + x) * layer.channels + first + 2 * member : -1;
    }
    std::int32_t sum[2][N][4];
    for (int n = 0; n < N; ++n)
        for (int m = 0; m < 2; ++m)
            for (int i = 0; i < 4; ++i) sum[m][n][i] = own.bias[n][i % 2];
    const auto *weights =
        reinterpret_cast<const LaneWeights *>(layer.weights) + first / kPairChannels * kLanes + lanes.index();
    const int next = layer.channels / kPairChannels * kLanes;
    const std::int32_t *offset = layer.offset + member;
    S2V_ROLLED
    for (int word = 0; word < layer.words; word += kMatrixWords) {
        const int near = offset[0];
        const int far = offset[kMatrixWords / 2];
        std::uint32_t a[2][4];
        for (int m = 0; m < 2; ++m)
            for (int i = 0; i < 4; ++i) a[m][i] = word_at(from[2 * m + i % 2] + (i < 2 ? near : far));
        for (int pair = 0; pair < N / 2; ++pair) {
            const LaneWeights w = weights[pair * kLanes];
            for (int n = 0; n < 2; ++n) {
                const std::uint32_t b[2] = {w.word[2 * n], w.word[2 * n + 1]};
                for (int m = 0; m < 2; ++m) lanes.multiply_add(sum[m][2 * pair + n], a[m], b);
            }
        }
        weights += next;
        offset += kMatrixWords;
    }
    for (int n = 0; n < N; ++n)
        for (int p = 0; p < kPixels; ++p) {
            const std::int32_t *const two = sum[p / 2][n] + p % 2 * 2;
            if (to[p] < 0) continue;
            std::int32_t rounded[2];
            for (int i = 0; i < 2; ++i) rounded[i] = rescaled(two[i], own.shift[n][i], own.multiplier[n][i]);
            *reinterpret_cast<TwoBytes *>(out + to[p] + n * kMatrixColumns) = {two_bytes(rounded[0], rounded[1])};
        }
}

// A convolution whose words are padded to a multiple of kMatrixWords. out: the first output of the first row, `pitch`
// outputs a row.
template <int N, class Team>
S2V_STAGE void convolve_by_matrices_of(const Team &team, const ConvolutionView &layer, const std::uint32_t *in,
                                       std::uint8_t *out, int pitch) {
    S2V_IN_SCRATCH(in);
    S2V_IN_SCRATCH(out);
    const Quotient line(layer.out_side);
    const int pixels = layer.out_side * layer.out_side;
    team.sync();  // the border is written
    S2V_ROLLED
    for (int first = 0; first < layer.channels; first += N * kMatrixColumns) {
        LaneChannels<N> own;
        load_channels(layer, first + team.lanes().index() % 4 * 2, own);
        S2V_ROLLED
        for (int begin = 0; begin < pixels; begin += 2 * kMatrixRows)
            convolve_matrices<N>(team.lanes(), layer, line, own, in, begin, first, out, pitch);
    }
    team.sync();
}

template <class Team>
S2V_HD void convolve_by_matrices(const Team &team, const ConvolutionView &layer, const std::uint32_t *in,
                                 std::uint8_t *out, int pitch) {
    if (layer.channels % (4 * kMatrixColumns) == 0)
        convolve_by_matrices_of<4>(team, layer, in, out, pitch);
    else
        convolve_by_matrices_of<2>(team, layer, in, out, pitch);
}

}  // namespace
}  // namespace s2v::kernel
