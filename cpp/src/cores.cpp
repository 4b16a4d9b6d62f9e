#include "cores.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#endif

namespace s2v {

std::int32_t cores_of_quota(const char *text) noexcept {
    char *end = nullptr;
    const long quota = std::strtol(text, &end, 10);
    if (end == text || quota <= 0) return 0;  // "max", or -1
    const char *const rest = end;
    const long period = std::strtol(rest, &end, 10);
    if (end == rest || period <= 0) return 0;
    return static_cast<std::int32_t>(std::clamp<long>((quota + period - 1) / period, 1, 1 << 16));
}

#if defined(__linux__)
namespace {

constexpr std::size_t kLongest = 512;  // of a path, and of what is read

// The beginning of a file, ended by a nul; false where it cannot be read.
bool read_start(const char *path, char (&text)[kLongest]) noexcept {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const ssize_t size = read(file, text, kLongest - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    return size > 0;
}

std::int32_t smaller_of(std::int32_t a, std::int32_t b) noexcept {
    return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

// The least that the groups from `group` up to the root leave, of version 2.
std::int32_t quota_of_groups(char *group) noexcept {
    char path[kLongest + 32];
    char text[kLongest];
    std::int32_t least = 0;
    for (;;) {
        std::snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        if (read_start(path, text)) least = smaller_of(least, cores_of_quota(text));
        char *const slash = std::strrchr(group, '/');
        if (slash == nullptr) return least;
        *slash = 0;
    }
}

std::int32_t quota_of_version_1() noexcept {
    char quota[kLongest];
    char period[kLongest];
    if (!read_start("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota) ||
        !read_start("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period))
        return 0;
    char both[64];
    std::snprintf(both, sizeof both, "%ld %ld", std::strtol(quota, nullptr, 10), std::strtol(period, nullptr, 10));
    return cores_of_quota(both);
}

// Asked for once: a quota seldom changes, and its files cost as much as a call.
std::int32_t quota() noexcept {
    static const std::int32_t cores = [] {
        char groups[kLongest];
        if (!read_start("/proc/self/cgroup", groups)) return 0;
        for (char *line = groups; line != nullptr && *line != 0;) {
            char *const end = std::strchr(line, '\n');
            if (end != nullptr) *end = 0;
            if (std::strncmp(line, "0::", 3) == 0) {
                const std::int32_t found = quota_of_groups(line + 3);
                if (found > 0) return found;
            }
            line = end == nullptr ? nullptr : end + 1;
        }
        return quota_of_version_1();
    }();
    return cores;
}

std::int32_t affinity() noexcept {
    // More processors than a cpu_set_t has room for make the call fail: then all are counted.
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    return CPU_COUNT(&set);
}

}  // namespace

std::int32_t usable_cores() noexcept {
    std::int32_t cores = affinity();
    if (cores <= 0) cores = static_cast<std::int32_t>(std::thread::hardware_concurrency());
    return std::max(1, smaller_of(cores, quota()));
}
#else
std::int32_t usable_cores() noexcept {
    return std::max(1, static_cast<std::int32_t>(std::thread::hardware_concurrency()));
}
#endif

}  // namespace s2v
