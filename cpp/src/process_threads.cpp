#include "process_threads.hpp"

#include "error.hpp"
#include "thread_start.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>

namespace s2v {
namespace {

// The most threads that are kept, whatever a call asks for.
constexpr std::int64_t kMostThreads = 255;

// Work of one call, on its stack.
struct Job {
    void (*work)(void *) noexcept;
    void *argument;
    std::int64_t wanted;       // helpers that may still join
    std::int64_t running = 0;  // helpers that work on it now
    Job *next = nullptr;
    std::condition_variable done{};
};

class ProcessThreads {
public:
    void run(std::int64_t helpers, void (*work)(void *) noexcept, void *argument) noexcept {
        const std::int64_t asked = std::min(helpers, kMostThreads);
        std::int64_t had = asked;
        Job job{work, argument, asked};
        {
            const std::lock_guard<std::mutex> hold(lock_);
            busy_ += asked;
            while (threads_ < std::min(busy_, kMostThreads) && start()) {
            }
            job.wanted = had = std::min(asked, threads_);
            busy_ -= asked - had;
            append(job);
        }
        if (had == 1)
            wanted_.notify_one();
        else
            wanted_.notify_all();
        if (had < asked) warn("fewer threads were to be had than were asked for");
        work(argument);
        std::unique_lock<std::mutex> hold(lock_);
        busy_ -= job.wanted;  // a helper that has not begun is no longer needed
        remove(job);
        job.done.wait(hold, [&] { return job.running == 0; });
    }

    [[nodiscard]] bool is_current() const noexcept {
        return owner_.is_current();
    }
    std::int64_t size() noexcept {
        const std::lock_guard<std::mutex> hold(lock_);
        return threads_;
    }

private:
    bool start() noexcept {
        try {
            start_thread([this] { wait_for_work(); }).detach();
        } catch (const std::exception &) {
            return false;
        }
        ++threads_;
        return true;
    }

    void wait_for_work() noexcept {
        std::unique_lock<std::mutex> hold(lock_);
        for (;;) {
            wanted_.wait(hold, [this] { return first_ != nullptr; });
            Job &job = *first_;
            --job.wanted;
            ++job.running;
            if (job.wanted == 0) first_ = job.next;
            hold.unlock();
            job.work(job.argument);
            hold.lock();
            --busy_;
            if (--job.running == 0) job.done.notify_one();
        }
    }

    void append(Job &job) noexcept {
        if (job.wanted == 0) return;
        Job **end = &first_;
        while (*end != nullptr) end = &(*end)->next;
        *end = &job;
    }

    void remove(const Job &job) noexcept {
        for (Job **at = &first_; *at != nullptr; at = &(*at)->next)
            if (*at == &job) {
                *at = job.next;
                return;
            }
    }

    const OwnerProcess owner_;
    std::mutex lock_;
    std::condition_variable wanted_;
    Job *first_ = nullptr;  // of the jobs that still take helpers
    std::int64_t threads_ = 0;
    std::int64_t busy_ = 0;  // helpers that all calls together want or have
};

// Never destroyed: the threads wait in it when the process ends.
std::atomic<ProcessThreads *> process_threads{nullptr};

// The threads of this process; null where there is no memory for them.
ProcessThreads *current_threads() noexcept {
    ProcessThreads *known = process_threads.load();
    while (known == nullptr || !known->is_current()) {
        // A forked child leaves the parent's object as it is: a thread that the child lacks may hold its lock.
        auto *const created = new (std::nothrow) ProcessThreads;
        if (created == nullptr) return nullptr;
        if (process_threads.compare_exchange_strong(known, created)) return created;
        delete created;
    }
    return known;
}

}  // namespace

void work_together(std::int64_t helpers, void (*work)(void *) noexcept, void *argument) noexcept {
    ProcessThreads *const threads = helpers > 0 ? current_threads() : nullptr;
    if (threads != nullptr)
        threads->run(helpers, work, argument);
    else
        work(argument);
}

std::int64_t kept_threads() noexcept {
    ProcessThreads *const threads = process_threads.load();
    return threads != nullptr && threads->is_current() ? threads->size() : 0;
}

}  // namespace s2v
