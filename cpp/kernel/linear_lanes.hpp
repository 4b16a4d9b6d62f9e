// Linear layers where each lane of a warp has outputs of its own: an instruction multiplies two inputs of 16 bits by
// two weights of 8. A word holds four weights of an output, as lanes load them: words in order, an output beside the
// next.
#pragma once

#include "dot.hpp"
#include "network_view.hpp"

namespace s2v::kernel {
namespace {

// Words of four weights of a layer whose inputs are so many words of two.
S2V_HD constexpr int weight_words(int words) {
    return (words + 1) / 2;
}

// P rows of a layer. in: (P, words); out: (P, outputs).
template <int P, class Team>
S2V_STAGE void multiply_rows(const Team &team, const LinearView &layer, const std::uint32_t *in, std::int32_t *out) {
    S2V_IN_SCRATCH(in);
    S2V_IN_SCRATCH(out);
    const int words = layer.words;
    const int outputs = layer.outputs;
    const auto &lanes = team.lanes();
    team.for_each(outputs, [&](int o) {
        const std::uint32_t *weights = layer.weights + o;
        std::int32_t sum[P] = {};
        S2V_UNROLLED
        for (int k = 0; k + 1 < words; k += 2) {
            const std::uint32_t w = *weights;
            weights += outputs;
            for (int p = 0; p < P; ++p) {
                const std::uint32_t *const x = in + p * words + k;
                sum[p] = lanes.add_upper(lanes.add_lower(sum[p], word_at(x), w), word_at(x + 1), w);
            }
        }
        if (words % 2)
            for (int p = 0; p < P; ++p) sum[p] = lanes.add_lower(sum[p], word_at(in + p * words + words - 1), *weights);
        for (int p = 0; p < P; ++p) out[p * outputs + o] = sum[p];
    });
}

inline constexpr int kRowsOfWeights = 4;  // that are multiplied by a word once it is loaded

template <class Team>
S2V_HD void multiply_on_lanes(const Team &team, const LinearView &layer, int rows, const std::uint32_t *in,
                              std::int32_t *out) {
    int row = 0;
    for (; row + kRowsOfWeights <= rows; row += kRowsOfWeights)
        multiply_rows<kRowsOfWeights>(team, layer, in + row * layer.words, out + row * layer.outputs);
    for (; row < rows; ++row) multiply_rows<1>(team, layer, in + row * layer.words, out + row * layer.outputs);
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
