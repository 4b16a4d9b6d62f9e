// Which devices there are, or why there is none.
#include "errors.hpp"
#include "space2vec/cuda.h"
#include "spread.hpp"

#include <algorithm>
#include <string>

namespace s2v::cuda {
namespace {

std::string version_name(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string why_none(cudaError_t error) {
    int driver = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no NVIDIA driver";
    if (error == cudaErrorInsufficientDriver)
        return "the NVIDIA driver serves CUDA " + version_name(driver) + ", this build needs " +
               version_name(CUDART_VERSION);
    if (error == cudaSuccess || error == cudaErrorNoDevice) return "the NVIDIA driver finds no CUDA device";
    return std::string("the NVIDIA driver gives no device: ") + cudaGetErrorName(error) + ": " +
           cudaGetErrorString(error);
}

int attribute(cudaDeviceAttr which, int device) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
    return value;
}

}  // namespace

NotedSpreads &noted_spreads() {
    static NotedSpreads all;
    return all;
}

}  // namespace s2v::cuda

using namespace s2v;
using namespace s2v::cuda;

extern "C" {

const char *s2v_cuda_message(void) {
    return last_message().c_str();
}

int32_t s2v_cuda_devices(const char **why) {
    thread_local std::string reason;
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    cudaGetLastError();
    if (error != cudaSuccess) count = 0;
    reason = count > 0 ? std::string() : why_none(error);
    if (why) *why = reason.c_str();
    return count;
}

s2v_status s2v_cuda_versions(int32_t *runtime, int32_t *driver) {
    return told([&] {
        if (!runtime || !driver) throw Failure(S2V_INVALID_ARGUMENT, "null pointer");
        check(cudaRuntimeGetVersion(runtime), "cudaRuntimeGetVersion");
        check(cudaDriverGetVersion(driver), "cudaDriverGetVersion");
    });
}

s2v_status s2v_cuda_device_properties(int32_t device, s2v_cuda_properties *properties) {
    return told([&] {
        if (!properties) throw Failure(S2V_INVALID_ARGUMENT, "null pointer");
        const OnDevice here(device);
        cudaDeviceProp of{};
        check(cudaGetDeviceProperties(&of, device), "cudaGetDeviceProperties");
        *properties = {};
        std::copy_n(of.name, std::min(sizeof properties->name - 1, sizeof of.name), properties->name);
        check(cudaDeviceGetPCIBusId(properties->pci_bus, sizeof properties->pci_bus, device), "cudaDeviceGetPCIBusId");
        properties->compute_capability_major = of.major;
        properties->compute_capability_minor = of.minor;
        properties->multiprocessors = of.multiProcessorCount;
        properties->shared_memory = static_cast<int32_t>(of.sharedMemPerMultiprocessor);
        properties->memory_clock = attribute(cudaDevAttrMemoryClockRate, device);
        properties->memory_bus_width = of.memoryBusWidth;
        std::size_t free = 0;
        std::size_t total = 0;
        check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
        properties->memory = static_cast<int64_t>(total);
        properties->free = static_cast<int64_t>(free);
    });
}

}  // extern "C"
