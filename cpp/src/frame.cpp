#include "frame.hpp"

#include "checks.hpp"
#include "isa.hpp"
#include "kernel/stamp.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

namespace s2v {
namespace {

constexpr std::int32_t kByteOrders = S2V_BIG_ENDIAN | S2V_LITTLE_ENDIAN;
constexpr std::int32_t kLargestFrameSide = 1 << 24;
constexpr std::int32_t kSome = 128;  // pixels that are looked at together

std::int32_t type_of(std::int32_t dtype) noexcept {
    return dtype & ~kByteOrders;
}

std::int32_t bytes_of(std::int32_t dtype) noexcept {
    switch (type_of(dtype)) {
        case S2V_FLOAT64:
            return 8;
        case S2V_FLOAT32:
        case S2V_INT32:
            return 4;
        case S2V_INT16:
        case S2V_UINT16:
            return 2;
        default:
            return 1;
    }
}

template <std::size_t kBytes>
struct Bits;
template <>
struct Bits<1> {
    using type = std::uint8_t;
};
template <>
struct Bits<2> {
    using type = std::uint16_t;
};
template <>
struct Bits<4> {
    using type = std::uint32_t;
};
template <>
struct Bits<8> {
    using type = std::uint64_t;
};

// A number at any address.
template <class T, bool kSwapped>
T load(const std::byte *at) noexcept {
    typename Bits<sizeof(T)>::type bits;
    std::memcpy(&bits, at, sizeof bits);
    if constexpr (kSwapped && sizeof(T) == 2) bits = __builtin_bswap16(bits);
    if constexpr (kSwapped && sizeof(T) == 4) bits = __builtin_bswap32(bits);
    if constexpr (kSwapped && sizeof(T) == 8) bits = __builtin_bswap64(bits);
    return std::bit_cast<T>(bits);
}

template <class T, bool kSwapped, class Out, class F>
void each(const std::byte *from, std::int32_t count, Out *out, F f) noexcept {
    for (std::int32_t i = 0; i < count; ++i)
        out[i] = static_cast<Out>(f(load<T, kSwapped>(from + static_cast<std::size_t>(i) * sizeof(T))));
}

// Shorts and floats are calculated in float, doubles in double. A factor of 1 and a summand of 0 are left out: 0 would
// turn -0 to 0.
template <class T, bool kSwapped>
void read_values(const std::byte *from, std::int32_t count, double scale, double zero, float *out) noexcept {
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    if constexpr (std::is_same_v<T, float> && !kSwapped)
        if (scale == 1.0 && zero == 0.0) {
            std::memcpy(out, from, static_cast<std::size_t>(count) * sizeof(float));
            return;
        }
    const auto a = static_cast<Real>(scale);
    const auto b = static_cast<Real>(zero);
    if (scale == 1.0 && zero == 0.0)
        each<T, kSwapped>(from, count, out, [](T x) { return static_cast<Real>(x); });
    else if (zero == 0.0)
        each<T, kSwapped>(from, count, out, [=](T x) { return static_cast<Real>(x) * a; });
    else if (scale == 1.0)
        each<T, kSwapped>(from, count, out, [=](T x) { return static_cast<Real>(x) + b; });
    else
        each<T, kSwapped>(from, count, out, [=](T x) { return static_cast<Real>(x) * a + b; });
}

template <class T>
void read_values(bool swapped, const std::byte *from, std::int32_t count, double scale, double zero,
                 float *out) noexcept {
    if (swapped)
        read_values<T, true>(from, count, scale, zero, out);
    else
        read_values<T, false>(from, count, scale, zero, out);
}

template <class T>
void read_bits(bool swapped, const std::byte *from, std::int32_t count, std::uint32_t *out) noexcept {
    if (swapped)
        each<T, true>(from, count, out, [](T x) { return x; });
    else
        each<T, false>(from, count, out, [](T x) { return x; });
}

class Named {
public:
    explicit Named(const char *frame) : frame_(frame) {}
    void require(bool holds, const char *what) const {
        if (!holds) throw Failure(S2V_INVALID_ARGUMENT, std::string("the ") + frame_ + " frame: " + what);
    }
    void dtype(std::int32_t given, bool fits, const char *what) const {
        require(fits && (given & kByteOrders) != kByteOrders && given >= 0, what);
    }
    void stride(std::int64_t given, std::int32_t width, const char *what) const {
        constexpr std::int64_t kMost = std::int64_t{1} << 32;
        require(given == 0 || (given > -kMost && given < kMost && std::abs(given) >= width), what);
    }

private:
    const char *frame_;
};

bool is_real(std::int32_t dtype) noexcept {
    return type_of(dtype) == S2V_FLOAT32 || type_of(dtype) == S2V_FLOAT64;
}

bool is_short(std::int32_t dtype) noexcept {
    return type_of(dtype) == S2V_INT16 || type_of(dtype) == S2V_UINT16;
}

bool is_mask(std::int32_t dtype) noexcept {
    return is_short(dtype) || type_of(dtype) == S2V_UINT8 || type_of(dtype) == S2V_INT32;
}

void check_frame(const s2v_frame &of, const Named &frame) {
    frame.require(of.size >= sizeof of, "its size field (s2v_frame_init sets it)");
    frame.require(of.pixels != nullptr, "pixels is NULL");
    frame.require(of.height >= 1 && of.width >= 1 && of.height <= kLargestFrameSide && of.width <= kLargestFrameSide,
                  "height and width must be 1 to 2^24");
    frame.dtype(of.dtype, is_real(of.dtype) || is_short(of.dtype),
                "dtype must be S2V_FLOAT32, S2V_FLOAT64, S2V_INT16 or S2V_UINT16");
    frame.stride(of.row_stride, of.width, "row_stride is shorter than a row, or too large");
    frame.require(std::isfinite(of.scale) && of.scale != 0.0 && std::isfinite(of.zero),
                  "scale and zero must be finite, and scale not 0");
    frame.require(std::isfinite(of.x0) && std::isfinite(of.y0), "x0 and y0 must be finite");
    frame.require(of.mask != nullptr || (of.bad_bits | of.saturated_bits) == 0, "bits of a mask, but no mask");
    if (of.mask != nullptr) {
        frame.dtype(of.mask_dtype, is_mask(of.mask_dtype),
                    "mask_dtype must be S2V_UINT8, S2V_INT16, S2V_UINT16 or S2V_INT32");
        frame.stride(of.mask_stride, of.width, "mask_stride is shorter than a row, or too large");
    }
    if (of.variance != nullptr) {
        frame.dtype(of.variance_dtype, is_real(of.variance_dtype), "variance_dtype must be S2V_FLOAT32 or S2V_FLOAT64");
        frame.stride(of.variance_stride, of.width, "variance_stride is shorter than a row, or too large");
    }
}

}  // namespace

ImageRows::ImageRows(const void *data, std::int32_t dtype, std::int64_t stride, std::int32_t width) noexcept
    : data_(static_cast<const std::byte *>(data)),
      stride_(static_cast<std::ptrdiff_t>(stride == 0 ? width : stride)),
      type_(type_of(dtype)),
      size_(bytes_of(dtype)),
      swapped_((dtype & (std::endian::native == std::endian::little ? S2V_BIG_ENDIAN : S2V_LITTLE_ENDIAN)) != 0) {}

const std::byte *ImageRows::at(std::int32_t row, std::int32_t column) const noexcept {
    return data_ + (row * stride_ + column) * size_;
}

void ImageRows::prefetch(std::int32_t row, std::int32_t column, std::int32_t count) const noexcept {
    constexpr std::ptrdiff_t kLine = 64;
    const std::byte *const first = at(row, column);
    const std::byte *const last = at(row, column + count - 1);
    for (const std::byte *line = first; line < last; line += kLine) __builtin_prefetch(line);
    __builtin_prefetch(last);
}

void ImageRows::values(std::int32_t row, std::int32_t column, std::int32_t count, double scale, double zero,
                       float *out) const noexcept {
    const std::byte *const from = at(row, column);
    switch (type_) {
        case S2V_FLOAT64:
            return read_values<double>(swapped_, from, count, scale, zero, out);
        case S2V_INT16:
            return read_values<std::int16_t>(swapped_, from, count, scale, zero, out);
        case S2V_UINT16:
            return read_values<std::uint16_t>(swapped_, from, count, scale, zero, out);
        default:
            return read_values<float>(swapped_, from, count, scale, zero, out);
    }
}

void ImageRows::bits(std::int32_t row, std::int32_t column, std::int32_t count, std::uint32_t *out) const noexcept {
    const std::byte *const from = at(row, column);
    switch (size_) {
        case 4:
            return read_bits<std::uint32_t>(swapped_, from, count, out);
        case 2:
            return read_bits<std::uint16_t>(swapped_, from, count, out);
        default:
            return read_bits<std::uint8_t>(swapped_, from, count, out);
    }
}

Frame::Frame(const s2v_frame *of, const char *name, bool science) : saturation_(kernel::quiet_nan()) {
    if (of == nullptr) return;
    check_frame(*of, Named(name));
    pixels_ = ImageRows(of->pixels, of->dtype, of->row_stride, of->width);
    const std::uint32_t bits = of->bad_bits | (science ? of->saturated_bits : 0);
    if (bits != 0) mask_ = ImageRows(of->mask, of->mask_dtype, of->mask_stride, of->width);
    if (of->variance != nullptr)
        variance_ = ImageRows(of->variance, of->variance_dtype, of->variance_stride, of->width);
    height_ = of->height;
    width_ = of->width;
    scale_ = of->scale;
    zero_ = of->zero;
    x0_ = of->x0;
    y0_ = of->y0;
    bad_bits_ = of->bad_bits;
    if (!science) return;
    saturated_bits_ = of->saturated_bits;
    saturation_ = of->saturation;
}

Pixel Frame::pixel_at(double x, double y) const noexcept {
    constexpr double kFar = 1LL << 40;
    const auto nearest = [](double position) {
        const double pixel = std::floor(position + 0.5);
        return static_cast<std::int64_t>(std::abs(pixel) < kFar ? pixel : kFar);
    };
    return {nearest(y - y0_), nearest(x - x0_)};
}

Reach Frame::reach_of(Pixel centre, std::int32_t side) const noexcept {
    const auto within = [&](std::int64_t at) { return std::clamp<std::int64_t>(at, 0, side); };
    const std::int64_t top = centre.row - side / 2;
    const std::int64_t left = centre.column - side / 2;
    return {within(-top), within(height_ - top), within(-left), within(width_ - left)};
}

void Frame::prefetch(Pixel centre, std::int32_t side, const Reach &part) const noexcept {
    const auto column = static_cast<std::int32_t>(centre.column - side / 2 + part.left);
    const auto count = static_cast<std::int32_t>(part.right - part.left);
    for (std::int64_t r = part.top; r < part.bottom; ++r) {
        const auto row = static_cast<std::int32_t>(centre.row - side / 2 + r);
        pixels_.prefetch(row, column, count);
        if (mask_.is_present()) mask_.prefetch(row, column, count);
        if (variance_.is_present()) variance_.prefetch(row, column, count);
    }
}

std::uint32_t Frame::read(Pixel centre, std::int32_t side, const Reach &part, std::int64_t width,
                          float *out) const noexcept {
    std::uint32_t flags = 0;
    const std::int64_t top = centre.row - side / 2;
    const std::int64_t left = centre.column - side / 2;
    for (std::int64_t r = part.top; r < part.bottom; ++r) {
        float *const line = out + (r - part.top) * width;
        const auto row = static_cast<std::int32_t>(top + r);
        const bool inside = std::abs(r - side / 2) <= kernel::kWindow / 2;
        for (std::int64_t c = part.left; c < part.right; c += kSome) {
            const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(kSome, part.right - c));
            flags |= read_some(row, static_cast<std::int32_t>(left + c), count, inside, c - side / 2,
                               line + (c - part.left));
        }
    }
    return flags;
}

