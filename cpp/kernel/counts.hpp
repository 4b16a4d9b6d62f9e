// The features that count or sum R in the boxes at the centre.
#pragma once

#include "block_means.hpp"

namespace s2v::kernel {
namespace {

// Pixel i of the box of `side` x `side` blocks in the middle of a plane R.
S2V_HD inline float box_pixel(const float *r, int side, int i) {
    const int first = kBlocks / 2 - side / 2;
    return r[(first + i / side) * kBlockStride + first + i % side];
}

// Number of R <= -k (or R < -k where `strict`).
template <class Team>
S2V_PART int count_below(const Team &team, const float *r, int side, float k, bool strict) {
    S2V_IN_SCRATCH(r);
    return team.count(side * side, [&](int i) {
        const float x = box_pixel(r, side, i);
        return strict ? x < -k : x <= -k;
    });
}

template <class Team>
S2V_PART int count_above(const Team &team, const float *r, int side, float k) {
    S2V_IN_SCRATCH(r);
    return team.count(side * side, [&](int i) { return box_pixel(r, side, i) >= k; });
}

template <class Team>
S2V_HD double box_sum(const Team &team, const float *r, int side) {
    return team.sum(side * side, [&](int i) {
        const float x = box_pixel(r, side, i);
        return x == x ? static_cast<double>(x) : 0.0;
    });
}

}  // namespace
}  // namespace s2v::kernel
