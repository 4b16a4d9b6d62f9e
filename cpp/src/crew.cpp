#include "crew.hpp"

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

// That are kept at most, whatever a call asks for.
constexpr std::int64_t kMostThreads = 255;

// Work of one call, on its stack.
struct Job {
    void (*work)(void *) noexcept;
    void *argument;
    std::int64_t wanted;       // helpers that it would still take
    std::int64_t running = 0;  // helpers that are at it
    Job *next = nullptr;
    std::condition_variable done{};
};

class Crew {
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
        busy_ -= job.wanted;  // who has not begun is not needed any more
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
    Job *first_ = nullptr;  // that takes helpers; the others follow
    std::int64_t threads_ = 0;
    std::int64_t busy_ = 0;  // helpers that all calls together want or have
};

// Never destroyed: its threads wait in it when the process ends.
std::atomic<Crew *> crew_of_process{nullptr};

// Null where there is no memory for one.
Crew *crew() noexcept {
    Crew *known = crew_of_process.load();
    while (known == nullptr || !known->is_current()) {
        // In a forked child the parent's is left as it is: its lock may be held by a thread that is not here.
        Crew *const made = new (std::nothrow) Crew;
        if (made == nullptr) return nullptr;
        if (crew_of_process.compare_exchange_strong(known, made)) return made;
        delete made;
    }
    return known;
}

}  // namespace

void work_together(std::int64_t helpers, void (*work)(void *) noexcept, void *argument) noexcept {
    Crew *const them = helpers > 0 ? crew() : nullptr;
    if (them != nullptr)
        them->run(helpers, work, argument);
    else
        work(argument);
}

std::int64_t crew_size() noexcept {
    Crew *const them = crew_of_process.load();
    return them != nullptr && them->is_current() ? them->size() : 0;
}

}  // namespace s2v
