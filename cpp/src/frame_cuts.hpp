// Stamps of a field's frames, cut a few at a time into the memory of a worker.
#pragma once

#include "frame.hpp"
#include "model.hpp"
#include "worker_memory.hpp"

#include <cstddef>
#include <cstdint>

namespace s2v {

// Stamps that lie in a worker's cache together.
inline constexpr std::int32_t kCutRows = 16;

// Pixels a side that stamps have for a recipe, or for none, and for features: what lies beyond changes nothing.
std::int32_t cut_side(const ModelRecipe *recipe) noexcept;

// Frames of a field by channel, and detections in them.
struct Field {
    // Throws Failure where something of them cannot be.
    Field(const s2v_frame *science, const s2v_frame *reference, const s2v_frame *difference, std::int64_t n,
          const double *x, const double *y);

    Frame frame[S2V_CHANNELS];
    std::int64_t n;
    const double *x;
    const double *y;
};

class FrameCuts {
public:
    // Stamps of `side` pixels; planes, bits: those that are looked at. A science frame that tells what is saturated is
    // cut in any case.
    FrameCuts(std::int32_t side, std::uint32_t planes, const s2v_allocator *allocator);

    // How many rows are cut together.
    [[nodiscard]] std::int32_t rows() const noexcept {
        return rows_;
    }

    // Cuts rows [begin, end) of a field, at most rows(), which hold until the next call. Allocates nothing.
    s2v_stamps cut(const Field &field, std::int64_t begin, std::int64_t end) noexcept;

    // What was met in them, to be joined with what others raise.
    [[nodiscard]] const std::uint32_t *raised() const noexcept {
        return raised_;
    }
    // The same with the flags of a reader (rows), or null.
    const std::uint32_t *join_flags(const std::uint32_t *reader, std::int64_t count) noexcept;

private:
    std::size_t divide(std::byte *memory) noexcept;
    void prefetch_row(const Field &field, std::int64_t row) const noexcept;
    void cut_row(const Field &field, std::int64_t row, std::int64_t at) noexcept;

    std::int32_t side_;
    std::uint32_t planes_;
    std::int32_t rows_;
    WorkerMemory memory_;
    float *pixels_;          // (rows, 3, side, side)
    std::int64_t *offset_;   // (rows, 3)
    std::int32_t *shape_;    // (rows, 3, 2)
    std::int32_t *centre_;   // (rows, 2)
    std::uint32_t *raised_;  // (rows)
};

// Writes the square of `side` pixels around a position, NaN where the frame has no usable pixel, and returns its flags.
std::uint32_t cut_square(const Frame &frame, double x, double y, std::int32_t side, float *out) noexcept;

}  // namespace s2v
