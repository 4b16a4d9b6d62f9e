// A network in integers: planes to means over rings, means and columns to a score or to a vector.
#pragma once

#include "linear_lanes.hpp"
#include "network_planes.hpp"

namespace s2v::kernel {
namespace {

// Where a network works: on the planes of one row at a time, then on a block of rows.
struct NetworkScratch {
    std::uint32_t *map[2];     // what goes into a convolution and what comes out, in turn
    std::uint32_t *means;      // (rows, mean_words)
    std::uint32_t *codes;      // (rows, column_words)
    std::uint32_t *active[2];  // (rows, widest / 2): a layer's activations, two a word
    std::int32_t *sums[2];     // (rows, widest)
    float *x;                  // (columns), in whole runs
    float *z;
    std::ptrdiff_t nearer;  // bytes from the tensors of convolutions, as packed, to a copy of them that is read
};

// Words of two means.
S2V_HD constexpr int mean_words(const NetworkView &view) {
    return view.convolutions ? view.rings * view.convolution[view.convolutions - 1].channels / 2 : 0;
}

// Words of what goes into a convolution, its border included, or of what comes out of the last.
template <class Dot>
S2V_HD constexpr std::size_t map_words(const NetworkView &view, int layer) {
    if (view.convolutions == 0) return 0;
    const bool last = layer == view.convolutions;
    const int side = last ? view.convolution[layer - 1].out_side : view.convolution[layer].in_side + 2;
    const int words = layer == 0 ? packs<Dot>(view) : view.convolution[layer - 1].channels / Dot::kGroup;
    return static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * static_cast<std::size_t>(words);
}

// Divides memory, aligned to 64 bytes, for blocks of so many rows; without memory it is only measured. Returns the
// bytes. `shared`: for one row, whose planes are looked at before its columns: what comes after the convolutions lies
// where their last input was.
template <class Dot>
S2V_HD std::size_t divide_scratch(const NetworkView &view, int rows, unsigned char *memory, NetworkScratch &s,
                                  bool shared = false) {
    std::size_t used = 0;
    const auto take = [&](std::size_t words) {
        unsigned char *const at = memory ? memory + used : nullptr;
        used += (words * sizeof(std::uint32_t) + 63) / 64 * 64;
        return at;
    };
    const auto block = static_cast<std::size_t>(rows);
    std::size_t map[2] = {0, 0};
    for (int layer = 0; layer <= view.convolutions; ++layer) {
        const std::size_t words = map_words<Dot>(view, layer);
        if (words > map[layer % 2]) map[layer % 2] = words;
    }
    const int last = view.convolutions % 2;  // what comes out of the last
    s.map[last] = reinterpret_cast<std::uint32_t *>(take(map[last]));
    const std::size_t begin = used;
    s.map[1 - last] = reinterpret_cast<std::uint32_t *>(take(map[1 - last]));
    const std::size_t end = used;
    if (shared) used = begin;
    const auto widest = static_cast<std::size_t>(view.widest);
    s.means = reinterpret_cast<std::uint32_t *>(take(block * static_cast<std::size_t>(mean_words(view))));
    s.codes = reinterpret_cast<std::uint32_t *>(take(block * static_cast<std::size_t>(column_words(view.column))));
    for (int i = 0; i < 2; ++i) s.active[i] = reinterpret_cast<std::uint32_t *>(take(block * widest / 2));
    for (int i = 0; i < 2; ++i) s.sums[i] = reinterpret_cast<std::int32_t *>(take(block * widest));
    const auto room = static_cast<std::size_t>(whole_runs(view.column.columns));
    s.x = reinterpret_cast<float *>(take(room));
    s.z = reinterpret_cast<float *>(take(room));
    s.nearer = 0;
    return used > end ? used : end;
}

template <class T>
S2V_HD const T *add_bytes(const T *at, std::ptrdiff_t by) {
    return reinterpret_cast<const T *>(reinterpret_cast<std::uintptr_t>(at) + static_cast<std::uintptr_t>(by));
}

// Bytes of the tensors of all convolutions, which lie together from the first's weights on, a multiple of 64 bytes.
S2V_HD inline std::size_t convolution_bytes(const NetworkView &view) {
    if (view.convolutions == 0) return 0;
    const ConvolutionView &last = view.convolution[view.convolutions - 1];
    const auto begin = reinterpret_cast<std::uintptr_t>(view.convolution[0].weights);
    const auto end = reinterpret_cast<std::uintptr_t>(last.multiplier + last.channels);
    return (end - begin + 63) / 64 * 64;
}

// A convolution as the lanes of a warp read it.
S2V_HD inline ConvolutionView nearer(const ConvolutionView &layer, std::ptrdiff_t by) {
    ConvolutionView near = layer;
    near.weights = add_bytes(layer.weights, by);
    near.offset = add_bytes(layer.offset, by);
    near.bias = add_bytes(layer.bias, by);
    near.shift = add_bytes(layer.shift, by);
    near.multiplier = add_bytes(layer.multiplier, by);
    return near;
}

// Runs the convolutions of a row on its first map, and averages their last map over rings.
template <class Dot, class Team>
S2V_HD void encode_map(const Team &team, const NetworkView &view, int row, const NetworkScratch &s) {
    using Cell = typename Dot::Cell;
    for (int k = 0; k < view.convolutions; ++k) {
        const ConvolutionView &layer = view.convolution[k];
        const bool last = k + 1 == view.convolutions;
        std::uint32_t *const map = s.map[(k + 1) % 2];
        const int side = layer.out_side;
        const int words = layer.channels / Dot::kGroup;
        if (!last) fill_border(team, map, side, words, 0u);
        const int inner = last ? 0 : (side + 3) * words;  // words before the first output
        const auto *const in = s.map[k % 2];
        auto *const out = reinterpret_cast<Cell *>(map + inner);
        const int pitch = last ? side : side + 2;
        if constexpr (!Team::kAlone)
            convolve_by_matrices(team, nearer(layer, s.nearer), in, out, pitch);
        else if (Dot::kPacked != PackedFor::kPairs || k == 0)
            convolve<Dot, Dot::kVectors>(team, layer, in, out, pitch);
        else if constexpr (Dot::kPacked == PackedFor::kPairs)
            Dot::convolve_pairs(layer, in, out, pitch);
        if (last)
            average_rings(team, reinterpret_cast<const Cell *>(map), side, layer.channels,
                          reinterpret_cast<std::int16_t *>(s.means + row * mean_words(view)));
    }
}

// Encodes the planes of a row as the means of its last map over rings.
template <class Dot, class Team>
S2V_HD void encode_planes(const Team &team, const NetworkView &view, const float *planes, int row,
                          const NetworkScratch &s) {
    quantise_planes<Dot>(team, view, planes, s.map[0]);
    encode_map<Dot>(team, view, row, s);
}

// Encodes the columns of a row, whose first are in s.x.
template <class Team>
S2V_HD void encode_row_columns(const Team &team, const NetworkView &view, int row, const NetworkScratch &s) {
    std::uint32_t *const codes = s.codes + row * column_words(view.column);
    encode_columns(team, view.column, s.x, s.z, reinterpret_cast<std::int16_t *>(codes));
}

// P rows of a linear layer, for O vectors of outputs from `first` on.
template <class Dot, int P, int O>
S2V_HD inline void multiply_tile(const LinearView &layer, const std::uint32_t *in, int first, std::int32_t *out) {
    Sums<Dot, P, O> sums;
    each_of<P>([&](auto p) { each_of<O>([&](auto o) { sums[p][o] = Dot::zero(); }); });
    accumulate<Dot, true, P, O>(in, layer.words, InOrder{}, layer.words, layer.weights + first, layer.outputs, sums);
    each_of<P>([&](auto p) {
        each_of<O>(
            [&](auto o) { Dot::store(out + p.value * layer.outputs + first + o.value * Dot::kLanes, sums[p][o]); });
    });
}

// A linear layer in tiles of P rows, or of P - 1. in: (rows, words); out: (rows, outputs).
template <class Dot, int P, int O, class Team>
S2V_STAGE void multiply_tiles(const Team &team, const LinearView &layer, int rows, const std::uint32_t *in,
                              std::int32_t *out) {
    S2V_IN_SCRATCH(in);
    S2V_IN_SCRATCH(out);
    const int blocks = layer.outputs / (Dot::kLanes * O);
    const int tiles = (rows + P - 1) / P;
    team.for_each(tiles * blocks, [&](int item) {
        const int first = item / tiles * Dot::kLanes * O;
        const int row = item % tiles * rows / tiles;
        const int end = (item % tiles + 1) * rows / tiles;
        if (end - row == P)
            multiply_tile<Dot, P, O>(layer, in + row * layer.words, first, out + row * layer.outputs);
        else if constexpr (P > 1)
            multiply_tile<Dot, P - 1, O>(layer, in + row * layer.words, first, out + row * layer.outputs);
    });
    team.sync();
}

template <class Dot, int P, int O, class Team>
S2V_HD void multiply_in(const Team &team, int size, const LinearView &layer, int rows, const std::uint32_t *in,
                        std::int32_t *out) {
    if (size == P)
        multiply_tiles<Dot, P, O>(team, layer, rows, in, out);
    else if constexpr (P > 1)
        multiply_in<Dot, P - 1, O>(team, size, layer, rows, in, out);
}

template <class Dot, int O, class Team>
S2V_HD void multiply(const Team &team, const LinearView &layer, int rows, const std::uint32_t *in, std::int32_t *out) {
    constexpr int kRows = Dot::pixels(O) < 4 ? Dot::pixels(O) : 4;
    if constexpr (!Team::kAlone)
        multiply_on_lanes(team, layer, rows, in, out);
    else if (layer.outputs / Dot::kLanes % O == 0)
        multiply_in<Dot, kRows, O>(team, tile_size(rows, kRows), layer, rows, in, out);
    else if constexpr (O > 1)
        multiply<Dot, O / 2>(team, layer, rows, in, out);
}

S2V_HD inline std::int64_t rounded_shift(std::int64_t sum, int shift) {
    return shift == 0 ? sum : (sum + (std::int64_t{1} << (shift - 1))) >> shift;
}

S2V_HD inline std::int16_t hidden_value(std::int64_t sum, int shift) {
    const std::int64_t rounded = rounded_shift(sum, shift);
    return static_cast<std::int16_t>(rounded < 0 ? 0 : rounded > 32767 ? 32767 : rounded);
}

S2V_HD inline std::int8_t vector_number(std::int64_t sum, int shift) {
    const std::int64_t rounded = rounded_shift(sum, shift);
    return static_cast<std::int8_t>(rounded < -127 ? -127 : rounded > 127 ? 127 : rounded);
}

// Sums of a layer (rows, outputs), of two linears where there are two, to activations.
template <class Team>
S2V_STAGE void activate(const Team &team, const HiddenView &hidden, int rows, int outputs, const std::int32_t *first,
                        const std::int32_t *second, std::int16_t *active) {
    S2V_IN_SCRATCH(active);
    const std::int32_t *const by_first = hidden.multiplier[0];
    const std::int32_t *const by_second = hidden.multiplier[1];
    const std::int64_t *const bias = hidden.bias;
    const int shift = hidden.shift;
    for (int row = 0; row < rows; ++row) {
        const int begin = row * outputs;
        const std::int32_t *const a = first ? first + begin : nullptr;
        const std::int32_t *const b = second ? second + begin : nullptr;
        std::int16_t *const out = active + begin;
        if (a && b)
            team.for_each(outputs, [&](int o) {
                out[o] = hidden_value(static_cast<std::int64_t>(a[o]) * by_first[o] +
                                          static_cast<std::int64_t>(b[o]) * by_second[o] + bias[o],
                                      shift);
            });
        else if (a)
            team.for_each(outputs, [&](int o) {
                out[o] = hidden_value(static_cast<std::int64_t>(a[o]) * by_first[o] + bias[o], shift);
            });
        else
            team.for_each(outputs, [&](int o) {
                out[o] = hidden_value(static_cast<std::int64_t>(b[o]) * by_second[o] + bias[o], shift);
            });
    }
    team.sync();
}

S2V_HD inline float sigmoid(float x) {
    const double e = exponential(-absolute(static_cast<double>(x)));
    return static_cast<float>(x < 0.0f ? e / (1.0 + e) : 1.0 / (1.0 + e));
}

// Runs the layers of some rows on their means and codes; the sums of the last are in s.sums[0] afterwards.
template <class Dot, class Team>
S2V_HD void run_layers(const Team &team, const NetworkView &view, int rows, const NetworkScratch &s) {
    const LinearView &of_planes = view.of_planes;
    const LinearView &of_columns = view.of_columns;
    if (of_planes.words) multiply<Dot, Dot::kVectors>(team, of_planes, rows, s.means, s.sums[0]);
    if (of_columns.words) multiply<Dot, Dot::kVectors>(team, of_columns, rows, s.codes, s.sums[1]);
    const int width = of_planes.words ? of_planes.outputs : of_columns.outputs;
    activate(team, view.hidden[0], rows, width, of_planes.words ? s.sums[0] : nullptr,
             of_columns.words ? s.sums[1] : nullptr, reinterpret_cast<std::int16_t *>(s.active[0]));
    for (int k = 0; k < view.layers; ++k) {  // the last is the output
        const LinearView &layer = view.linear[k];
        multiply<Dot, Dot::kVectors>(team, layer, rows, s.active[k % 2], s.sums[0]);
        if (k + 1 < view.layers)
            activate(team, view.hidden[k + 1], rows, layer.outputs, s.sums[0], nullptr,
                     reinterpret_cast<std::int16_t *>(s.active[(k + 1) % 2]));
    }
}

// Scores some rows by their means and codes.
template <class Dot, class Team>
S2V_HD void score_rows(const Team &team, const NetworkView &view, int rows, const NetworkScratch &s, float *score) {
    run_layers<Dot>(team, view, rows, s);
    const int stride = view.linear[view.layers - 1].outputs;
    const std::int32_t *const sums = s.sums[0];
    team.for_each(rows, [&](int row) {
        const float logit = static_cast<float>(sums[row * stride] + view.out_bias) * view.out_scale;
        score[row] = sigmoid(logit / view.temperature);
    });
    team.sync();
}

// Turns some rows into vectors (rows, view.vector) by their means and codes.
template <class Dot, class Team>
S2V_HD void embed_rows(const Team &team, const NetworkView &view, int rows, const NetworkScratch &s,
                       std::int8_t *vectors) {
    run_layers<Dot>(team, view, rows, s);
    const int stride = view.linear[view.layers - 1].outputs;
    const std::int32_t *const multiplier = view.numbers.multiplier[0];
    const std::int64_t *const bias = view.numbers.bias;
    const int shift = view.numbers.shift;
    for (int row = 0; row < rows; ++row) {
        const std::int32_t *const sums = s.sums[0] + row * stride;
        std::int8_t *const out = vectors + static_cast<std::ptrdiff_t>(row) * view.vector;
        team.for_each(view.vector, [&](int k) {
            out[k] = vector_number(static_cast<std::int64_t>(sums[k]) * multiplier[k] + bias[k], shift);
        });
    }
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
