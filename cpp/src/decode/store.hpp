// Memory for the pixels of batches. It may outlive its reader, and is used again once it is released.
#pragma once

#include "space2vec/space2vec.h"

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace s2v::decode {

// A block of memory, and whether it is of the caller's allocator or of the library.
struct Space {
    void *at = nullptr;
    std::size_t size = 0;
    bool allocated = false;
};

class Store;

// Memory that returns to its store when it is destroyed.
class Room {
public:
    Room() = default;
    // The library's own memory. Throws std::bad_alloc.
    explicit Room(std::size_t size);
    Room(Space space, std::shared_ptr<Store> store) noexcept : space_(space), store_(std::move(store)) {}
    Room(Room &&other) noexcept : space_(std::exchange(other.space_, {})), store_(std::move(other.store_)) {}
    Room &operator=(Room &&other) noexcept {
        std::swap(space_, other.space_);
        std::swap(store_, other.store_);
        return *this;
    }
    ~Room();

    [[nodiscard]] void *data() const noexcept {
        return space_.at;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return space_.size;
    }
    [[nodiscard]] bool allocated() const noexcept {
        return space_.allocated;
    }

private:
    Space space_;
    std::shared_ptr<Store> store_;
};

// The memory of one allocator. Fresh memory costs a page fault every four kilobytes, page-locked memory far
// more: what goes back is kept for the next batch, up to kMostKept bytes in kMostKeptSpaces spaces, the largest of all.
class Store : public std::enable_shared_from_this<Store> {
public:
    static constexpr std::size_t kMostKept = std::size_t{256} << 20;
    static constexpr std::size_t kMostKeptSpaces = 8;

    // The store of an allocator, or of the library's own memory for NULL: one for all readers that are open, and for
    // the pixels that were taken from them. A reader of one batch too finds what an earlier one has left.
    static std::shared_ptr<Store> of(const s2v_allocator *allocator);

    explicit Store(const s2v_allocator &allocator) noexcept : allocator_(allocator) {}
    Store(const Store &) = delete;
    Store &operator=(const Store &) = delete;
    ~Store();

    // Room of at least so many bytes: some that was kept, the allocator's or, where that has none left, the library's
    // own. Throws std::bad_alloc.
    Room take(std::size_t size);
    // The same, but of at most so many bytes as whoever keeps it should hold for `size`; none if there is none.
    Room take_fitting(std::size_t size) noexcept;
    [[nodiscard]] std::size_t most_for(std::size_t size) const noexcept;
    void give_back(Space space) noexcept;

private:
    Space kept_space(std::size_t size, std::size_t most) noexcept;
    Space fresh_space(std::size_t size) const;
    void free(const Space &space) const noexcept;

    // Never held while the allocator is called: that may wait for whoever waits for the lock.
    std::mutex lock_;
    const s2v_allocator allocator_;
    std::array<Space, kMostKeptSpaces + 1> spaces_;
    std::size_t count_ = 0;
    std::size_t kept_ = 0;  // bytes
};

}  // namespace s2v::decode
