// The planes of a candidate through the convolutions of a network, to means over rings.
#pragma once

#include "matrix_tiles.hpp"
#include "network_columns.hpp"
#include "plane_bytes.hpp"

namespace s2v::kernel {
namespace {

template <class Dot>
S2V_HD constexpr int packs(const NetworkView &view) {
    return (view.planes + Dot::kGroup - 1) / Dot::kGroup;
}

// Gives every word of a map's border a value.
template <class Team>
S2V_HD void fill_border(const Team &team, std::uint32_t *map, int side, int words, std::uint32_t value) {
    const int line = (side + 2) * words;
    std::uint32_t *const last = map + (side + 1) * line;
    team.for_each(line, [&](int i) { map[i] = value; });
    team.for_each(line, [&](int i) { last[i] = value; });
    for (int y = 1; y <= side; ++y) {
        std::uint32_t *const left = map + y * line;
        std::uint32_t *const right = left + line - words;
        team.for_each(words, [&](int i) { left[i] = value; });
        team.for_each(words, [&](int i) { right[i] = value; });
    }
}

// `Count` planes from `first` on, one of each in a word.
template <int Count, int Bits, class Team>
S2V_HD void quantise_pack(const Team &team, const NetworkView &view, const float *first, const float *scale,
                          std::uint32_t *map) {
    const int side = view.side;
    if constexpr (!Team::kAlone) {  // no lane waits for the end of a line
        const Quotient line(side);
        team.for_each(side * side, [&](int i) {
            std::uint32_t word = 0;
            for (int k = 0; k < Count; ++k) word |= quantise_pixel(first[k * side * side + i], scale[k]) << k * Bits;
            map[side + 3 + i + 2 * line(i)] = word;
        });
    } else
        for (int y = 0; y < side; ++y) {
            const float *const line = first + y * side;
            std::uint32_t *const out = map + (y + 1) * (side + 2) + 1;
            const auto pixel = [&](int x) {
                std::uint32_t word = 0;
                for (int k = 0; k < Count; ++k) word |= quantise_pixel(line[k * side * side + x], scale[k]) << k * Bits;
                out[x] = word;
            };
            if (side >= kRun) {  // loops of a length that is known; the last overlaps the one before
                for (int start = 0; start < side; start += kRun) {
                    const int x = start < side - kRun ? start : side - kRun;
                    team.for_each(kRun, [&](int i) { pixel(x + i); });
                }
            } else {
                team.for_each(side, pixel);
            }
        }
}

// The planes of a row (planes, side, side) as the first map.
template <class Dot, class Team>
S2V_STAGE void quantise_planes(const Team &team, const NetworkView &view, const float *planes, std::uint32_t *map) {
    S2V_IN_SCRATCH(map);
    constexpr int kBits = 32 / Dot::kGroup;
    constexpr std::uint32_t kZero = kBits == 8 ? kZeroBytes : 0x00800080u;
    const int side = view.side;
    team.sync();  // the map may still be read
    for (int pack = 0; pack < packs<Dot>(view); ++pack) {
        const int first = pack * Dot::kGroup;
        const float *const from = planes + static_cast<std::int64_t>(first) * side * side;
        const float *const scale = view.plane_scale + first;
        std::uint32_t *const to = map + pack * (side + 2) * (side + 2);
        fill_border(team, to, side, 1, kZero);
        const int count = view.planes - first < Dot::kGroup ? view.planes - first : Dot::kGroup;
        if (count == 1) quantise_pack<1, kBits>(team, view, from, scale, to);
        if (count == 2) quantise_pack<2, kBits>(team, view, from, scale, to);
        if constexpr (Dot::kGroup == 4) {
            if (count == 3) quantise_pack<3, kBits>(team, view, from, scale, to);
            if (count == 4) quantise_pack<4, kBits>(team, view, from, scale, to);
        }
    }
    team.sync();
}

// The planes of a row as bytes (planes, plane_words) as the first map.
template <class Team>
S2V_STAGE void spread_bytes(const Team &team, const NetworkView &view, const std::uint32_t *bytes, std::uint32_t *map) {
    S2V_IN_SCRATCH(map);
    const int side = view.side;
    const int pixels = side * side;
    const int words = plane_words(pixels);
    const Quotient line(side);
    team.sync();  // the map may still be read
    for (int first = 0; first < view.planes; first += 4) {
        std::uint32_t *const to = map + first / 4 * (side + 2) * (side + 2);
        const std::uint32_t *const from = bytes + static_cast<std::int64_t>(first) * words;
        const int count = view.planes - first < 4 ? view.planes - first : 4;
        fill_border(team, to, side, 1, kZeroBytes);
        team.for_each(words, [&](int i) {
            std::uint32_t word[4];
            for (int k = 0; k < 4; ++k) word[k] = k < count ? from[k * words + i] : 0u;
            turn_bytes(word);
            for (int k = 0; k < 4; ++k) {
                const int pixel = 4 * i + k;
                if (pixel < pixels) to[side + 3 + pixel + 2 * line(pixel)] = word[k];
            }
        });
    }
    team.sync();
}

// P outputs of a row of a convolution, for O vectors of channels from `first` on.
template <class Dot, int P, int O>
S2V_HD inline void convolve_tile(const ConvolutionView &layer, const std::uint32_t *in, int first,
                                 typename Dot::Cell *out) {
    Sums<Dot, P, O> sums;
    each_of<O>([&](auto o) {
        const auto bias = Dot::load(layer.bias + first + o.value * Dot::kLanes);
        each_of<P>([&](auto p) { sums[p][o] = bias; });
    });
    accumulate<Dot, false, P, O>(in, layer.step, layer.offset, layer.words, layer.weights + first, layer.channels,
                                 sums);
    each_of<O>([&](auto o) {
        const int channel = first + o.value * Dot::kLanes;
        each_of<P>([&](auto p) {
            Dot::requantised(sums[p][o], layer.shift + channel, layer.multiplier + channel,
                             out + p.value * layer.channels + channel);
        });
    });
}

// A convolution in tiles of P outputs of a row, or of P - 1. out: the first output of the first row, `pitch` outputs a
// row.
template <class Dot, int P, int O, class Team>
S2V_STAGE void convolve_tiles(const Team &team, const ConvolutionView &layer, const std::uint32_t *in,
                              typename Dot::Cell *out, int pitch) {
    S2V_IN_SCRATCH(in);
    S2V_IN_SCRATCH(out);
    const int side = layer.out_side;
    const int tiles = (side + P - 1) / P;
    const int blocks = layer.channels / (Dot::kLanes * O);
    for (int y = 0; y < side; ++y) {
        const std::uint32_t *const from = in + y * layer.row_step;
        typename Dot::Cell *const to = out + y * pitch * layer.channels;
        team.for_each(tiles * blocks, [&](int item) {
            const int first = item % blocks * Dot::kLanes * O;
            const int x = item / blocks * side / tiles;
            const int end = (item / blocks + 1) * side / tiles;
            if (end - x == P)
                convolve_tile<Dot, P, O>(layer, from + x * layer.step, first, to + x * layer.channels);
            else if constexpr (P > 1)
                convolve_tile<Dot, P - 1, O>(layer, from + x * layer.step, first, to + x * layer.channels);
        });
    }
    team.sync();
}

template <class Dot, int P, int O, class Team>
S2V_HD void convolve_in(const Team &team, int size, const ConvolutionView &layer, const std::uint32_t *in,
                        typename Dot::Cell *out, int pitch) {
    if (size == P)
        convolve_tiles<Dot, P, O>(team, layer, in, out, pitch);
    else if constexpr (P > 1)
        convolve_in<Dot, P - 1, O>(team, size, layer, in, out, pitch);
}

// With as many vectors of outputs at a time as share a word.
template <class Dot, int O, class Team>
S2V_HD void convolve(const Team &team, const ConvolutionView &layer, const std::uint32_t *in, typename Dot::Cell *out,
                     int pitch) {
    if (layer.channels / Dot::kLanes % O == 0)
        convolve_in<Dot, Dot::pixels(O), O>(team, tile_size(layer.out_side, Dot::pixels(O)), layer, in, out, pitch);
    else if constexpr (O > 1)
        convolve<Dot, O / 2>(team, layer, in, out, pitch);
}

// Eight times the mean of 1, 4 or 8 pixels.
template <int N, class Cell, class Team>
S2V_HD void mean_of(const Team &team, const Cell *const (&pixel)[N], int channels, std::int16_t *out) {
    team.for_each(channels, [&](int c) {
        int sum = 0;
        for (int k = 0; k < N; ++k) sum += pixel[k][c];
        out[c] = static_cast<std::int16_t>(sum * (8 / N));
    });
}

// Eight times the means over the pixels that turns and flips about the middle bring onto one another. map: (side, side,
// channels); means: (rings, channels).
template <class Cell, class Team>
S2V_STAGE void average_rings(const Team &team, const Cell *map, int side, int channels, std::int16_t *means) {
    S2V_IN_SCRATCH(map);
    S2V_IN_SCRATCH(means);
    const int middle = side / 2;
    const auto at = [&](int y, int x) { return map + ((middle + y) * side + middle + x) * channels; };
    std::int16_t *out = means;
    for (int far = 0; far <= middle; ++far)
        for (int near = 0; near <= far; ++near, out += channels) {
            if (far == 0)
                mean_of<1>(team, {at(0, 0)}, channels, out);
            else if (near == 0)
                mean_of<4>(team, {at(far, 0), at(-far, 0), at(0, far), at(0, -far)}, channels, out);
            else if (near == far)
                mean_of<4>(team, {at(far, far), at(-far, far), at(far, -far), at(-far, -far)}, channels, out);
            else
                mean_of<8>(team,
                           {at(far, near), at(-far, near), at(far, -near), at(-far, -near), at(near, far),
                            at(-near, far), at(near, -far), at(-near, -far)},
                           channels, out);
        }
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
