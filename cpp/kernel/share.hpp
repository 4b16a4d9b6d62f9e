// The elements of a range that a thread of a team works on at once.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

// Its elements are first, first + kLanes and so on.
template <int Count>
struct Share {
    static constexpr int count = Count;
    int first;
    S2V_HD constexpr int operator[](int i) const {
        return first + i * kLanes;
    }
};

}  // namespace
}  // namespace s2v::kernel
