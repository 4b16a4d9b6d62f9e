// Division by a number that is the same for many.
#pragma once

#include "macros.hpp"

namespace s2v::kernel {
namespace {

// i / divisor, for i times the divisor below 2^32.
class Quotient {
public:
    S2V_HD explicit Quotient(int divisor)
        : inverse_(0xffffffffu / static_cast<std::uint32_t>(divisor) + 1u), one_(divisor == 1) {}
    S2V_HD int operator()(int i) const {
        return one_ ? i : static_cast<int>(std::uint64_t{inverse_} * static_cast<std::uint32_t>(i) >> 32);
    }

private:
    std::uint32_t inverse_;
    bool one_;
};

}  // namespace
}  // namespace s2v::kernel
