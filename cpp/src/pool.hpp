// Threads that wait for the work of one scorer, and do it without an allocation.
#pragma once

#include <cstdint>
#include <memory>

namespace s2v {

// `threads` of them, the caller's among them; fewer where no more are to be had. One caller at a time. In a forked
// child, which has none of them, the caller does all the work.
class Pool {
public:
    using Task = void (*)(void *argument, std::int32_t task);

    explicit Pool(std::int32_t threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // Calls task(argument, i) for i in [0, tasks), at most one a thread of the pool at a time, and waits for all.
    void run(std::int32_t tasks, Task task, void *argument) noexcept;

    [[nodiscard]] std::int32_t threads() const noexcept;

private:
    struct Crew;
    std::unique_ptr<Crew> crew_;
};

}  // namespace s2v
