#include "scorer_threads.hpp"

#include "error.hpp"
#include "thread_start.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <vector>

namespace s2v {

struct ScorerThreads::State {
    const OwnerProcess owner;
    std::mutex lock;
    std::condition_variable wanted;
    std::condition_variable done;
    Task task = nullptr;
    void *argument = nullptr;
    std::int32_t tasks = 0;
    std::int32_t next = 0;
    std::int32_t under_way = 0;
    bool over = false;
    std::vector<std::thread> others;

    // Does the next task, if there is one.
    bool take(std::unique_lock<std::mutex> &hold) {
        if (next >= tasks) return false;
        const std::int32_t mine = next++;
        ++under_way;
        hold.unlock();
        task(argument, mine);
        hold.lock();
        --under_way;
        if (next >= tasks && under_way == 0) done.notify_one();
        return true;
    }

    void work() {
        std::unique_lock<std::mutex> hold(lock);
        while (true) {
            wanted.wait(hold, [&] { return over || next < tasks; });
            if (over) return;
            take(hold);
        }
    }
};

ScorerThreads::ScorerThreads(std::int32_t threads) : state_(std::make_unique<State>()) {
    State &state = *state_;
    state.others.reserve(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0));
    for (std::int32_t i = 1; i < threads; ++i) {
        try {
            state.others.push_back(start_thread([&state] { state.work(); }));
        } catch (const std::exception &) {
            warn("fewer threads were to be had than were asked for");
            break;
        }
    }
}

ScorerThreads::~ScorerThreads() {
    // In a forked child there is no thread to wait for, and what the threads use must stay.
    if (!state_->owner.is_current()) {
        static_cast<void>(state_.release());
        return;
    }
    {
        const std::lock_guard<std::mutex> hold(state_->lock);
        state_->over = true;
    }
    state_->wanted.notify_all();
    for (std::thread &other : state_->others) other.join();
}

void ScorerThreads::run(std::int32_t tasks, Task task, void *argument) noexcept {
    State &state = *state_;
    if (tasks <= 1 || state.others.empty() || !state.owner.is_current()) {
        for (std::int32_t i = 0; i < tasks; ++i) task(argument, i);
        return;
    }
    std::unique_lock<std::mutex> hold(state.lock);
    state.task = task;
    state.argument = argument;
    state.next = 0;
    state.tasks = tasks;
    state.wanted.notify_all();
    while (state.take(hold)) {
    }
    state.done.wait(hold, [&] { return state.under_way == 0; });
    state.tasks = state.next = 0;
}

std::int32_t ScorerThreads::threads() const noexcept {
    return static_cast<std::int32_t>(state_->others.size()) + 1;
}

}  // namespace s2v
