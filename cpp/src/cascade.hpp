// Cascades: a first network scores every row, and a second one the rows whose score is in doubt. The planes that the
// first does not look at are decoded only for these.
#pragma once

#include "row_scorer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace s2v {

// The planes, bits, that must be there before anything of a row is scored.
inline std::uint32_t planes_at_first(const s2v_model &model) noexcept {
    return model.first ? model.first->needs.planes : model.needs.planes;
}

// Scores blocks of rows by any model, or turns them into vectors, for one worker. It allocates all its memory when it
// is created.
class BlockScorer {
public:
    BlockScorer(const s2v_model &model, const s2v_isa_table &isa, std::int32_t largest_side,
                const s2v_allocator *allocator);

    // Rows [begin, end) of stamps, at most kScorerBlock.
    void score(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known, float *score,
               std::uint32_t *flags) {
        const std::span<const std::int64_t> doubtful = score_first(stamps, begin, end, known, score, flags);
        if (!doubtful.empty()) score_doubtful(stamps, known, score, flags);
    }

    // The first of two steps, between which planes may be decoded: scores by the first network, or by a model that is
    // no cascade, and returns the rows that are in doubt.
    std::span<const std::int64_t> score_first(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end,
                                              const CandidateData &known, float *score, std::uint32_t *flags,
                                              const VectorTarget *also = nullptr);

    // The second step: scores the rows in doubt by the second network.
    void score_doubtful(const s2v_stamps &stamps, const CandidateData &known, float *score, std::uint32_t *flags);

    // Vectors of rows [begin, end) by a network of vectors; zeros where a row has none.
    void embed(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end, const CandidateData &known,
               std::int8_t *vectors, std::uint32_t *flags) {
        rows_.embed_block(stamps, begin, end, known, vectors, flags, space_);
    }
    // What score_first of another model takes to write this one's vectors as well.
    VectorTarget target(std::int8_t *vectors) noexcept {
        return {rows_, space_, vectors};
    }

private:
    // Rows that are in doubt, side by side.
    struct Doubtful {
        std::vector<std::int64_t> row;
        std::vector<std::int64_t> offset;   // (rows, 3)
        std::vector<std::int32_t> shape;    // (rows, 3, 2)
        std::vector<std::int32_t> centre;   // (rows, 2)
        std::vector<std::uint32_t> raised;  // (rows)
        std::vector<float> catalogue;       // (rows, kCatalogueColumns)
        std::vector<float> score;           // (rows)
        std::vector<std::uint32_t> flags;   // (rows)

        void reserve(std::size_t rows);
        void gather(const s2v_stamps &stamps, const CandidateData &known);
    };

    const s2v_model &model_;
    RowScorer rows_;  // of the first network, or of the model
    Workspace space_;
    std::optional<RowScorer> second_;
    std::optional<Workspace> second_space_;
    Doubtful doubtful_;
};

// P(real) of n rows of what the second network of a cascade takes, some of which the first one takes.
void predict_cascade(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
                     int threads);

}  // namespace s2v
