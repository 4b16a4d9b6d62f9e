// Device memory with an owner.
#pragma once

#include "errors.hpp"

#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

namespace s2v::cuda {

struct EndStream {
    void operator()(cudaStream_t stream) const {
        cudaStreamDestroy(stream);
    }
};

// An array of n values on the current device.
template <class T>
class DeviceArray {
public:
    DeviceArray() = default;
    explicit DeviceArray(std::size_t n) : size_(n) {
        void *memory = nullptr;
        if (n > 0) check(cudaMalloc(&memory, n * sizeof(T)), "cudaMalloc");
        memory_.reset(static_cast<T *>(memory));
    }
    // The values are there when this returns. On a stream of its own: the legacy one would wait for others, and poison
    // what another thread captures into a graph.
    explicit DeviceArray(const std::vector<T> &values) : DeviceArray(values.size()) {
        if (size_ == 0) return;
        cudaStream_t stream = nullptr;
        check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
        const std::unique_ptr<std::remove_pointer_t<cudaStream_t>, EndStream> owner(stream);
        check(cudaMemcpyAsync(get(), values.data(), bytes(), cudaMemcpyHostToDevice, stream), "copy to the device");
        check(cudaStreamSynchronize(stream), "copy to the device");
    }

    T *get() const {
        return memory_.get();
    }
    std::size_t size() const {
        return size_;
    }
    std::vector<T> to_host() const {
        std::vector<T> values(size_);
        if (size_ > 0) check(cudaMemcpy(values.data(), get(), bytes(), cudaMemcpyDeviceToHost), "copy from the device");
        return values;
    }
    // Every byte 0xff: floats become NaN of no stored kind, so that what a kernel leaves out is seen.
    void poison() {
        if (size_ > 0) check(cudaMemset(get(), 0xff, bytes()), "cudaMemset");
    }

private:
    struct Free {
        void operator()(T *memory) const {
            cudaFree(memory);
        }
    };
    std::size_t bytes() const {
        return size_ * sizeof(T);
    }

    std::size_t size_ = 0;
    std::unique_ptr<T, Free> memory_;
};

}  // namespace s2v::cuda
