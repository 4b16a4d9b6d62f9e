// What a C++ test needs: checks that count, and a main that returns non-zero where one fails.
#pragma once

#include <atomic>
#include <cstdio>
#include <exception>

// The sanitizer that a test is compiled with: GCC defines a macro, Clang has a feature.
#if defined(__SANITIZE_ADDRESS__)
#define S2V_ADDRESS_SANITIZER
#elif defined(__SANITIZE_THREAD__)
#define S2V_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define S2V_ADDRESS_SANITIZER
#elif __has_feature(thread_sanitizer)
#define S2V_THREAD_SANITIZER
#endif
#endif

namespace check {

// Threads check, too.
inline std::atomic<int> passed{0};
inline std::atomic<int> failed{0};

inline void record(bool good, const char *what, const char *file, int line) {
    if (good) {
        ++passed;
        return;
    }
    ++failed;
    std::printf("%s:%d: failed: %s\n", file, line, what);
}

// Print the counts; the exit status of a test program.
inline int report() {
    std::printf("%d passed, %d failed\n", passed.load(), failed.load());
    return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace check

#define CHECK(condition) ::check::record(static_cast<bool>(condition), #condition, __FILE__, __LINE__)

// The expression throws an exception of this type for which test(caught) holds.
#define CHECK_THROWS(expression, Type, test)                                                              \
    do {                                                                                                  \
        bool thrown_as_told = false;                                                                      \
        try {                                                                                             \
            (void)(expression);                                                                           \
        } catch (const Type &caught) {                                                                    \
            thrown_as_told = static_cast<bool>(test);                                                     \
        } catch (const std::exception &) {                                                                \
        }                                                                                                 \
        ::check::record(thrown_as_told, #expression " throws " #Type " with " #test, __FILE__, __LINE__); \
    } while (false)
