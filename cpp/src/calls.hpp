// What the functions of the C ABI that compute on the CPU share: checks of stamps, and scratch for workers.
#pragma once

#include "checks.hpp"
#include "isa.hpp"

#include <cstdlib>
#include <memory>
#include <new>

namespace s2v {

// Rows that a thread takes at a time.
inline constexpr std::int64_t kStampBlock = 32;

struct AlignedDelete {
    void operator()(void *memory) const {
        ::operator delete(memory, std::align_val_t{64});
    }
};

using Scratch = std::unique_ptr<void, AlignedDelete>;

inline Scratch make_scratch(std::size_t bytes) {
    return Scratch(::operator new(bytes, std::align_val_t{64}));
}

inline const s2v_isa_table &require_isa() {
    const s2v_isa_table *const table = active_isa();
    if (!table) throw Failure(S2V_UNKNOWN_NAME, "SPACE2VEC_ISA names no instruction set of this processor");
    return *table;
}

inline void check_stamps(const s2v_stamps *stamps, const void *out, const void *flags, std::int32_t threads) {
    require(threads >= 0, "threads is negative");
    check_batch(stamps, out, flags);
    for (std::int64_t i = 0; i < stamps->n * S2V_CHANNELS; ++i) {
        if (stamps->offset[i] < 0) continue;
        const std::int64_t height = stamps->shape[2 * i];
        const std::int64_t width = stamps->shape[2 * i + 1];
        require(height > 0 && width > 0 && height <= kLargestStampSide && width <= kLargestStampSide,
                "a plane of stamps has a height or width that is not from 1 to 16384");
        require(stamps->offset[i] <= stamps->pixel_count - height * width, "a plane of stamps ends beyond pixel_count");
    }
    if (!stamps->centre) return;
    for (std::int64_t i = 0; i < 2 * stamps->n; ++i)
        require(std::abs(static_cast<std::int64_t>(stamps->centre[i])) <= kLargestStampSide,
                "a centre is further than 16384 pixels from its stamp");
}

}  // namespace s2v
