#include "scorer.hpp"

#include "checks.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

using namespace s2v;

// A call: blocks that workers take in turn.
struct s2v_scorer::Job {
    s2v_scorer *scorer;
    const s2v_stamps &stamps;
    const Known &known;
    float *score;
    std::uint32_t *flags;
    std::int64_t rows;  // of a block
    std::int64_t blocks;
    std::atomic<std::int64_t> next{0};
};

s2v_scorer::s2v_scorer(const s2v_model &model, const s2v_isa_table &isa, const s2v_scorer_options &options) {
    const std::int32_t threads = options.threads > 0
                                     ? options.threads
                                     : static_cast<std::int32_t>(std::max(1U, std::thread::hardware_concurrency()));
    if (options.run != nullptr) {
        run_ = options.run;
        run_context_ = options.pool;
    } else {
        pool_.emplace(threads);
    }
    const std::int32_t side = options.largest_side > 0 ? options.largest_side : kLargestStampSide;
    workers_.reserve(static_cast<std::size_t>(threads));
    for (std::int32_t i = 0; i < threads; ++i) workers_.emplace_back(model, isa, side, options.allocator);
}

void s2v_scorer::work(Job &job, std::int32_t worker) noexcept {
    BlockScorer &rows = workers_[static_cast<std::size_t>(worker)];
    for (std::int64_t block = job.next++; block < job.blocks; block = job.next++)
        rows.score(job.stamps, block * job.rows, std::min(job.stamps.n, (block + 1) * job.rows), job.known, job.score,
                   job.flags);
}

void s2v_scorer::score(const s2v_stamps &stamps, const Known &known, float *score, std::uint32_t *flags) noexcept {
    const auto workers = static_cast<std::int64_t>(workers_.size());
    // Of few rows each worker takes some.
    const std::int64_t rows = std::clamp<std::int64_t>((stamps.n + workers - 1) / workers, 1, kScorerBlock);
    Job job{this, stamps, known, score, flags, rows, (stamps.n + rows - 1) / rows};
    const auto tasks = static_cast<std::int32_t>(std::min(workers, job.blocks));
    const auto task = [](void *argument, std::int32_t worker) {
        Job &of = *static_cast<Job *>(argument);
        of.scorer->work(of, worker);
    };
    if (run_ != nullptr)
        run_(run_context_, tasks, task, &job);
    else
        pool_->run(tasks, task, &job);
}
