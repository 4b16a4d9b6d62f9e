// What the fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

// Entry points of libFuzzer; replay.cpp calls them where it is absent.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);
extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t *data, std::size_t size, std::size_t room, unsigned seed);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t *data, std::size_t size, std::size_t room);

namespace fuzz {

// What must hold whatever the input; ends the process where it does not.
inline void require(bool holds, const char *what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

// Bytes on the heap without one to spare, so that a read or write past either end is seen.
class Exact {
public:
    explicit Exact(std::size_t size) : bytes_(new std::uint8_t[size]), size_(size) {}
    explicit Exact(std::span<const std::uint8_t> from) : Exact(from.size()) {
        if (size_ != 0) std::memcpy(bytes_.get(), from.data(), size_);
    }
    [[nodiscard]] std::uint8_t *data() const noexcept {
        return bytes_.get();
    }
    [[nodiscard]] std::span<const std::uint8_t> first(std::size_t count) const {
        require(count <= size_, "a size within its room");
        return {bytes_.get(), count};
    }
    [[nodiscard]] std::span<const std::uint8_t> all() const noexcept {
        return {bytes_.get(), size_};
    }

private:
    std::unique_ptr<std::uint8_t[]> bytes_;
    std::size_t size_;
};

}  // namespace fuzz