// Pixels of one row, at most kSome. `inside`: the row crosses the window of features, the first pixel `first` columns
// from its middle.
std::uint32_t Frame::read_some(std::int32_t row, std::int32_t column, std::int32_t count, bool inside,
                               std::int64_t first, float *out) const noexcept {
    pixels_.values(row, column, count, scale_, zero_, out);
    std::uint32_t flags = 0;
    if (mask_.is_present()) {
        std::uint32_t mask[kSome];
        mask_.bits(row, column, count, mask);
        std::uint32_t met = 0;
        for (std::int32_t i = 0; i < count; ++i) met |= mask[i];
        for (std::int32_t i = 0; i < count && (met & saturated_bits_) != 0; ++i) {
            if ((mask[i] & saturated_bits_) == 0) continue;
            if (inside && std::abs(first + i) <= kernel::kWindow / 2) flags |= kernel::flag::saturated;
            if (saturation_ == saturation_ && !(out[i] >= saturation_)) out[i] = saturation_;
        }
        if ((met & bad_bits_) != 0) flags |= kernel::flag::masked_pixels;
        for (std::int32_t i = 0; i < count && (met & bad_bits_) != 0; ++i)
            if ((mask[i] & bad_bits_) != 0) out[i] = kernel::quiet_nan();
    }
    if (variance_.is_present()) {
        float variance[kSome];
        variance_.values(row, column, count, 1.0, 0.0, variance);
        for (std::int32_t i = 0; i < count; ++i) {
            if (variance[i] > 0.0F && variance[i] <= std::numeric_limits<float>::max()) continue;
            flags |= kernel::flag::masked_pixels;
            out[i] = kernel::quiet_nan();
        }
    }
    return flags;
}

}  // namespace s2v
