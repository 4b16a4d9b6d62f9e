// Threads that the process keeps for the work of any call, so that a call starts none.
#pragma once

#include <cstdint>

namespace s2v {

// Calls work(argument) in the caller's thread, and at the same time in up to `helpers` threads that are kept from call
// to call; returns when all of them have. Work that the caller ends by itself needs no helper: there are fewer where no
// more threads are to be had. A forked child has threads of its own. Several callers at a time share the threads.
// Allocates only where a thread is started.
void work_together(std::int64_t helpers, void (*work)(void *argument) noexcept, void *argument) noexcept;

// How many threads are kept.
std::int64_t kept_threads() noexcept;

}  // namespace s2v
