// Threads over rows: blocks of work handed out in order to as many workers as were asked for.
#pragma once

#include "cores.hpp"
#include "process_threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

namespace s2v {

// Calls f(begin, end, own) for blocks of at most `grain` rows that cover [0, n), on `threads` threads (0: one a core),
// the caller's among them; `own` is what make() gave that thread, once. The first exception is rethrown once every
// worker has stopped. Nothing is started where there is one block.
template <class Make, class F>
void parallel_for(std::int64_t n, std::int64_t grain, int threads, Make make, F f) {
    struct Job {
        std::int64_t n, grain, blocks;
        Make &make;
        F &f;
        std::atomic<std::int64_t> next{0};
        std::exception_ptr failure{};
        std::mutex lock{};
    };
    Job job{n, grain, (n + grain - 1) / grain, make, f};
    if (job.blocks <= 0) return;
    const auto work = [](void *argument) noexcept {
        Job &of = *static_cast<Job *>(argument);
        try {
            std::int64_t block = of.next++;
            if (block >= of.blocks) return;
            auto own = of.make();
            for (; block < of.blocks; block = of.next++)
                of.f(block * of.grain, std::min(of.n, (block + 1) * of.grain), own);
        } catch (...) {
            of.next = of.blocks;
            const std::lock_guard<std::mutex> hold(of.lock);
            if (!of.failure) of.failure = std::current_exception();
        }
    };
    const std::int64_t workers = std::min<std::int64_t>(job.blocks > 1 ? workers_for(threads) : 1, job.blocks);
    work_together(workers - 1, work, &job);
    if (job.failure) std::rethrow_exception(job.failure);
}

template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, int threads, F f) {
    parallel_for(
        n, grain, threads, [] { return 0; }, [&](std::int64_t begin, std::int64_t end, int) { f(begin, end); });
}

}  // namespace s2v
