// The elements of a range that one lane of a team works on.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

// Elements first, first + kLanes and so on, `Count` of them.
template <int Count>
struct LaneElements {
    static constexpr int count = Count;
    int first;
    S2V_HD constexpr int operator[](int i) const {
        return first + i * kLanes;
    }
};

}  // namespace
}  // namespace s2v::kernel
