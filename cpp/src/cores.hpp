// How many cores this process may use.
#pragma once

#include <cstdint>

namespace s2v {

// At least 1: those that the scheduler's affinity and the processor time of the control group leave; asked for by
// `threads = 0`. Allocates nothing.
std::int32_t usable_cores() noexcept;

// What a call means by its `threads`.
inline std::int32_t workers_for(std::int32_t threads) noexcept {
    return threads > 0 ? threads : usable_cores();
}

// Cores that a quota of processor time pays for, by the text of a control group's file; 0: as many as there are.
// cpu.max of version 2 ("150000 100000"), or quota and period of version 1.
std::int32_t cores_of_quota(const char *text) noexcept;

}  // namespace s2v
