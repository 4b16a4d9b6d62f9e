#include "error.hpp"

#include <cstring>

namespace s2v {
namespace {

constexpr std::size_t kLongest = 512;
thread_local char last_error[kLongest] = "";

}  // namespace

std::string shown(std::string_view name) {
    constexpr std::size_t kMost = 100;
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const char c : name) {
        if (out.size() >= kMost) return out + "...";
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F)
            out += c;
        else
            out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    }
    return out;
}

void remember(const char *reason) noexcept {
    std::strncpy(last_error, reason, kLongest - 1);
}

}  // namespace s2v

extern "C" const char *s2v_last_error(void) {
    return s2v::last_error;
}
