// Threads of the library: they leave the host program's signals to its own threads.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

#include <unistd.h>

namespace s2v {

// Start a thread in which every signal is blocked. Throws std::system_error and std::bad_alloc.
template <class F>
std::thread start_thread(F f) {
    struct Blocked {
        sigset_t before;
        Blocked() noexcept {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &before);
        }
        ~Blocked() {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
        }
    };
    const Blocked blocked;
    return std::thread(std::move(f));
}

// The process that created something: a forked child has the memory of its parent, but none of its threads.
class OwnerProcess {
public:
    OwnerProcess() noexcept : process_(getpid()) {}

    [[nodiscard]] bool is_current() const noexcept {
        return getpid() == process_;
    }

private:
    pid_t process_;
};

}  // namespace s2v
