// CUDA calls that throw where they fail, and their way out through the C ABI.
#pragma once

#include "error.hpp"

#include <cuda_runtime.h>

#include <string>

namespace s2v::cuda {

// What the C ABI makes of a CUDA error. Those that say "lost" leave a context that fails every later call.
inline s2v_status status_of(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return S2V_OK;
        case cudaErrorMemoryAllocation:
            return S2V_OUT_OF_DEVICE_MEMORY;
        case cudaErrorNoDevice:
        case cudaErrorInvalidDevice:
        case cudaErrorInsufficientDriver:
        case cudaErrorStubLibrary:
        case cudaErrorSystemDriverMismatch:
        case cudaErrorCompatNotSupportedOnDevice:
            return S2V_NO_DEVICE;
        case cudaErrorIllegalAddress:
        case cudaErrorLaunchTimeout:
        case cudaErrorLaunchFailure:
        case cudaErrorHardwareStackError:
        case cudaErrorIllegalInstruction:
        case cudaErrorMisalignedAddress:
        case cudaErrorInvalidAddressSpace:
        case cudaErrorInvalidPc:
        case cudaErrorAssert:
        case cudaErrorECCUncorrectable:
        case cudaErrorNvlinkUncorrectable:
        case cudaErrorContained:
        case cudaErrorContextIsDestroyed:
        case cudaErrorDevicesUnavailable:
        case cudaErrorExternalDevice:
            return S2V_DEVICE_LOST;
        default:
            return S2V_CUDA_ERROR;
    }
}

inline void check(cudaError_t error, const char *what) {
    if (error == cudaSuccess) return;
    cudaGetLastError();  // reported here, not once more by the next launch
    throw Failure(status_of(error),
                  std::string(what) + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
}

// What failed last in this thread.
inline std::string &last_message() {
    thread_local std::string message;
    return message;
}

// Runs a body of the C ABI: no exception passes it, and its words are kept.
template <class Body>
s2v_status told(Body body) noexcept {
    return guarded([&] {
        try {
            body();
        } catch (const std::exception &error) {
            last_message() = error.what();
            throw;
        }
    });
}

// Makes a device the current one of this thread, for as long as it lives.
class OnDevice {
public:
    explicit OnDevice(int device) {
        check(cudaGetDevice(&before_), "cudaGetDevice");
        if (device != before_) check(cudaSetDevice(device), "cudaSetDevice");
        changed_ = device != before_;
    }
    ~OnDevice() {
        if (changed_) cudaSetDevice(before_);
    }
    OnDevice(const OnDevice &) = delete;
    OnDevice &operator=(const OnDevice &) = delete;

private:
    int before_ = 0;
    bool changed_ = false;
};

}  // namespace s2v::cuda
