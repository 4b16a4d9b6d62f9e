#include "scorer.hpp"

#include "checks.hpp"
#include "cores.hpp"

#include <algorithm>
#include <atomic>

using namespace s2v;

// A call: blocks that workers take in turn, by work(worker, begin, end).
template <class Work>
struct s2v_scorer::Job {
    const Work &work;
    std::int64_t n;
    std::int64_t rows;  // of a block
    std::int64_t blocks;
    std::atomic<std::int64_t> next{0};
};

s2v_scorer::s2v_scorer(const s2v_model &model, const s2v_isa_table &isa, const s2v_scorer_options &options)
    : model_(model) {
    const std::int32_t threads = workers_for(options.threads);
    if (options.run != nullptr) {
        run_ = options.run;
        run_context_ = options.pool;
    } else {
        threads_.emplace(threads);
    }
    const std::int32_t side = options.largest_side > 0 ? options.largest_side : kLargestStampSide;
    workers_.reserve(static_cast<std::size_t>(threads));
    cuts_.reserve(static_cast<std::size_t>(threads));
    const ModelRecipe *const recipe = model.recipe ? &*model.recipe : nullptr;
    const std::uint32_t planes = model.needs.planes | (model.measuring.sets ? model.measuring.planes : 0);
    for (std::int32_t i = 0; i < threads; ++i) {
        workers_.emplace_back(model, isa, side, options.allocator);
        cuts_.emplace_back(cut_side(recipe), planes, options.allocator);
    }
}

// Does n rows in blocks of at most `most`.
template <class Work>
void s2v_scorer::in_blocks(std::int64_t n, std::int64_t most, const Work &work) noexcept {
    const auto workers = static_cast<std::int64_t>(workers_.size());
    // Of few rows each worker takes some.
    const std::int64_t rows = std::clamp<std::int64_t>((n + workers - 1) / workers, 1, most);
    Job<Work> job{work, n, rows, (n + rows - 1) / rows};
    const auto tasks = static_cast<std::int32_t>(std::min(workers, job.blocks));
    const auto task = [](void *argument, std::int32_t worker) {
        auto &of = *static_cast<Job<Work> *>(argument);
        for (std::int64_t block = of.next++; block < of.blocks; block = of.next++)
            of.work(static_cast<std::size_t>(worker), block * of.rows, std::min(of.n, (block + 1) * of.rows));
    };
    if (run_ != nullptr)
        run_(run_context_, tasks, task, &job);
    else
        threads_->run(tasks, task, &job);
}

// Cuts stamps out of frames; calls work(worker, stamps, known, first row) for a few rows after others.
template <class Work>
void s2v_scorer::in_cuts(const Field &field, const CandidateData &known, const Work &work) noexcept {
    in_blocks(field.n, cuts_[0].rows(), [&](std::size_t worker, std::int64_t begin, std::int64_t end) {
        const s2v_stamps stamps = cuts_[worker].cut(field, begin, end);
        CandidateData own;
        if (known.catalogue != nullptr) own.catalogue = known.catalogue + begin * kernel::kCatalogueColumns;
        own.raised = cuts_[worker].join_flags(known.raised == nullptr ? nullptr : known.raised + begin, end - begin);
        work(workers_[worker], stamps, own, begin);
    });
}

void s2v_scorer::score(const s2v_stamps &stamps, const CandidateData &known, float *score,
                       std::uint32_t *flags) noexcept {
    in_blocks(stamps.n, kScorerBlock, [&](std::size_t worker, std::int64_t begin, std::int64_t end) {
        workers_[worker].score(stamps, begin, end, known, score, flags);
    });
}

void s2v_scorer::score(const Field &field, const CandidateData &known, float *score, std::uint32_t *flags) noexcept {
    in_cuts(field, known,
            [&](BlockScorer &worker, const s2v_stamps &stamps, const CandidateData &own, std::int64_t row) {
                worker.score(stamps, 0, stamps.n, own, score + row, flags + row);
            });
}

void s2v_scorer::embed(const s2v_stamps &stamps, const CandidateData &known, std::int8_t *vectors,
                       std::uint32_t *flags) noexcept {
    in_blocks(stamps.n, kScorerBlock, [&](std::size_t worker, std::int64_t begin, std::int64_t end) {
        workers_[worker].embed(stamps, begin, end, known, vectors, flags);
    });
}

void s2v_scorer::embed(const Field &field, const CandidateData &known, std::int8_t *vectors,
                       std::uint32_t *flags) noexcept {
    in_cuts(field, known,
            [&](BlockScorer &worker, const s2v_stamps &stamps, const CandidateData &own, std::int64_t row) {
                worker.embed(stamps, 0, stamps.n, own, vectors + row * model_.vector, flags + row);
            });
}
