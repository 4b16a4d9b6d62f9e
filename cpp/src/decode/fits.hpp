// Images in FITS files that lie in memory.
#pragma once

#include "decode/bytes.hpp"

#include <string_view>

namespace s2v::decode {

// The longest side and the most pixels of an image that is read.
inline constexpr std::int64_t kLargestSide = 1 << 14;
inline constexpr std::int64_t kMostPixels = 1 << 22;
// The most bytes that a FITS file is unpacked to.
inline constexpr std::size_t kLargestFile = std::size_t{16} << 20;

// Where the pixels of an image lie in its file, and what they mean.
struct Image {
    std::int32_t height = 0;
    std::int32_t width = 0;
    std::int32_t bitpix = 0;
    std::size_t begin = 0;  // offset of the first pixel
    double scale = 1.0;
    double zero = 0.0;
    bool has_blank = false;
    std::int64_t blank = 0;
    double crpix[2] = {};  // CRPIX2, CRPIX1: row, column from 1; NAN where the header has none
    Finding finding;
};

// Find an image in an unpacked FITS file: the first two-dimensional one with pixels in any unit; or the one of the unit
// that EXTNAME names ("PRIMARY" for the first unit whatever its name). Axes of one pixel beyond two do not count. The
// file may begin with an extension. Of an image in tiles (compressed_image) height, width and crpix are told.
Image find_image(Bytes file, std::string_view unit = {}) noexcept;

// Write the pixels (height, width) as float32: value = scale * stored + zero, NAN where the stored one is the blank.
void read_pixels(Bytes file, const Image &image, float *pixels) noexcept;

}  // namespace s2v::decode
