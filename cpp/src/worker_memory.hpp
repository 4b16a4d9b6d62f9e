// The memory of one worker, which the caller's allocator gives or the ordinary one.
#pragma once

#include "space2vec/space2vec.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace s2v {

class WorkerMemory {
public:
    static constexpr std::size_t kLine = 64;  // the memory begins at a line of the cache

    WorkerMemory() = default;
    // allocator: null for ordinary memory.
    WorkerMemory(std::size_t bytes, const s2v_allocator *allocator) : bytes_(bytes + kLine) {
        if (allocator != nullptr) {
            allocator_ = *allocator;
            memory_ = allocator_.allocate(allocator_.context, static_cast<std::int64_t>(bytes_));
            if (memory_ == nullptr) throw std::bad_alloc();
        } else {
            memory_ = ::operator new(bytes_);
        }
    }
    ~WorkerMemory() {
        if (memory_ == nullptr) return;
        if (allocator_.release != nullptr)
            allocator_.release(allocator_.context, memory_, static_cast<std::int64_t>(bytes_));
        else
            ::operator delete(memory_);
    }
    WorkerMemory(WorkerMemory &&other) noexcept
        : bytes_(other.bytes_), allocator_(other.allocator_), memory_(std::exchange(other.memory_, nullptr)) {}
    WorkerMemory(const WorkerMemory &) = delete;
    WorkerMemory &operator=(const WorkerMemory &) = delete;
    WorkerMemory &operator=(WorkerMemory &&) = delete;

    [[nodiscard]] std::byte *data() const noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(memory_);
        return static_cast<std::byte *>(memory_) + (kLine - address % kLine) % kLine;
    }

private:
    std::size_t bytes_ = 0;
    s2v_allocator allocator_{};
    void *memory_ = nullptr;
};

// Divides memory into arrays. Divide null first: used() then tells how much memory they need.
class MemoryDivider {
public:
    explicit MemoryDivider(std::byte *memory) : memory_(memory) {}

    template <class T>
    T *take(std::size_t count) {
        std::byte *const at = memory_ == nullptr ? nullptr : memory_ + used_;
        used_ += (count * sizeof(T) + WorkerMemory::kLine - 1) / WorkerMemory::kLine * WorkerMemory::kLine;
        return reinterpret_cast<T *>(at);
    }
    [[nodiscard]] std::size_t used() const noexcept {
        return used_;
    }

private:
    std::byte *memory_;
    std::size_t used_ = 0;
};

}  // namespace s2v
