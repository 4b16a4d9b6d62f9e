// A library of the machine, opened at run time through its stable C ABI: no header of it is needed to build.
#pragma once

#include <dlfcn.h>
#include <initializer_list>

namespace s2v::decode {

// Opened once and never closed: it lives as long as the process, as a linked library does.
class SharedLibrary {
public:
    // Open the first of these names that is found, as {"libzstd.so.1", "libzstd.1.dylib"}.
    explicit SharedLibrary(std::initializer_list<const char *> names) noexcept {
        for (const char *name : names)
            if (handle_ == nullptr) handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }

    // Set `function` to the function of this name; false where the library or the function is absent.
    template <typename Signature>
    bool find(const char *name, Signature *&function) const noexcept {
        function = handle_ == nullptr ? nullptr : reinterpret_cast<Signature *>(dlsym(handle_, name));
        return function != nullptr;
    }

private:
    void *handle_ = nullptr;
};

}  // namespace s2v::decode
