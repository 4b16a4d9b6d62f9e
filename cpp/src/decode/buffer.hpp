// Elements that grow without being set to zero, and keep their room for the next use.
#pragma once

#include "decode/store.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

namespace s2v::decode {

template <typename T>
class Buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    Buffer() = default;
    explicit Buffer(std::shared_ptr<Store> store) noexcept : store_(std::move(store)) {}

    [[nodiscard]] T *data() noexcept {
        return static_cast<T *>(room_.data());
    }
    [[nodiscard]] const T *data() const noexcept {
        return static_cast<const T *>(room_.data());
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_;
    }
    [[nodiscard]] std::size_t capacity() const noexcept {
        return room_.size() / sizeof(T);
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
        if (wanted <= capacity()) return;
        const std::size_t bytes = std::max({wanted, capacity() + capacity() / 2, expected_}) * sizeof(T);
        Room room = store_ ? store_->take(bytes) : Room(bytes);
        if (size_) std::memcpy(room.data(), room_.data(), size_ * sizeof(T));
        room_ = std::move(room);
    }
    T *append(const T *from, std::size_t count) {
        const std::size_t at = size_;
        resize(at + count);
        if (count) std::memcpy(data() + at, from, count * sizeof(T));
        return data() + at;
    }
    // Give room back that a single large use has left.
    void trim(std::size_t most) noexcept {
        if (capacity() <= most) return;
        room_ = Room();
        size_ = 0;
    }
    // Hand the room over, or a copy where it is far too large. What comes next is expected to need as much.
    Room hand_over() noexcept {
        expected_ = std::exchange(size_, 0);
        Room room = std::move(room_);
        const std::size_t used = expected_ * sizeof(T);
        if (!store_ || room.size() <= store_->most_for(used)) return room;
        Room fitting = store_->take_fitting(used);
        if (!fitting.data()) return room;
        std::memcpy(fitting.data(), room.data(), used);
        return fitting;
    }

private:
    std::shared_ptr<Store> store_;  // null: the library's own memory
    Room room_;
    std::size_t size_ = 0;
    std::size_t expected_ = 0;
};

}  // namespace s2v::decode
