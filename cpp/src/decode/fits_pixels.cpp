#include "decode/fits.hpp"

#include "isa.hpp"

#include <bit>
#include <cstring>
#include <limits>

namespace s2v::decode {
namespace {

// A big-endian number, as the bits of a native one.
template <typename Bits>
Bits load(const std::uint8_t *bytes) noexcept {
    Bits bits;
    std::memcpy(&bits, bytes, sizeof(bits));
    if constexpr (std::endian::native == std::endian::big) return bits;
    if constexpr (sizeof(Bits) == 2) return static_cast<Bits>(__builtin_bswap16(bits));
    if constexpr (sizeof(Bits) == 4) return __builtin_bswap32(bits);
    if constexpr (sizeof(Bits) == 8) return __builtin_bswap64(bits);
    return bits;
}

// Stored: the type of the pixels in the file; Bits: an unsigned one of its size; Real: what is calculated in.
template <typename Stored, typename Bits, typename Real>
class Plane {
public:
    Plane(Bytes file, const Image &image) noexcept
        : stored_(file.data() + image.begin),
          count_(static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width)) {}

    void convert(const Image &image, float *pixels) const noexcept {
        const auto scale = static_cast<Real>(image.scale);
        const auto zero = static_cast<Real>(image.zero);
        // A factor of 1 and a summand of 0 are left out: 0 would turn -0 to 0.
        if (image.scale == 1.0 && image.zero == 0.0)
            image.has_blank ? each(pixels, [](Stored x) { return static_cast<Real>(x); })
                            : each(pixels, [](Stored x) { return x; });
        else if (image.zero == 0.0)
            each(pixels, [=](Stored x) { return static_cast<Real>(x) * scale; });
        else if (image.scale == 1.0)
            each(pixels, [=](Stored x) { return static_cast<Real>(x) + zero; });
        else
            each(pixels, [=](Stored x) { return static_cast<Real>(x) * scale + zero; });
    }

    // Pixels whose offset makes them unsigned are exact.
    void convert_unsigned(float *pixels) const noexcept {
        constexpr Bits kTop = Bits{1} << (8 * sizeof(Bits) - 1);
        each(pixels, [](Stored x) { return static_cast<Bits>(std::bit_cast<Bits>(x) ^ kTop); });
    }

    void mark_blanks(std::int64_t blank, float *pixels) const noexcept {
        for (std::size_t i = 0; i < count_; ++i)
            if (at(i) == blank) pixels[i] = std::numeric_limits<float>::quiet_NaN();
    }

private:
    [[nodiscard]] Stored at(std::size_t i) const noexcept {
        return std::bit_cast<Stored>(load<Bits>(stored_ + i * sizeof(Bits)));
    }
    template <typename Convert>
    void each(float *pixels, Convert convert) const noexcept {
        for (std::size_t i = 0; i < count_; ++i) pixels[i] = static_cast<float>(convert(at(i)));
    }

    const std::uint8_t *stored_;
    std::size_t count_;
};

template <typename Stored, typename Bits, typename Real>
void read_integers(Bytes file, const Image &image, float *pixels) noexcept {
    const Plane<Stored, Bits, Real> plane(file, image);
    if (sizeof(Stored) == 8 && image.scale == 1.0 && image.zero == 0x1p63)
        plane.convert_unsigned(pixels);
    else
        plane.convert(image, pixels);
    if (image.has_blank) plane.mark_blanks(image.blank, pixels);
}

// Most images are such: floats without a scale.
void read_floats(Bytes file, const Image &image, float *pixels) noexcept {
    const s2v_isa_table *const isa = active_isa();
    if (isa && image.scale == 1.0 && image.zero == 0.0)
        isa->read_big_endian(file.data() + image.begin, std::int64_t{image.height} * image.width, pixels);
    else
        Plane<float, std::uint32_t, float>(file, image).convert(image, pixels);
}

}  // namespace

void read_pixels(Bytes file, const Image &image, float *pixels) noexcept {
    switch (image.bitpix) {
        case 8:
            return read_integers<std::uint8_t, std::uint8_t, float>(file, image, pixels);
        case 16:
            return read_integers<std::int16_t, std::uint16_t, float>(file, image, pixels);
        case 32:
            return read_integers<std::int32_t, std::uint32_t, double>(file, image, pixels);
        case 64:
            return read_integers<std::int64_t, std::uint64_t, double>(file, image, pixels);
        case -32:
            return read_floats(file, image, pixels);
        default:
            return Plane<double, std::uint64_t, double>(file, image).convert(image, pixels);
    }
}

}  // namespace s2v::decode
