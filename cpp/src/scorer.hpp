// Scores stamps by a model, or turns them into vectors. It allocates all its memory when it is created.
#pragma once

#include "cascade.hpp"
#include "frame_cuts.hpp"
#include "scorer_threads.hpp"

#include <cstdint>
#include <optional>
#include <vector>

struct s2v_scorer {
    s2v_scorer(const s2v_model &model, const s2v_isa_table &isa, const s2v_scorer_options &options);

    // Scores all rows; stamps were checked.
    void score(const s2v_stamps &stamps, const s2v::CandidateData &known, float *score, std::uint32_t *flags) noexcept;
    // The same of detections in frames.
    void score(const s2v::Field &field, const s2v::CandidateData &known, float *score, std::uint32_t *flags) noexcept;
    // The vectors of either, by a network of vectors.
    void embed(const s2v_stamps &stamps, const s2v::CandidateData &known, std::int8_t *vectors,
               std::uint32_t *flags) noexcept;
    void embed(const s2v::Field &field, const s2v::CandidateData &known, std::int8_t *vectors,
               std::uint32_t *flags) noexcept;

    [[nodiscard]] const s2v_model &model() const noexcept {
        return model_;
    }

private:
    template <class Work>
    struct Job;
    template <class Work>
    void in_blocks(std::int64_t n, std::int64_t most, const Work &work) noexcept;
    template <class Work>
    void in_cuts(const s2v::Field &field, const s2v::CandidateData &known, const Work &work) noexcept;

    const s2v_model &model_;
    std::vector<s2v::BlockScorer> workers_;
    std::vector<s2v::FrameCuts> cuts_;           // (workers)
    std::optional<s2v::ScorerThreads> threads_;  // none: the caller's threads are used
    void (*run_)(void *, std::int32_t, void (*)(void *, std::int32_t), void *) = nullptr;
    void *run_context_ = nullptr;
};
