// Threads that wait for work, and do it without an allocation.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace s2v {

// `threads` of them, the caller's among them; fewer where no more are to be had. One caller at a time.
class Pool {
public:
    using Task = void (*)(void *argument, std::int32_t task);

    explicit Pool(std::int32_t threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // Calls task(argument, i) for i in [0, tasks), at most one a thread of the pool at a time, and waits for all.
    void run(std::int32_t tasks, Task task, void *argument) noexcept;

    [[nodiscard]] std::int32_t threads() const noexcept {
        return static_cast<std::int32_t>(others_.size()) + 1;
    }

private:
    void work();
    bool take(std::unique_lock<std::mutex> &hold);

    std::mutex lock_;
    std::condition_variable wanted_;
    std::condition_variable done_;
    Task task_ = nullptr;
    void *argument_ = nullptr;
    std::int32_t tasks_ = 0;
    std::int32_t next_ = 0;
    std::int32_t under_way_ = 0;
    bool over_ = false;
    std::vector<std::thread> others_;
};

}  // namespace s2v
