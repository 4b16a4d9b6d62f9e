// The entry points that exist once per instruction set, and the choice among them.
#pragma once

#include "space2vec/space2vec.h"

#include <cstddef>

namespace s2v::kernel {
enum class PackedFor : int32_t;
struct InflateState;
struct Measuring;
struct ModelNeeds;
struct NetworkView;
struct ViewRecipe;
}  // namespace s2v::kernel

// Each of these is the only symbol of one kernel object.
struct s2v_feature_kernels {
    std::size_t feature_scratch;  // bytes that a worker needs, aligned to 64
    // values: a row has the columns of the sets, see s2v_features.
    void (*features)(const s2v_stamps *stamps, int64_t begin, int64_t end, const s2v::kernel::Measuring *what,
                     s2v_convention convention, float *values, uint32_t *flags, void *scratch);
};

struct s2v_plane_kernels {
    std::size_t recipe_scratch;  // bytes that a worker needs, aligned to 64
    void (*prepare)(const s2v_stamps *stamps, int64_t begin, int64_t end, int32_t recipe, bool flags_measured,
                    float *planes, uint32_t *flags, void *scratch);
    std::size_t step_scratch;
    void (*normalise)(const s2v_planes *planes, int64_t begin, int64_t end, const s2v_step *steps, int32_t count,
                      float fill, float *out, uint32_t *flags, void *scratch);
    void (*compose)(const s2v_stamps *stamps, int64_t begin, int64_t end, const s2v_composition *how, float *planes,
                    uint32_t *flags, void *scratch);
    // planes: those of row `begin` come first.
    void (*prepare_views)(const s2v_stamps *stamps, int64_t begin, int64_t end, const s2v::kernel::ViewRecipe *how,
                          const s2v::kernel::ModelNeeds *needs, float *planes, uint32_t *flags, void *scratch);
};

struct s2v_stream_kernels {
    void (*read_big_endian)(const uint8_t *stored, int64_t count, float *pixels);
    // Decode `count` streams, one to six, until some stop; a bit for each that did.
    int (*inflate)(s2v::kernel::InflateState *states, int count);
};

struct s2v_network_kernels {
    int32_t network_group;  // inputs in a word, as a PackedNetwork must have them
    s2v::kernel::PackedFor network_packing;
    // Bytes that a worker needs for blocks of at most `rows` rows, aligned to 64.
    std::size_t (*network_scratch)(const s2v::kernel::NetworkView *network, int32_t rows);
    // Encodes the planes of a row, which is number `row` of its block.
    void (*encode_planes)(const s2v::kernel::NetworkView *network, const float *planes, int32_t row, int32_t most,
                          void *scratch);
    // Scores the first `rows` rows of a block, whose planes are encoded; columns: (rows, columns without the derived
    // ones).
    void (*score_rows)(const s2v::kernel::NetworkView *network, const float *columns, int32_t rows, float *score,
                       void *scratch, int32_t most);
    // The same by a network of vectors: vectors (rows, the network's numbers).
    void (*embed_rows)(const s2v::kernel::NetworkView *network, const float *columns, int32_t rows, int8_t *vectors,
                       void *scratch, int32_t most);
};

struct s2v_isa_table : s2v_feature_kernels, s2v_plane_kernels, s2v_stream_kernels, s2v_network_kernels {
    const char *name;
};

namespace s2v {

// The table for this processor, or the one that SPACE2VEC_ISA names; null if there is none of that name here.
const s2v_isa_table *active_isa() noexcept;

}  // namespace s2v
