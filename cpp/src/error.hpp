// Failures inside the library, and their way out through the C ABI.
#pragma once

#include "space2vec/space2vec.h"

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace s2v {

// A call that cannot run: the status that the C ABI returns, and why.
class Failure : public std::runtime_error {
public:
    Failure(s2v_status status, const std::string &reason) : std::runtime_error(reason), status_(status) {}
    [[nodiscard]] s2v_status status() const noexcept {
        return status_;
    }

private:
    s2v_status status_;
};

// A name out of a file as an error shows it: printable ASCII, other bytes as \xNN, and short enough that the reason
// fits into s2v_last_error() with it.
std::string printable(std::string_view name);

// Sets the reason that s2v_last_error() returns in this thread, and hands it to the log. Allocates nothing.
void set_last_error(const char *reason) noexcept;

// Hands a sentence to the log alone.
void warn(const char *sentence) noexcept;

// Run a body of the C ABI: no exception passes it.
template <typename Body>
s2v_status guarded(Body body) noexcept {
    try {
        body();
        return S2V_OK;
    } catch (const Failure &failure) {
        set_last_error(failure.what());
        return failure.status();
    } catch (const std::bad_alloc &) {
        set_last_error("out of memory");
        return S2V_OUT_OF_MEMORY;
    } catch (const std::length_error &) {
        set_last_error("out of memory");
        return S2V_OUT_OF_MEMORY;
    } catch (const std::exception &error) {  // a std::system_error
        set_last_error(error.what());
        return S2V_SYSTEM_ERROR;
    } catch (...) {
        set_last_error("an unknown error");
        return S2V_SYSTEM_ERROR;
    }
}

}  // namespace s2v
