// Bytes of an input, and where in them something was found wrong.
#pragma once

#include "faults.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace s2v::decode {

using Bytes = std::span<const std::uint8_t>;

// What was wrong with bytes, and the offset from their start at which it was noticed.
struct Finding {
    Fault fault = Fault::none;
    std::size_t offset = 0;

    explicit operator bool() const noexcept {
        return fault != Fault::none;
    }
};

}  // namespace s2v::decode
