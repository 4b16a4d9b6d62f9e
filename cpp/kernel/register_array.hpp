// A few values that are told apart when the code is compiled: each has a register of its own, where a compiler may keep
// an array in memory.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

template <int I>
struct Constant {
    static constexpr int value = I;
};

template <class T, int N>
struct RegisterArray {
    T first;
    RegisterArray<T, N - 1> rest;

    template <int I>
    S2V_HD T &operator[](Constant<I>) {
        if constexpr (I == 0)
            return first;
        else
            return rest[Constant<I - 1>{}];
    }
};
template <class T>
struct RegisterArray<T, 0> {};

// Calls f(Constant<I>) for I in [0, N), in that order.
template <int N, int I = 0, class F>
S2V_HD inline void each_of(F f) {
    if constexpr (I < N) {
        f(Constant<I>{});
        each_of<N, I + 1>(f);
    }
}

}  // namespace
}  // namespace s2v::kernel
