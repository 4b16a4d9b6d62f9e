// Which devices there are, or why there is none.
#include "checks.hpp"
#include "errors.hpp"
#include "shared_library.hpp"
#include "space2vec/cuda.h"
#include "spread.hpp"

#include <algorithm>
#include <string>

namespace s2v::cuda {
namespace {

std::string version_name(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The runtime opens the driver by its name, at the first call of it. Where that could be a file of the current folder,
// the machine's is opened before; then the name means that one.
bool may_open_driver() {
    static const bool safe = looks_in_absolute_folders() || open_library("libcuda.so.1") != nullptr;
    return safe;
}

constexpr const char *kUnsafe =
    "libcuda.so.1 is in none of the absolute folders in which the machine looks for libraries, and is not looked for "
    "in the "
    "current one: LD_LIBRARY_PATH has an empty or a relative element";

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
    if (!may_open_driver()) {
        if (why) *why = kUnsafe;
        return 0;
    }
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    cudaGetLastError();
    if (error != cudaSuccess) count = 0;
    reason = count > 0 ? std::string() : why_none(error);
    if (why) *why = reason.c_str();
    return count;
}

s2v_status s2v_cuda_versions(int32_t *runtime, int32_t *driver) {
    return guarded_call([&] {
        if (!runtime || !driver) throw Failure(S2V_INVALID_ARGUMENT, "null pointer");
        if (!may_open_driver()) throw Failure(S2V_NO_DEVICE, kUnsafe);
        check(cudaRuntimeGetVersion(runtime), "cudaRuntimeGetVersion");
        check(cudaDriverGetVersion(driver), "cudaDriverGetVersion");
    });
}

s2v_status s2v_cuda_device_properties(int32_t device, s2v_cuda_properties *properties) {
    return guarded_call([&] {
        S2V_REQUIRE_SIZE(properties, s2v_cuda_properties);
        const OnDevice here(device);
        cudaDeviceProp of{};
        check(cudaGetDeviceProperties(&of, device), "cudaGetDeviceProperties");
        clear(*properties);
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
