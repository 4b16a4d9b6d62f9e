// What the parts of the parity program share.
#pragma once

#include "errors.hpp"
#include "space2vec/cuda.h"

#include <algorithm>
#include <cstdint>

namespace s2v::cuda::parity {

// Of the device that the suite runs on.
inline constexpr int kDevice = 0;

inline void require(s2v_status status) {
    if (status != S2V_OK) throw Failure(status, s2v_cuda_message());
}

// Milliseconds that a launch takes, the second time.
template <class Launch>
double milliseconds(Launch launch) {
    struct Event {
        Event() {
            check(cudaEventCreate(&event), "cudaEventCreate");
        }
        ~Event() {
            cudaEventDestroy(event);
        }
        cudaEvent_t event;
    };
    launch();
    check(cudaDeviceSynchronize(), "kernel");
    const Event begin;
    const Event end;
    check(cudaEventRecord(begin.event), "cudaEventRecord");
    launch();
    check(cudaEventRecord(end.event), "cudaEventRecord");
    check(cudaEventSynchronize(end.event), "kernel");
    float took = 0.0f;
    check(cudaEventElapsedTime(&took, begin.event, end.event), "cudaEventElapsedTime");
    return static_cast<double>(took);
}

inline double microseconds_each(double milliseconds, std::int64_t rows) {
    return 1e3 * milliseconds / static_cast<double>(std::max<std::int64_t>(1, rows));
}

}  // namespace s2v::cuda::parity
