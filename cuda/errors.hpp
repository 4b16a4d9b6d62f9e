// CUDA calls that throw where they fail, and their way out through the C ABI.
#pragma once

#include "error.hpp"

#include <cudaTypedefs.h>
#include <cuda_runtime.h>

#include <atomic>
#include <string>

namespace s2v::cuda {

// Whether a device of this process has been there to be worked on.
inline std::atomic<bool> &device_seen() {
    static std::atomic<bool> seen = false;
    return seen;
}

// What the C ABI makes of a CUDA error. Those that say "lost" leave a context that fails every later call. A device
// that was there and is not, or that the driver knows nothing to say of any more, has fallen off the bus.
inline s2v_status status_of(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return S2V_OK;
        case cudaErrorMemoryAllocation:
            return S2V_OUT_OF_DEVICE_MEMORY;
        case cudaErrorNoDevice:
            return device_seen() ? S2V_DEVICE_LOST : S2V_NO_DEVICE;
        case cudaErrorUnknown:
            return device_seen() ? S2V_DEVICE_LOST : S2V_CUDA_ERROR;
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
#if CUDART_VERSION >= 12080
        case cudaErrorContained:
#endif
        case cudaErrorContextIsDestroyed:
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
s2v_status guarded_call(Body body) noexcept {
    return guarded([&] {
        try {
            body();
        } catch (const std::exception &error) {
            last_message() = error.what();
            throw;
        }
    });
}

// Whether this process has a context on a device. Where the driver does not tell: it has.
inline bool has_context(int device) {
    void *function = nullptr;
    cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
    const cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuDevicePrimaryCtxGetState", &function, 7000, cudaEnableDefault, &found);
#else
    const cudaError_t error =
        cudaGetDriverEntryPoint("cuDevicePrimaryCtxGetState", &function, cudaEnableDefault, &found);
#endif
    if (error != cudaSuccess || found != cudaDriverEntryPointSuccess || !function) {
        cudaGetLastError();
        return true;
    }
    unsigned flags = 0;
    int active = 0;
    const auto state = reinterpret_cast<PFN_cuDevicePrimaryCtxGetState_v7000>(function);
    return state(device, &flags, &active) != CUDA_SUCCESS || active != 0;
}

// Makes a device the current one of this thread, for as long as it lives. cudaSetDevice makes a context, some hundred
// megabytes: to go back to a device on which nobody has one is left to whoever needs it. Meanwhile, what other threads
// capture into graphs is not this one's concern: a capture that was begun in global mode, which is the default, would
// forbid it to allocate and to wait, and be spoilt by that.
class OnDevice {
public:
    explicit OnDevice(int device) {
        check(cudaGetDevice(&before_), "cudaGetDevice");
        if (device != before_) {
            const bool back = has_context(before_);
            check(cudaSetDevice(device), "cudaSetDevice");
            goes_back_ = back;
        }
        capture_known_ = cudaThreadExchangeStreamCaptureMode(&capture_) == cudaSuccess;
        if (!capture_known_) cudaGetLastError();  // the call that needs the device tells why
        device_seen() = true;
    }
    ~OnDevice() {
        if (capture_known_) cudaThreadExchangeStreamCaptureMode(&capture_);
        if (goes_back_) cudaSetDevice(before_);
    }
    OnDevice(const OnDevice &) = delete;
    OnDevice &operator=(const OnDevice &) = delete;

private:
    int before_ = 0;
    bool goes_back_ = false;
    cudaStreamCaptureMode capture_ = cudaStreamCaptureModeThreadLocal;  // then what it was before
    bool capture_known_ = false;
};

}  // namespace s2v::cuda
