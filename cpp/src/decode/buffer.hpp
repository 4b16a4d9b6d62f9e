// Bytes that grow without being set to zero, and keep their room for the next use.
#pragma once

#include "decode/bytes.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace s2v::decode {

template <typename T>
class Buffer {
public:
    [[nodiscard]] T *data() noexcept {
        return room_.get();
    }
    [[nodiscard]] const T *data() const noexcept {
        return room_.get();
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_;
    }
    [[nodiscard]] std::size_t capacity() const noexcept {
        return capacity_;
    }
    void clear() noexcept {
        size_ = 0;
    }
    // The new elements have no value yet.
    void resize(std::size_t size) {
        reserve(size);
        size_ = size;
    }
    void reserve(std::size_t wanted) {
        if (wanted <= capacity_) return;
        const std::size_t grown = std::max(wanted, capacity_ + capacity_ / 2);
        std::unique_ptr<T[]> room = std::make_unique_for_overwrite<T[]>(grown);
        if (size_) std::memcpy(room.get(), room_.get(), size_ * sizeof(T));
        room_ = std::move(room);
        capacity_ = grown;
    }
    T *append(const T *from, std::size_t count) {
        const std::size_t at = size_;
        resize(at + count);
        if (count) std::memcpy(room_.get() + at, from, count * sizeof(T));
        return room_.get() + at;
    }
    // Give room back that a single large use has left.
    void trim(std::size_t most) noexcept {
        if (capacity_ <= most) return;
        room_.reset();
        size_ = capacity_ = 0;
    }

private:
    std::unique_ptr<T[]> room_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace s2v::decode
