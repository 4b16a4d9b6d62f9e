// A whole frame of a caller's: its pixels, mask and variance, whatever their types, as rows of float32.
#pragma once

#include "space2vec/space2vec.h"

#include <cstddef>
#include <cstdint>

namespace s2v {

// An image whose numbers are of any type.
class ImageRows {
public:
    ImageRows() = default;
    // stride: in numbers; 0: width.
    ImageRows(const void *data, std::int32_t dtype, std::int64_t stride, std::int32_t width) noexcept;

    [[nodiscard]] bool is_present() const noexcept {
        return data_ != nullptr;
    }
    // Fetch these numbers of a row into the cache ahead of their use.
    void prefetch(std::int32_t row, std::int32_t column, std::int32_t count) const noexcept;
    // Numbers [column, column + count) of a row, scale * stored + zero in the arithmetic of the FITS reader.
    void values(std::int32_t row, std::int32_t column, std::int32_t count, double scale, double zero,
                float *out) const noexcept;
    // The bits of masks.
    void bits(std::int32_t row, std::int32_t column, std::int32_t count, std::uint32_t *out) const noexcept;

private:
    [[nodiscard]] const std::byte *at(std::int32_t row, std::int32_t column) const noexcept;

    const std::byte *data_ = nullptr;
    std::ptrdiff_t stride_ = 0;  // in numbers
    std::int32_t type_ = 0;      // an s2v_dtype without byte order
    std::int32_t size_ = 0;      // of a number, in bytes
    bool swapped_ = false;
};

// A rectangle of a frame, [top, bottom) x [left, right), around a pixel of it.
struct Reach {
    std::int64_t top;
    std::int64_t bottom;
    std::int64_t left;
    std::int64_t right;

    [[nodiscard]] bool empty() const noexcept {
        return top >= bottom || left >= right;
    }
    bool operator==(const Reach &) const = default;
};

// A pixel of a frame, perhaps beyond it.
struct Pixel {
    std::int64_t row;
    std::int64_t column;
};

class Frame {
public:
    Frame() = default;
    // Throws Failure, which calls the frame by `name`, where something of it cannot be. of: null for none.
    Frame(const s2v_frame *of, const char *name, bool science);

    [[nodiscard]] bool is_present() const noexcept {
        return pixels_.is_present();
    }
    [[nodiscard]] float saturation() const noexcept {
        return saturation_;
    }
    [[nodiscard]] bool tells_saturation() const noexcept {
        return saturation_ == saturation_ || saturated_bits_ != 0;
    }

    // The pixel nearest to a position in the sky, far beyond any frame where that is not finite.
    [[nodiscard]] Pixel pixel_at(double x, double y) const noexcept;
    // The part of a square of `side` pixels around a pixel that the frame has, in coordinates of the square.
    [[nodiscard]] Reach reach_of(Pixel centre, std::int32_t side) const noexcept;

    // Fetch the pixels of such a part into the cache ahead of their use.
    void prefetch(Pixel centre, std::int32_t side, const Reach &part) const noexcept;
    // Writes rows and columns `part` of such a square into `out`, `width` pixels a row, which begins at (part.top,
    // part.left): the frame has them. Returns masked_pixels where one is bad, and saturated where a mask says so within
    // the window of features.
    std::uint32_t read(Pixel centre, std::int32_t side, const Reach &part, std::int64_t width,
                       float *out) const noexcept;

private:
    std::uint32_t read_some(std::int32_t row, std::int32_t column, std::int32_t count, bool inside, std::int64_t first,
                            float *out) const noexcept;

    ImageRows pixels_;
    ImageRows mask_;
    ImageRows variance_;
    std::int32_t height_ = 0;
    std::int32_t width_ = 0;
    double scale_ = 1.0;
    double zero_ = 0.0;
    double x0_ = 0.0;
    double y0_ = 0.0;
    std::uint32_t bad_bits_ = 0;
    std::uint32_t saturated_bits_ = 0;
    float saturation_ = 0.0F;
};

}  // namespace s2v
