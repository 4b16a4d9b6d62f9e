// Threads that one scorer keeps for its work, which they do without an allocation.
#pragma once

#include <cstdint>
#include <memory>

namespace s2v {

// There are `threads` of them, the caller's included; fewer where the system gives no more. One caller at a time. In a
// forked child, which has none of them, the caller does all the work.
class ScorerThreads {
public:
    using Task = void (*)(void *argument, std::int32_t task);

    explicit ScorerThreads(std::int32_t threads);
    ~ScorerThreads();
    ScorerThreads(const ScorerThreads &) = delete;
    ScorerThreads &operator=(const ScorerThreads &) = delete;

    // Calls task(argument, i) for i in [0, tasks), on all threads, each at one task at a time, and waits for the last.
    void run(std::int32_t tasks, Task task, void *argument) noexcept;

    [[nodiscard]] std::int32_t threads() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace s2v
