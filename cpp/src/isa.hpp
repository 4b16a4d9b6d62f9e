// The entry points that exist once per instruction set, and the choice among them.
#pragma once

#include "space2vec/space2vec.h"

#include <cstddef>

namespace s2v::kernel {
struct InflateState;
}

// One table a kernel object: the only symbol that the object exports.
struct s2v_isa_table {
    const char *name;
    std::size_t feature_scratch;  // bytes that a worker needs, aligned to 64
    std::size_t recipe_scratch;
    void (*features)(const s2v_stamps *stamps, int64_t begin, int64_t end, s2v_convention convention, float *values,
                     uint32_t *flags, void *scratch);
    void (*prepare)(const s2v_stamps *stamps, int64_t begin, int64_t end, int32_t recipe, float *planes,
                    uint32_t *flags, void *scratch);
    void (*read_big_endian)(const uint8_t *stored, int64_t count, float *pixels);
    // Decode `count` streams, one to six, until some stop; a bit for each that did.
    int (*inflate)(s2v::kernel::InflateState *states, int count);
};

namespace s2v {

// The table for this processor, or the one that SPACE2VEC_ISA names; null if there is none of that name here.
const s2v_isa_table *active_isa() noexcept;

}  // namespace s2v
