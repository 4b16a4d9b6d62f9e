// space2vec._cuda: device memory, page-locked memory, and copies.
#include "register.hpp"

#include <pybind11/stl.h>

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

namespace py = pybind11;

namespace {

using s2v::cuda::check;
using s2v::cuda::OnDevice;

cudaStream_t stream_at(Address stream) {
    return at<CUstream_st>(stream);
}

// Where memory of a device comes from.
struct MemoryPool {
    cudaMemPool_t pool = nullptr;     // null: the device has none, and memory is given back when all its work is done
    cudaStream_t releases = nullptr;  // on which it is given back, behind the work that it waits for
};

// What a pool keeps of memory that was given back, for the next who asks; the rest is the device's again.
constexpr std::uint64_t kKept = std::uint64_t{256} << 20;

MemoryPool make_pool(int device) {
    int pools = 0;
    check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device), "cudaDeviceGetAttribute");
    if (!pools) return {};
    MemoryPool pool;
    cudaMemPoolProps of{};
    of.allocType = cudaMemAllocationTypePinned;
    of.location.type = cudaMemLocationTypeDevice;
    of.location.id = device;
    check(cudaMemPoolCreate(&pool.pool, &of), "cudaMemPoolCreate");
    std::uint64_t kept = kKept;
    check(cudaMemPoolSetAttribute(pool.pool, cudaMemPoolAttrReleaseThreshold, &kept), "cudaMemPoolSetAttribute");
    check(cudaStreamCreateWithFlags(&pool.releases, cudaStreamNonBlocking), "cudaStreamCreate");
    return pool;
}

// The pool of the current device, made once: not that of the driver, whose settings are others'.
MemoryPool pool_of(int device) {
    static std::mutex mutex;
    static std::map<int, MemoryPool> pools;
    const std::lock_guard lock(mutex);
    const auto at = pools.find(device);
    return at != pools.end() ? at->second : pools[device] = make_pool(device);
}

// Memory that what is begun on the stream from now on may use.
Address allocate(int device, Address stream, std::size_t bytes) {
    const OnDevice here(device);
    const MemoryPool from = pool_of(device);
    void *memory = nullptr;
    if (!from.pool) {
        check(cudaMalloc(&memory, bytes), "cudaMalloc");
        return reinterpret_cast<Address>(memory);
    }
    cudaError_t error = cudaMallocFromPoolAsync(&memory, bytes, from.pool, stream_at(stream));
    if (error == cudaErrorMemoryAllocation) {  // what is on its way back may suffice
        cudaGetLastError();
        check(cudaStreamSynchronize(from.releases), "the work before memory is given back");
        check(cudaMemPoolTrimTo(from.pool, 0), "cudaMemPoolTrimTo");
        error = cudaMallocFromPoolAsync(&memory, bytes, from.pool, stream_at(stream));
    }
    check(error, "cudaMallocFromPoolAsync");
    return reinterpret_cast<Address>(memory);
}

// Gives memory back once the events are reached, or, where it is not known what works on it, once the device is idle.
void release(int device, Address address, const std::vector<Address> &events, bool idle) {
    give_back(device, [&] {
        const MemoryPool to = pool_of(device);
        if (idle) cudaDeviceSynchronize();
        if (!to.pool) {
            cudaFree(at<void>(address));  // which waits
            return;
        }
        for (const Address event : events)
            check(cudaStreamWaitEvent(to.releases, at<CUevent_st>(event)), "cudaStreamWaitEvent");
        cudaFreeAsync(at<void>(address), to.releases);
    });
}

