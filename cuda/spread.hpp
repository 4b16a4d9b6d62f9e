// How kernels were spread over a device, noted when it is first found, for those who measure.
#pragma once

#include "errors.hpp"

#include <mutex>
#include <string>
#include <vector>

namespace s2v::cuda {

struct Spread {
    int warps;            // a block
    int resident;         // blocks a multiprocessor holds
    int multiprocessors;  // of the device
    int available;        // bytes of shared memory that a block may ask for
};

struct NotedSpread {
    std::string kernel;
    int bytes;  // of shared memory that each warp asks for
    Spread spread;
    cudaFuncAttributes own;  // sharedSizeBytes: what a block has without asking
};

class NotedSpreads {
public:
    void add(const void *function, int bytes, const Spread &spread, const cudaFuncAttributes &own) {
        const char *name = nullptr;
#if CUDART_VERSION >= 12030
        if (cudaFuncGetName(&name, function) != cudaSuccess) cudaGetLastError();
#else
        static_cast<void>(function);
#endif
        const std::lock_guard lock(mutex_);
        noted_.push_back({name ? name : "?", bytes, spread, own});
    }
    [[nodiscard]] std::vector<NotedSpread> all() {
        const std::lock_guard lock(mutex_);
        return noted_;
    }

private:
    std::mutex mutex_;
    std::vector<NotedSpread> noted_;
};

// Of this process; one for the library.
NotedSpreads &noted_spreads();

}  // namespace s2v::cuda
