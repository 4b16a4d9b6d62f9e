// Threads over rows: blocks of work handed out in order to as many workers as were asked for.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace s2v {

// Calls f(begin, end, own) for blocks of at most `grain` rows that cover [0, n), on `threads` threads (0: one a core),
// the caller's among them; `own` is what make() gave that thread, once. The first exception is rethrown once every
// worker has stopped.
template <class Make, class F>
void parallel_for(std::int64_t n, std::int64_t grain, int threads, Make make, F f) {
    const std::int64_t blocks = (n + grain - 1) / grain;
    const std::int64_t wanted = threads > 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
    const std::int64_t workers = std::min(wanted, blocks);
    std::atomic<std::int64_t> next{0};
    std::exception_ptr failure;
    std::mutex failure_lock;
    const auto work = [&] {
        try {
            auto own = make();
            for (std::int64_t block = next++; block < blocks; block = next++)
                f(block * grain, std::min(n, (block + 1) * grain), own);
        } catch (...) {
            next = blocks;
            const std::lock_guard<std::mutex> hold(failure_lock);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    others.reserve(
        static_cast<std::size_t>(workers > 1 ? workers - 1 : 0));  // nothing may throw between start and join
    for (std::int64_t i = 1; i < workers; ++i) {
        try {
            others.emplace_back(work);
        } catch (const std::exception &) {
            break;  // no more threads to be had: the work is done with those there are
        }
    }
    work();
    for (std::thread &other : others) other.join();
    if (failure) std::rethrow_exception(failure);
}

template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, int threads, F f) {
    parallel_for(
        n, grain, threads, [] { return 0; }, [&](std::int64_t begin, std::int64_t end, int) { f(begin, end); });
}

}  // namespace s2v
