// The packing of pixels that the C ABI passes, checked.
#pragma once

#include "checks.hpp"
#include "kernel/packed_pixel.hpp"
#include "space2vec/packing.h"

#include <cmath>

namespace s2v {

inline kernel::Packing packing_of(const s2v_packing *how) {
    S2V_REQUIRE_SIZE(how, s2v_packing);
    require(how->form == S2V_PACKED_FLOAT16 || how->form == S2V_PACKED_INT16, "form of a packing");
    const bool integers = how->form == S2V_PACKED_INT16;
    if (integers) {
        require(std::isfinite(how->scale) && how->scale > 0.0F, "the scale of a packing is finite and above 0");
        require(std::isfinite(how->zero), "the zero of a packing is finite");
    }
    return {integers, how->scale, how->zero};
}

}  // namespace s2v
