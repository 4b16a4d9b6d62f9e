#include "pool.hpp"

#include <exception>

namespace s2v {

Pool::Pool(std::int32_t threads) {
    others_.reserve(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0));
    for (std::int32_t i = 1; i < threads; ++i) {
        try {
            others_.emplace_back([this] { work(); });
        } catch (const std::exception &) {
            break;  // no more threads to be had
        }
    }
}

Pool::~Pool() {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        over_ = true;
    }
    wanted_.notify_all();
    for (std::thread &other : others_) other.join();
}

// Does the next task, if there is one.
bool Pool::take(std::unique_lock<std::mutex> &hold) {
    if (next_ >= tasks_) return false;
    const std::int32_t mine = next_++;
    ++under_way_;
    hold.unlock();
    task_(argument_, mine);
    hold.lock();
    --under_way_;
    if (next_ >= tasks_ && under_way_ == 0) done_.notify_one();
    return true;
}

void Pool::work() {
    std::unique_lock<std::mutex> hold(lock_);
    while (true) {
        wanted_.wait(hold, [&] { return over_ || next_ < tasks_; });
        if (over_) return;
        take(hold);
    }
}

void Pool::run(std::int32_t tasks, Task task, void *argument) noexcept {
    if (tasks <= 1 || others_.empty()) {
        for (std::int32_t i = 0; i < tasks; ++i) task(argument, i);
        return;
    }
    std::unique_lock<std::mutex> hold(lock_);
    task_ = task;
    argument_ = argument;
    next_ = 0;
    tasks_ = tasks;
    wanted_.notify_all();
    while (take(hold)) {
    }
    done_.wait(hold, [&] { return under_way_ == 0; });
    tasks_ = next_ = 0;
}

}  // namespace s2v
