// Scores rows of stamps by one model, or turns them into vectors, in the memory of one worker.
#pragma once

#include "isa.hpp"
#include "kernel/feature_sets.hpp"
#include "model.hpp"
#include "worker_memory.hpp"

#include <cstddef>
#include <cstdint>

namespace s2v {

// Rows that are measured, prepared and scored together, while they are in the cache.
inline constexpr std::int32_t kScorerBlock = 64;

// The arrays of one worker, in one block of memory, which the caller's allocator may give.
class Workspace {
public:
    Workspace(const s2v_model &model, const s2v_isa_table &isa, std::int32_t rows, const s2v_allocator *allocator);

    void *measuring;          // scratch of the features
    void *preparing;          // scratch of a recipe
    void *network;            // scratch of a network
    float *features;          // (rows, stamp features)
    float *columns;           // (rows, columns), of rows that are scored
    float *planes;            // of one row
    float *score;             // (rows), of rows that are scored
    std::int8_t *vectors;     // (rows, numbers) of them, by a network of vectors
    double *sum;              // (rows), of a forest
    std::uint32_t *measured;  // (rows) flags
    std::int32_t *row;        // (rows): which they are

private:
    WorkerMemory memory_;
};

// Data of candidates beside their pixels, by row.
struct CandidateData {
    const float *catalogue = nullptr;       // (n, kCatalogueColumns)
    const std::uint32_t *raised = nullptr;  // (n)
    // Features that are measured already, by the sets, the convention and the planes of the model; or null.
    const float *features = nullptr;               // (n, stamp features)
    const std::uint32_t *feature_flags = nullptr;  // (n)
};

// The inputs of a model, computed of rows of stamps.
struct RowInputs {
    float *planes;         // (n, the model's shape), or null
    float *columns;        // (n, the model's columns), or null
    std::uint32_t *flags;  // (n)
    std::uint8_t *scored;  // (n): 1 where the row has a score
};

class RowScorer;

// Where the vectors of rows are to be written while a model that takes the same (take_the_same) scores them: the rows'
// inputs are prepared once.
struct VectorTarget {
    const RowScorer &embedder;
    Workspace &space;
    std::int8_t *vectors;  // (n, numbers)
};

// Scores rows by one worker's memory. It allocates nothing and throws nothing.
class RowScorer {
public:
    RowScorer(const s2v_model &model, const s2v_isa_table &isa, std::int32_t largest_side);

    // Rows [begin, end) of stamps, at most as many as the workspace is made for.
    void score_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
                     float *score, std::uint32_t *flags, Workspace &space, const VectorTarget *also = nullptr) const;

    // The same of a network of vectors: vectors (n, numbers), zeros where a row has none.
    void embed_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
                     std::int8_t *vectors, std::uint32_t *flags, Workspace &space) const;

    // Writes the inputs that the model needs of these rows; also for a model of floats.
    void write_inputs(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
                      const RowInputs &out, Workspace &space) const;

private:
    // Some rows, their features, and the other data of their candidates.
    struct Block {
        s2v_stamps stamps;
        const float *features;               // (rows, stamp features)
        const std::uint32_t *feature_flags;  // (rows)
        const float *catalogue;              // (rows, kCatalogueColumns), or null
        const std::uint32_t *raised;         // (rows), or null
    };
    [[nodiscard]] Block measure_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end,
                                      const CandidateData &known, Workspace &space) const;
    [[nodiscard]] kernel::Verdict prepare_inputs(const Block &block, std::int32_t i, float *planes, float *columns,
                                                 Workspace &space) const;
    [[nodiscard]] std::uint32_t prepare_row(const s2v_stamps &block, std::int32_t i, float *planes,
                                            Workspace &space) const;
    [[nodiscard]] std::uint32_t gather_columns(const Block &block, std::int32_t i, float *to) const;
    template <class Encode>
    std::int32_t prepare_block(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end,
                               const CandidateData &known, std::uint32_t *flags, Workspace &space, Encode encode) const;
    void encode(const float *planes, std::int32_t row, Workspace &space) const;
    void write_vectors(std::int32_t rows, const float *columns, const std::int32_t *row, std::int8_t *vectors,
                       Workspace &space) const;
    void score_columns(std::int32_t rows, Workspace &space) const;
    void walk_trees(std::int32_t rows, Workspace &space) const;

    const s2v_model &model_;
    const s2v_isa_table &isa_;
    kernel::NetworkView network_{};
    std::int32_t largest_side_;
    std::int32_t measured_columns_;
};

}  // namespace s2v
