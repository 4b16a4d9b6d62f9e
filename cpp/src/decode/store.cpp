#include "decode/store.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace s2v::decode {
namespace {

// From here on memory is asked for in huge pages, which cost a five-hundredth of the page faults.
constexpr std::size_t kLarge = std::size_t{4} << 20;

// To lock pages takes a call of the driver, however few they are.
constexpr std::size_t kLeastAsked = std::size_t{1} << 20;

// Ordinary memory of this size is not worth a copy into less.
constexpr std::size_t kLeastOwn = std::size_t{64} << 10;

std::align_val_t alignment(std::size_t size) noexcept {
    return std::align_val_t{size < kLarge ? std::size_t{64} : std::size_t{2} << 20};
}

void *own_memory(std::size_t size) {
    void *const memory = ::operator new(size, alignment(size));
#if defined(MADV_HUGEPAGE)
    if (size >= kLarge) madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

void free_own(const Space &space) noexcept {
    ::operator delete(space.at, alignment(space.size));
}

bool smaller(const Space &a, const Space &b) noexcept {
    return a.size < b.size;
}

bool same(const s2v_allocator &a, const s2v_allocator &b) noexcept {
    return a.allocate == b.allocate && a.release == b.release && a.context == b.context;
}

}  // namespace

Room::Room(std::size_t size) : space_{own_memory(size), size, false} {}

Room::~Room() {
    if (store_)
        store_->give_back(space_);
    else
        free_own(space_);
}

std::shared_ptr<Store> Store::of(const s2v_allocator *allocator) {
    static std::mutex lock;
    static std::vector<std::pair<s2v_allocator, std::weak_ptr<Store>>> stores;
    const s2v_allocator wanted =
        allocator ? *allocator : s2v_allocator{sizeof(s2v_allocator), nullptr, nullptr, nullptr};
    const std::lock_guard<std::mutex> hold(lock);
    std::erase_if(stores, [](const auto &known) { return known.second.expired(); });
    for (const auto &[theirs, known] : stores)
        if (same(theirs, wanted))
            if (std::shared_ptr<Store> store = known.lock()) return store;
    std::shared_ptr<Store> made = std::make_shared<Store>(wanted);
    stores.emplace_back(wanted, made);
    return made;
}

Store::~Store() {
    for (std::size_t i = 0; i < count_; ++i) free(spaces_[i]);
}

Room Store::take(std::size_t size) {
    Space space = kept_space(size, std::numeric_limits<std::size_t>::max());
    // The next batch is about as large: somewhat more, and it fits where this one was.
    if (!space.at) space = fresh_space(size + size / 8);
    return {space, shared_from_this()};
}

Room Store::take_fitting(std::size_t size) noexcept {
    try {
        Space space = kept_space(size, most_for(size));
        if (!space.at) space = fresh_space(size);
        return {space, shared_from_this()};
    } catch (const std::bad_alloc &) {
        return {};
    }
}

std::size_t Store::most_for(std::size_t size) const noexcept {
    return std::max(4 * size, allocator_.allocate ? kLeastAsked : kLeastOwn);
}

Space Store::fresh_space(std::size_t size) const {
    if (allocator_.allocate) {
        const std::size_t asked = std::max(size, kLeastAsked);
        void *const memory = allocator_.allocate(allocator_.context, static_cast<std::int64_t>(asked));
        if (memory) return {memory, asked, true};
    }
    return {own_memory(size), size, false};
}

// The largest that is kept of at most so many bytes: a batch that grows into it is not copied.
Space Store::kept_space(std::size_t size, std::size_t most) noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    Space *const end = spaces_.data() + count_;
    Space *found = end;
    for (Space *space = spaces_.data(); space != end; ++space)
        if (space->size >= size && space->size <= most && (found == end || smaller(*found, *space))) found = space;
    if (found == end) return {};
    const Space space = std::exchange(*found, *(end - 1));
    --count_;
    kept_ -= space.size;
    return space;
}

void Store::give_back(Space space) noexcept {
    if (space.size > kMostKept) {
        free(space);
        return;
    }
    for (bool first = true;; first = false) {
        {
            const std::lock_guard<std::mutex> hold(lock_);
            if (first) {
                spaces_[count_++] = space;
                kept_ += space.size;
            }
            if (kept_ <= kMostKept && count_ <= kMostKeptSpaces) return;
            Space *const last = spaces_.data() + count_ - 1;
            space = std::exchange(*std::min_element(spaces_.data(), last + 1, smaller), *last);
            --count_;
            kept_ -= space.size;
        }
        free(space);
    }
}

void Store::free(const Space &space) const noexcept {
    if (space.allocated)
        allocator_.release(allocator_.context, space.at, static_cast<std::int64_t>(space.size));
    else
        free_own(space);
}

}  // namespace s2v::decode
