// Whether a device can read and write at the addresses that it is given: off a multiple of the elements' size, the
// attempt would lose it.
#pragma once

#include "checks.hpp"

#include <cstdint>

namespace s2v::cuda {

template <class... T>
void require_aligned(const T *...pointers) {
    require(((reinterpret_cast<std::uintptr_t>(pointers) % alignof(T) == 0) && ...),
            "an address is no multiple of its elements' size");
}

template <class... T>
void require_aligned(const s2v_stamps &stamps, const T *...pointers) {
    require_aligned(stamps.pixels, stamps.offset, stamps.shape, stamps.centre, pointers...);
}

}  // namespace s2v::cuda
