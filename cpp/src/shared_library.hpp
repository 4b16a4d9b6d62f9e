// A library of the machine, opened at run time through its stable C ABI: no header of it is needed to build.
#pragma once

#include <dlfcn.h>

namespace s2v {

// Open a library by its name, as "libzstd.so.1", from the folders in which the machine looks for libraries; nullptr
// where there is none. Nothing is looked for in the current folder: where the search path (LD_LIBRARY_PATH, RPATH) has
// an empty or a relative element, only its absolute folders count. What a library does when it is loaded is done before
// one could ask where it came from, so the folders are looked at first.
void *open_library(const char *name) noexcept;

// Whether the dynamic linker looks for libraries in folders of an absolute path alone. What other people's code opens
// by name (the CUDA runtime its driver) is safe then; otherwise if `open_library` has opened it before.
bool looks_in_absolute_folders() noexcept;

// Opened once and never closed: it lives as long as the process, as a linked library does.
class SharedLibrary {
public:
    explicit SharedLibrary(const char *name) noexcept : handle_(open_library(name)) {}

    // Set `function` to the function of this name; false where the library or the function is absent.
    template <typename Signature>
    bool find(const char *name, Signature *&function) const noexcept {
        function = handle_ == nullptr ? nullptr : reinterpret_cast<Signature *>(dlsym(handle_, name));
        return function != nullptr;
    }

private:
    void *handle_ = nullptr;
};

}  // namespace s2v
