#include "error.hpp"

#include <cstring>
#include <mutex>

namespace s2v {
namespace {

constexpr std::size_t kLongest = 512;
thread_local char last_error[kLongest] = "";

struct Log {
    s2v_log say = nullptr;
    void *context = nullptr;
};
std::mutex log_lock;
Log log_of_process;

void say(s2v_log_level level, const char *sentence) noexcept {
    Log log;
    {
        const std::lock_guard<std::mutex> hold(log_lock);
        log = log_of_process;
    }
    // Not under the lock: the log may call the library, or set another log.
    if (log.say != nullptr) log.say(log.context, level, sentence);
}

}  // namespace

std::string printable(std::string_view name) {
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

void set_last_error(const char *reason) noexcept {
    std::strncpy(last_error, reason, kLongest - 1);
    say(S2V_LOG_ERROR, last_error);
}

void warn(const char *sentence) noexcept {
    say(S2V_LOG_WARNING, sentence);
}

}  // namespace s2v

extern "C" {

const char *s2v_last_error(void) {
    return s2v::last_error;
}

void s2v_set_log(s2v_log say, void *context) {
    const std::lock_guard<std::mutex> hold(s2v::log_lock);
    s2v::log_of_process = {say, context};
}

}  // extern "C"
