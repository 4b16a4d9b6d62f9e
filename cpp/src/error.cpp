#include "error.hpp"

#include <cstring>

namespace s2v {
namespace {

constexpr std::size_t kLongest = 512;
thread_local char last_error[kLongest] = "";

}  // namespace

void remember(const char *reason) noexcept {
    std::strncpy(last_error, reason, kLongest - 1);
}

}  // namespace s2v

extern "C" const char *s2v_last_error(void) {
    return s2v::last_error;
}
