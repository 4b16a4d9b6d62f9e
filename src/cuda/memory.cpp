// space2vec._cuda: device memory, page-locked memory, and copies.
#include "register.hpp"

#include <string>

namespace py = pybind11;

namespace {

using s2v::cuda::check;
using s2v::cuda::OnDevice;

cudaStream_t stream_at(Address stream) {
    return at<CUstream_st>(stream);
}

Address allocate(int device, std::size_t bytes) {
    const OnDevice here(device);
    void *memory = nullptr;
    check(cudaMalloc(&memory, bytes), "cudaMalloc");
    return reinterpret_cast<Address>(memory);
}

void release(int device, Address address) {
    const OnDevice here(device);
    check(cudaFree(at<void>(address)), "cudaFree");
}

Address pinned(std::size_t bytes) {
    void *memory = nullptr;
    check(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc");
    return reinterpret_cast<Address>(memory);
}

void release_pinned(Address address) {
    check(cudaFreeHost(at<void>(address)), "cudaFreeHost");
}

// As s2v_allocator has them; the context is the number of the device.
void *allocate_page_locked(void *device, std::int64_t bytes) {
    try {
        const OnDevice here(static_cast<int>(reinterpret_cast<std::intptr_t>(device)));
        void *memory = nullptr;
        check(cudaHostAlloc(&memory, static_cast<std::size_t>(bytes), cudaHostAllocPortable), "cudaHostAlloc");
        return memory;
    } catch (const std::exception &) {
        return nullptr;  // ordinary memory then
    }
}

void release_page_locked(void * /*device*/, void *memory, std::int64_t /*bytes*/) {
    // A device that is lost takes its page locks with it, and an error that stays would be told of the next launch.
    if (cudaFreeHost(memory) != cudaSuccess) cudaGetLastError();
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
    module.def("allocate", &allocate, Released(), py::arg("device"), py::arg("bytes"));
    module.def("release", &release, Released(), py::arg("device"), py::arg("address"));
    module.def("pinned", &pinned, Released(), py::arg("bytes"));
    module.def("release_pinned", &release_pinned, Released(), py::arg("address"));
    module.def("page_locked", &page_locked, py::arg("device"));
    module.def("copy", &copy, Released(), py::arg("device"), py::arg("stream"), py::arg("to"), py::arg("source"),
               py::arg("bytes"), py::arg("kind"));
    module.def("fill_bytes", &fill_bytes, Released(), py::arg("device"), py::arg("stream"), py::arg("address"),
               py::arg("value"), py::arg("bytes"));
}
