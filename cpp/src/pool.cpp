#include "pool.hpp"

#include "error.hpp"
#include "thread_start.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <vector>

namespace s2v {

struct Pool::Crew {
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

Pool::Pool(std::int32_t threads) : crew_(std::make_unique<Crew>()) {
    Crew &crew = *crew_;
    crew.others.reserve(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0));
    for (std::int32_t i = 1; i < threads; ++i) {
        try {
            crew.others.push_back(start_thread([&crew] { crew.work(); }));
        } catch (const std::exception &) {
            warn("fewer threads were to be had than were asked for");
            break;
        }
    }
}

Pool::~Pool() {
    // In a forked child nobody can be waited for: what the threads use is left to them.
    if (!crew_->owner.is_current()) {
        static_cast<void>(crew_.release());
        return;
    }
    {
        const std::lock_guard<std::mutex> hold(crew_->lock);
        crew_->over = true;
    }
    crew_->wanted.notify_all();
    for (std::thread &other : crew_->others) other.join();
}

void Pool::run(std::int32_t tasks, Task task, void *argument) noexcept {
    Crew &crew = *crew_;
    if (tasks <= 1 || crew.others.empty() || !crew.owner.is_current()) {
        for (std::int32_t i = 0; i < tasks; ++i) task(argument, i);
        return;
    }
    std::unique_lock<std::mutex> hold(crew.lock);
    crew.task = task;
    crew.argument = argument;
    crew.next = 0;
    crew.tasks = tasks;
    crew.wanted.notify_all();
    while (crew.take(hold)) {
    }
    crew.done.wait(hold, [&] { return crew.under_way == 0; });
    crew.tasks = crew.next = 0;
}

std::int32_t Pool::threads() const noexcept {
    return static_cast<std::int32_t>(crew_->others.size()) + 1;
}

}  // namespace s2v
