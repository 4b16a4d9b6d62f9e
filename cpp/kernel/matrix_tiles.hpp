// Convolutions by products of small matrices of bytes, which the lanes of a warp hold together. Sums of integers have
// no order: the bits are those of every Dot.
//
// lanes.multiply_add(sum, a, b) adds to a matrix of 16x8 sums the product of one of 16x32 unsigned bytes and one of
// 32x8 signed ones, laid out as PTX has them (mma.m16n8k32). With `group` = lane / 4 and `member` = lane % 4, a lane
// holds, in words of four bytes along the 32: of the first, words `member` (a[0], a[1]) and `member` + 4 (a[2], a[3])
// of rows `group` (a[0], a[2]) and `group` + 8 (a[1], a[3]); of the second, words `member` (b[0]) and `member` + 4
// (b[1]) of column `group`; of the sums, columns 2 `member` and the next of rows `group` (sum[0], sum[1]) and `group`
// + 8.
#pragma once

#include "network_view.hpp"
#include "tiles.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kMatrixRows = 16;
inline constexpr int kMatrixColumns = 8;
inline constexpr int kMatrixWords = 8;  // along which products are summed: words of a layer are padded to as many

// i / divisor, for i times the divisor below 2^32.
class Quotient {
public:
    S2V_HD explicit Quotient(int divisor)
        : inverse_(0xffffffffu / static_cast<std::uint32_t>(divisor) + 1u), one_(divisor == 1) {}
    S2V_HD int operator()(int i) const {
        return one_ ? i : static_cast<int>(std::uint64_t{inverse_} * static_cast<std::uint32_t>(i) >> 32);
    }

private:
    std::uint32_t inverse_;
    bool one_;
};

// Outputs of a convolution from pixel `begin` on, two matrices of them, for N matrices of channels from `first` on.
template <int N, class Lanes>
S2V_HD void convolve_matrices(const Lanes &lanes, const ConvolutionView &layer, const Quotient &line,
                              const std::uint32_t *in, int begin, int first, std::uint8_t *out, int pitch) {
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
    for (int n = 0; n < N; ++n) {
        const std::int32_t *const bias = layer.bias + first + n * kMatrixColumns + 2 * member;
        for (int m = 0; m < 2; ++m)
            for (int i = 0; i < 4; ++i) sum[m][n][i] = bias[i % 2];
    }
    const std::uint32_t *weights = layer.weights + member * layer.channels + first + group;
    const std::int32_t *offset = layer.offset + member;
    S2V_ROLLED
    for (int word = 0; word < layer.words; word += kMatrixWords) {
        const int near = offset[0];
        const int far = offset[kMatrixWords / 2];
        std::uint32_t a[2][4];
        for (int m = 0; m < 2; ++m)
            for (int i = 0; i < 4; ++i) a[m][i] = word_at(from[2 * m + i % 2] + (i < 2 ? near : far));
        for (int n = 0; n < N; ++n) {
            const std::uint32_t *const column = weights + n * kMatrixColumns;
            const std::uint32_t b[2] = {column[0], column[kMatrixWords / 2 * layer.channels]};
            for (int m = 0; m < 2; ++m) lanes.multiply_add(sum[m][n], a[m], b);
        }
        weights += kMatrixWords * layer.channels;
        offset += kMatrixWords;
    }
    for (int n = 0; n < N; ++n) {
        const int channel = first + n * kMatrixColumns + 2 * member;
        const std::int32_t shift[2] = {layer.shift[channel], layer.shift[channel + 1]};
        const std::int32_t multiplier[2] = {layer.multiplier[channel], layer.multiplier[channel + 1]};
        for (int p = 0; p < kPixels; ++p) {
            const std::int32_t *const own = sum[p / 2][n] + p % 2 * 2;
            if (to[p] < 0) continue;
            for (int i = 0; i < 2; ++i)
                out[to[p] + n * kMatrixColumns + i] =
                    static_cast<std::uint8_t>(requantise(own[i], shift[i], multiplier[i]));
        }
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
        S2V_ROLLED
        for (int begin = 0; begin < pixels; begin += 2 * kMatrixRows)
            convolve_matrices<N>(team.lanes(), layer, line, in, begin, first, out, pitch);
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
