// What the functions of the C ABI share that compute: checks of their arguments, and scratch for their workers.
#pragma once

#include "error.hpp"
#include "isa.hpp"

#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

namespace s2v {

inline constexpr std::int64_t kBlockRows = 32;
inline constexpr std::int32_t kLargestStampSide = 1 << 14;

struct AlignedDelete {
    void operator()(void *memory) const {
        ::operator delete(memory, std::align_val_t{64});
    }
};

using Scratch = std::unique_ptr<void, AlignedDelete>;

inline Scratch make_scratch(std::size_t bytes) {
    return Scratch(::operator new(bytes, std::align_val_t{64}));
}

inline void require(bool holds, const char *what) {
    if (!holds) throw Failure(S2V_INVALID_ARGUMENT, what);
}

inline const s2v_isa_table &require_isa() {
    const s2v_isa_table *const table = active_isa();
    if (!table) throw Failure(S2V_UNKNOWN_NAME, "SPACE2VEC_ISA names no instruction set of this processor");
    return *table;
}

inline void check_stamps(const s2v_stamps *stamps, const void *out, const void *flags, std::int32_t threads) {
    require(stamps && stamps->n >= 0 && threads >= 0, "stamps, n and threads");
    if (stamps->n == 0) return;
    require(stamps->n <= std::numeric_limits<std::int32_t>::max() && stamps->pixel_count >= 0, "n and pixel_count");
    require(stamps->offset && stamps->shape && out && flags, "null pointer");
    require(stamps->pixels || stamps->pixel_count == 0, "null pixels");
    for (std::int64_t i = 0; i < stamps->n * S2V_CHANNELS; ++i) {
        if (stamps->offset[i] < 0) continue;
        const std::int64_t height = stamps->shape[2 * i];
        const std::int64_t width = stamps->shape[2 * i + 1];
        require(height > 0 && width > 0 && height <= kLargestStampSide && width <= kLargestStampSide, "plane size");
        require(stamps->offset[i] <= stamps->pixel_count - height * width, "plane outside its buffer");
    }
    if (!stamps->centre) return;
    for (std::int64_t i = 0; i < 2 * stamps->n; ++i)
        require(std::abs(static_cast<std::int64_t>(stamps->centre[i])) <= kLargestStampSide, "centre");
}

}  // namespace s2v