// Where an address leads to: a kind of device in DLPack's numbers (1: ordinary memory of the host, 2: a device, 3:
// page-locked memory, 13: managed memory), and its number. Asks the driver, since the runtime would make a context on
// the current device.
std::tuple<int, int> memory_at(Address address) {
    void *function = nullptr;
    cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
    check(cudaGetDriverEntryPointByVersion("cuPointerGetAttribute", &function, 4000, cudaEnableDefault, &found),
          "cuPointerGetAttribute");
#else
    check(cudaGetDriverEntryPoint("cuPointerGetAttribute", &function, cudaEnableDefault, &found),
          "cuPointerGetAttribute");
#endif
    if (found != cudaDriverEntryPointSuccess || !function)
        throw s2v::Failure(S2V_CUDA_ERROR, "the driver has no cuPointerGetAttribute");
    const auto ask = reinterpret_cast<PFN_cuPointerGetAttribute_v4000>(function);
    unsigned kind = 0;
    unsigned managed = 0;
    int number = 0;
    if (ask(&kind, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) != CUDA_SUCCESS) return {1, 0};
    if (ask(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, address) != CUDA_SUCCESS) managed = 0;
    if (ask(&number, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address) != CUDA_SUCCESS) number = 0;
    if (managed) return {13, number < 0 ? 0 : number};
    return {kind == CU_MEMORYTYPE_HOST ? 3 : 2, number};
}

Address pinned(int device, std::size_t bytes) {
    const OnDevice here(device);
    void *memory = nullptr;
    check(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc");
    return reinterpret_cast<Address>(memory);
}

// On its device, as every call: the runtime makes a context on the one that is current.
void release_pinned(int device, Address address) {
    give_back(device, [&] { cudaFreeHost(at<void>(address)); });
}

int number_of(const void *context) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(context));
}

// As s2v_allocator has them; the context is the number of the device.
void *allocate_page_locked(void *device, std::int64_t bytes) {
    try {
        return at<void>(pinned(number_of(device), static_cast<std::size_t>(bytes)));
    } catch (const std::exception &) {
        return nullptr;  // ordinary memory then
    }
}

void release_page_locked(void *device, void *memory, std::int64_t /*bytes*/) {
    release_pinned(number_of(device), reinterpret_cast<Address>(memory));
}

// What a reader of alerts takes memory from; it is called without Python.
std::tuple<Address, Address, Address> page_locked(int device) {
    return {reinterpret_cast<Address>(&allocate_page_locked), reinterpret_cast<Address>(&release_page_locked),
            static_cast<Address>(device)};
}

cudaMemcpyKind kind_of(const std::string &kind) {
    if (kind == "to_device") return cudaMemcpyHostToDevice;
    if (kind == "to_host") return cudaMemcpyDeviceToHost;
    if (kind == "on_device") return cudaMemcpyDeviceToDevice;
    throw std::invalid_argument("kind is " + kind + "; known: to_device, to_host, on_device");
}

void copy(int device, Address stream, Address to, Address source, std::size_t bytes, const std::string &kind) {
    const cudaMemcpyKind direction = kind_of(kind);
    const OnDevice here(device);
    check(cudaMemcpyAsync(at<void>(to), at<const void>(source), bytes, direction, stream_at(stream)),
          "cudaMemcpyAsync");
}

void fill_bytes(int device, Address stream, Address address, int value, std::size_t bytes) {
    const OnDevice here(device);
    check(cudaMemsetAsync(at<void>(address), value, bytes, stream_at(stream)), "cudaMemsetAsync");
}

}  // namespace

void register_memory(py::module_ &module) {
    using Released = py::call_guard<py::gil_scoped_release>;
    module.def("allocate", &allocate, Released(), py::arg("device"), py::arg("stream"), py::arg("bytes"));
    module.def("release", &release, Released(), py::arg("device"), py::arg("address"), py::arg("events"),
               py::arg("idle"));
    module.def("memory_at", &memory_at, py::arg("address"));
    module.def("pinned", &pinned, Released(), py::arg("device"), py::arg("bytes"));
    module.def("release_pinned", &release_pinned, Released(), py::arg("device"), py::arg("address"));
    module.def("page_locked", &page_locked, py::arg("device"));
    module.def("copy", &copy, Released(), py::arg("device"), py::arg("stream"), py::arg("to"), py::arg("source"),
               py::arg("bytes"), py::arg("kind"));
    module.def("fill_bytes", &fill_bytes, Released(), py::arg("device"), py::arg("stream"), py::arg("address"),
               py::arg("value"), py::arg("bytes"));
}
