// Pixels as files store them, most significant byte first.
#pragma once

#include <cstdint>

namespace s2v::kernel {
namespace {

// The floats at `stored`, which need no alignment, in the order of this machine; NaN keep their payload.
inline void read_big_endian(const std::uint8_t *stored, std::int64_t count, float *__restrict pixels) {
    for (std::int64_t i = 0; i < count; ++i) {
        std::uint32_t bits;
        __builtin_memcpy(&bits, stored + 4 * i, sizeof(bits));
        if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) bits = __builtin_bswap32(bits);
        __builtin_memcpy(pixels + i, &bits, sizeof(bits));
    }
}

}  // namespace
}  // namespace s2v::kernel
