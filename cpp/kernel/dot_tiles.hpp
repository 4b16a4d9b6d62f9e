// Sums of several inputs for several vectors of outputs at once, in registers.
#pragma once

#include "dot.hpp"
#include "register_array.hpp"

namespace s2v::kernel {
namespace {

struct InOrder {
    S2V_HD int operator[](int k) const {
        return k;
    }
};

// The sums of P inputs for O vectors of outputs.
template <class Dot, int P, int O>
using Sums = RegisterArray<RegisterArray<typename Dot::Sum, O>, P>;

// Adds the words of P inputs, `step` words from one to the next, times the weights of O vectors of outputs.
template <class Dot, bool Wide, int P, int O, class Offset>
S2V_HD inline void accumulate(const std::uint32_t *in, int step, const Offset &offset, int words,
                              const std::uint32_t *weights, int outputs, Sums<Dot, P, O> &sums) {
    RegisterArray<const std::uint32_t *, P> at;
    each_of<P>([&](auto p) { at[p] = in + p.value * step; });
    for (int k = 0; k < words; ++k) {
        const auto where = offset[k];
        RegisterArray<typename Dot::Weights, O> w;
        each_of<O>([&](auto o) { w[o] = Dot::weights(weights + o.value * Dot::kLanes); });
        weights += outputs;
        each_of<P>([&](auto p) {
            const typename Dot::Word x = Dot::word(at[p] + where);
            each_of<O>([&](auto o) {
                auto &sum = sums[p][o];
                sum = Wide ? Dot::wide(sum, x, w[o]) : Dot::narrow(sum, x, w[o]);
            });
        });
    }
}

// How `n` things are divided among tiles of at most `most`: the size of the largest.
S2V_HD constexpr int tile_size(int n, int most) {
    const int tiles = (n + most - 1) / most;
    return (n + tiles - 1) / tiles;
}

}  // namespace
}  // namespace s2v::kernel
