// An integer network as the kernels see it: layers whose tensors lie as a Dot wants them. It owns nothing. The
// arithmetic is described in docs/integer-networks.md.
#pragma once

#include "macros.hpp"

#include <cstddef>

namespace s2v::kernel {

inline constexpr int kMostConvolutions = 6;
inline constexpr int kMostHidden = 8;
inline constexpr int kMostPlanes = 32;
inline constexpr int kChannelBlock = 16;  // outputs of a layer are a multiple of it; those that fill up are 0

// For whom the tensors of a network are packed.
enum class PackedFor : std::int32_t {
    kDot,         // a Dot of kernel/dot.hpp
    kCentredDot,  // one that multiplies inputs of convolutions less 128, for which biases make up
    kPairs,       // one that multiplies pairs of words in all convolutions but the first (kernel/dot_neon.hpp)
    kLanes        // the lanes of a warp: four inputs of a convolution a word (matrix_tiles.hpp, linear_lanes.hpp)
};

// 3x3 pixels, every second one, within a border of one pixel. Words are those of kernel/dot.hpp.
struct ConvolutionView {
    const std::uint32_t *weights;  // (words, channels), or as PackedFor has them
    const std::int32_t *offset;    // (words): where each lies, from the corner of what an output sees
    const std::int32_t *bias;      // (channels), as shift and multiplier
    const std::int32_t *shift;
    const std::int16_t *multiplier;
    std::int32_t words;
    std::int32_t channels;
    std::int32_t in_side;
    std::int32_t out_side;
    std::int32_t step;      // words of the input from one output to the next
    std::int32_t row_step;  // and from one row of outputs to the next
};

// A layer of rows of words.
struct LinearView {
    const std::uint32_t *weights;  // (words, outputs), or for lanes as linear_lanes.hpp has them
    std::int32_t words;            // of two inputs; 0: there is no such layer
    std::int32_t outputs;
};

// Sums of one or two linears to activations of 15 bits.
struct HiddenView {
    const std::int32_t *multiplier[2];  // (outputs) of the sums of the planes or of the layer before, of the columns
    const std::int64_t *bias;           // (outputs)
    std::int32_t shift;
};

// How a derived column is made, as plans/derived_columns.py lists them.
struct DerivedColumn {
    std::int32_t rule;
    std::int32_t place[3];
};

// Columns to integers: scaled values, marks of missing ones, then the encodings, bin by bin.
struct ColumnsView {
    const float *median;  // (columns, up to a multiple of kChannelBlock), as the next three
    const float *spread;
    const float *mean;
    const float *deviation;
    const std::int16_t *mark;  // (columns): what stands where a value is missing
    const float *low;          // (bins, columns)
    const float *size;
    const DerivedColumn *derived;
    std::int32_t given;    // columns that come in
    std::int32_t columns;  // with the derived ones
    std::int32_t bins;
};

struct NetworkView {
    ConvolutionView convolution[kMostConvolutions];
    const float *plane_scale;  // (planes)
    std::int32_t planes;       // 0: it takes none
    std::int32_t side;
    std::int32_t convolutions;
    std::int32_t rings;
    ColumnsView column;
    LinearView of_planes;
    LinearView of_columns;
    LinearView linear[kMostHidden];  // that of layer i >= 1, then the last, of one output or of a vector's numbers
    HiddenView hidden[kMostHidden];
    HiddenView numbers;   // of a vector: the sums of the last linear to bytes
    std::int32_t layers;  // hidden ones
    std::int32_t widest;  // outputs of any
    std::int32_t vector;  // numbers of the vector that it gives; 0: it gives a score
    std::int64_t out_bias;
    float out_scale;
    float temperature;
};

}  // namespace s2v::kernel
