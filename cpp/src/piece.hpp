// A piece of memory for a worker, from an allocator of the caller's or the ordinary one.
#pragma once

#include "space2vec/space2vec.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace s2v {

class Piece {
public:
    static constexpr std::size_t kLine = 64;  // it begins where a line of the cache does

    Piece() = default;
    // allocator: null for ordinary memory.
    Piece(std::size_t bytes, const s2v_allocator *allocator) : bytes_(bytes + kLine) {
        if (allocator != nullptr) {
            allocator_ = *allocator;
            memory_ = allocator_.allocate(allocator_.context, static_cast<std::int64_t>(bytes_));
            if (memory_ == nullptr) throw std::bad_alloc();
        } else {
            memory_ = ::operator new(bytes_);
        }
    }
    ~Piece() {
        if (memory_ == nullptr) return;
        if (allocator_.release != nullptr)
            allocator_.release(allocator_.context, memory_, static_cast<std::int64_t>(bytes_));
        else
            ::operator delete(memory_);
    }
    Piece(Piece &&other) noexcept
        : bytes_(other.bytes_), allocator_(other.allocator_), memory_(std::exchange(other.memory_, nullptr)) {}
    Piece(const Piece &) = delete;
    Piece &operator=(const Piece &) = delete;
    Piece &operator=(Piece &&) = delete;

    [[nodiscard]] std::byte *data() const noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(memory_);
        return static_cast<std::byte *>(memory_) + (kLine - address % kLine) % kLine;
    }

private:
    std::size_t bytes_ = 0;
    s2v_allocator allocator_{};
    void *memory_ = nullptr;
};

// Divides memory whose size is counted first, with null.
class Parts {
public:
    explicit Parts(std::byte *memory) : memory_(memory) {}

    template <class T>
    T *take(std::size_t count) {
        std::byte *const at = memory_ == nullptr ? nullptr : memory_ + used_;
        used_ += (count * sizeof(T) + Piece::kLine - 1) / Piece::kLine * Piece::kLine;
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
