// Small integers of 64 columns at once: plane k has bit k of each.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

template <int N>
struct BitPlanes {
    std::uint64_t plane[N];

    // Those of the columns `by` to the right.
    S2V_HD BitPlanes shifted(int by) const {
        BitPlanes out;
        for (int k = 0; k < N; ++k) out.plane[k] = plane[k] >> by;
        return out;
    }
};

// Sum and carry of three bits.
S2V_HD inline BitPlanes<2> add_bits(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return {{a ^ b ^ c, (a & b) | (c & (a | b))}};
}

// Sums of N bits, which hold them, N + 1 where one is carried.
template <int Out, int N, int M>
S2V_HD BitPlanes<Out> add_planes(const BitPlanes<N> &a, const BitPlanes<M> &b) {
    static_assert(Out >= N && N >= M);
    BitPlanes<Out> out;
    std::uint64_t carry = 0;
    for (int k = 0; k < Out; ++k) {
        const BitPlanes<2> digit = add_bits(k < N ? a.plane[k] : 0, k < M ? b.plane[k] : 0, carry);
        out.plane[k] = digit.plane[0];
        carry = digit.plane[1];
    }
    return out;
}

// How many of seven bits are set.
S2V_HD inline BitPlanes<3> count_seven(const std::uint64_t (&bit)[7]) {
    const BitPlanes<2> a = add_bits(bit[0], bit[1], bit[2]);
    const BitPlanes<2> b = add_bits(bit[3], bit[4], bit[5]);
    const BitPlanes<2> c = add_bits(a.plane[0], b.plane[0], bit[6]);
    const BitPlanes<2> d = add_bits(a.plane[1], b.plane[1], c.plane[1]);
    return {{c.plane[0], d.plane[0], d.plane[1]}};
}

// The sums of each column and the six to its right: 49 at most.
S2V_HD inline BitPlanes<6> add_seven_columns(const BitPlanes<3> &x) {
    const BitPlanes<4> two = add_planes<4>(x, x.shifted(1));
    const BitPlanes<5> four = add_planes<5>(two, two.shifted(2));
    const BitPlanes<6> six = add_planes<6>(four, two.shifted(4));
    return add_planes<6>(six, x.shifted(6));
}

}  // namespace
}  // namespace s2v::kernel
