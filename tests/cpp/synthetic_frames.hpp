// Synthetic frames for the C++ tests: a field of sources, stored in any way, and stamps cut from it by a plain loop.
#pragma once

#include "synthetic_scoring.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace synthetic {

// Numbers as they may lie in memory: rows with gaps, from the bottom, in either byte order, at any address.
template <class T>
std::vector<std::uint8_t> stored(const std::vector<T> &numbers, std::int32_t width, std::int64_t stride, bool swapped,
                                 std::size_t &first) {
    const auto rows = static_cast<std::int64_t>(numbers.size()) / width;
    const std::int64_t step = std::abs(stride);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rows * step) * sizeof(T) + 1, 0xA5);
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t column = 0; column < width; ++column) {
            std::uint8_t one[sizeof(T)];
            std::memcpy(one, &numbers[static_cast<std::size_t>(row * width + column)], sizeof one);
            if (swapped) std::reverse(one, one + sizeof(T));
            const std::int64_t line = stride < 0 ? rows - 1 - row : row;
            std::memcpy(bytes.data() + 1 + static_cast<std::size_t>(line * step + column) * sizeof(T), one, sizeof one);
        }
    first = 1 + (stride < 0 ? static_cast<std::size_t>((rows - 1) * step) * sizeof(T) : 0);
    return bytes;
}

// A frame, and what it means.
struct Plain {
    std::int32_t height;
    std::int32_t width;
    std::int64_t x0 = 0;
    std::int64_t y0 = 0;
    std::vector<float> value;          // as it is to be understood, masks left aside
    std::vector<bool> bad;             // empty: none
    std::vector<bool> saturated;       // empty: no mask says so
    std::vector<std::uint8_t> pixels;  // what the frame points at
    std::vector<std::uint8_t> mask;
    std::vector<std::uint8_t> variance;
    s2v_frame frame{};

    [[nodiscard]] std::size_t size() const {
        return static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    }

    // Of a sky that is the same wherever a frame begins.
    Plain(std::int32_t rows, std::int32_t columns, int channel, std::int64_t left = 0, std::int64_t top = 0)
        : height(rows), width(columns), x0(left), y0(top) {
        s2v_frame_init(&frame);
        frame.height = height;
        frame.width = width;
        frame.x0 = static_cast<double>(x0);
        frame.y0 = static_cast<double>(y0);
        Random random(static_cast<std::uint64_t>(channel) + 17);
        for (std::int64_t y = top; y < top + rows; ++y)
            for (std::int64_t x = left; x < left + columns; ++x) {
                const double noise = 3.0 * random.normal();
                const double dy = static_cast<double>(y % 37) - 18.0;
                const double dx = static_cast<double>(x % 41) - 20.0;
                const double source = (channel == S2V_TEMPLATE ? 60.0 : 200.0) * std::exp(-0.2 * (dx * dx + dy * dy));
                value.push_back(static_cast<float>(source + noise + (channel == S2V_DIFFERENCE ? 0.0 : 100.0)));
            }
        store<float>(S2V_FLOAT32);
    }

    // Stores the frame as numbers of a type. Values become what these can say.
    template <class T>
    void store(std::int32_t dtype, std::int64_t stride = 0, bool swapped = false, double scale = 1.0,
               double zero = 0.0) {
        std::vector<T> numbers;
        for (float &x : value) {
            if constexpr (std::is_integral_v<T>) {
                const double lowest = std::is_signed_v<T> ? -32768.0 : 0.0;
                const double wanted = std::round((static_cast<double>(x) - zero) / scale);
                numbers.push_back(static_cast<T>(std::clamp(wanted, lowest, lowest + 65535.0)));
            } else {
                numbers.push_back(static_cast<T>((static_cast<double>(x) - zero) / scale));
            }
            using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
            auto read = static_cast<Real>(numbers.back());
            if (scale != 1.0) read *= static_cast<Real>(scale);
            if (zero != 0.0) read += static_cast<Real>(zero);
            x = static_cast<float>(read);
        }
        std::size_t first = 0;
        pixels = stored(numbers, width, stride == 0 ? width : stride, swapped, first);
        frame.pixels = pixels.data() + first;
        frame.dtype = dtype | order(swapped);
        frame.row_stride = stride;
        frame.scale = scale;
        frame.zero = zero;
    }

    // A mask with bits 1 (good), 4 (bad) and 8 (saturated) here and there.
    template <class T>
    void put_mask(std::int32_t dtype, bool saturating, std::int64_t stride = 0, bool swapped = false) {
        std::vector<T> bits(size());
        Random random(91);
        bad.assign(size(), false);
        if (saturating) saturated.assign(size(), false);
        for (std::size_t i = 0; i < size(); ++i) {
            const double chance = random.uniform();
            bits[i] = static_cast<T>((chance < 0.001 ? 4 : 0) | (chance > 0.9995 ? 8 : 0) | (i % 3 == 0 ? 1 : 0));
            if (chance > 0.9999) bits[i] = static_cast<T>(bits[i] | 4);
            bad[i] = (bits[i] & 4) != 0;
            if (saturating) saturated[i] = (bits[i] & 8) != 0;
        }
        std::size_t first = 0;
        mask = stored(bits, width, stride == 0 ? width : stride, swapped, first);
        frame.mask = mask.data() + first;
        frame.mask_dtype = dtype | order(swapped);
        frame.mask_stride = stride;
        frame.bad_bits = 4;
        frame.saturated_bits = 8;
    }

    template <class T>
    void put_variance(std::int32_t dtype, std::int64_t stride = 0, bool swapped = false) {
        std::vector<T> numbers(size(), T(9));
        if (bad.empty()) bad.assign(size(), false);
        for (std::size_t i = 5; i < size(); i += 997) {
            constexpr T kBad[] = {T(0), T(-1), std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()};
            numbers[i] = kBad[i % 4];
            bad[i] = true;
        }
        std::size_t first = 0;
        variance = stored(numbers, width, stride == 0 ? width : stride, swapped, first);
        frame.variance = variance.data() + first;
        frame.variance_dtype = dtype | order(swapped);
        frame.variance_stride = stride;
    }

    static std::int32_t order(bool swapped) {
        if (!swapped) return 0;
        return std::endian::native == std::endian::little ? S2V_BIG_ENDIAN : S2V_LITTLE_ENDIAN;
    }
    [[nodiscard]] bool holds(std::int64_t y, std::int64_t x) const {
        return y >= y0 && x >= x0 && y < y0 + height && x < x0 + width;
    }
    [[nodiscard]] std::size_t index(std::int64_t y, std::int64_t x) const {
        return static_cast<std::size_t>((y - y0) * width + (x - x0));
    }
};

// Flags that a plain loop meets, by name.
struct MetFlags {
    std::uint32_t padded;
    std::uint32_t masked;
    std::uint32_t saturated;
};

// Stamps of `side` pixels around positions, cut from three frames (null: none) by a plain loop; of what no frame has
// there is nothing, and of what one has not, NaN. raised: what is met.
inline Batch cut_by_hand(const Plain *const (&frames)[3], const std::vector<double> &x, const std::vector<double> &y,
                         int side, const MetFlags &flag, std::uint32_t used, std::vector<std::uint32_t> &raised) {
    Batch batch;
    raised.clear();
    for (std::size_t i = 0; i < x.size(); ++i) {
        std::int64_t top = 1 << 30, left = 1 << 30, bottom = -(1 << 30), right = -(1 << 30);
        const bool somewhere = std::abs(x[i]) < 1e6 && std::abs(y[i]) < 1e6;
        const auto row = static_cast<std::int64_t>(somewhere ? std::floor(y[i] + 0.5) : -1e6);
        const auto column = static_cast<std::int64_t>(somewhere ? std::floor(x[i] + 0.5) : -1e6);
        for (std::int64_t v = row - side / 2; v < row - side / 2 + side; ++v)
            for (std::int64_t u = column - side / 2; u < column - side / 2 + side; ++u)
                for (const Plain *const frame : frames)
                    if (frame != nullptr && frame->holds(v, u)) {
                        top = std::min(top, v);
                        left = std::min(left, u);
                        bottom = std::max(bottom, v + 1);
                        right = std::max(right, u + 1);
                    }
        std::uint32_t met = 0;
        for (int c = 0; c < 3; ++c) {
            const Plain *const frame = frames[c];
            bool there = false;
            std::vector<float> stamp;
            std::uint32_t own = 0;
            for (std::int64_t v = top; v < bottom && frame != nullptr; ++v)
                for (std::int64_t u = left; u < right; ++u) {
                    if (!frame->holds(v, u)) {
                        own |= flag.padded;
                        stamp.push_back(nan_value);
                        continue;
                    }
                    there = true;
                    const std::size_t at = frame->index(v, u);
                    float pixel = frame->value[at];
                    const float level = frame->frame.saturation;
                    if (c == 0 && !frame->saturated.empty() && frame->saturated[at]) {
                        if (std::abs(v - row) <= 25 && std::abs(u - column) <= 25) met |= flag.saturated;
                        if (level == level && !(pixel >= level)) pixel = level;
                    }
                    if (!frame->bad.empty() && frame->bad[at]) {
                        own |= flag.masked;
                        pixel = nan_value;
                    }
                    stamp.push_back(pixel);
                }
            if (there && (used >> c & 1U) != 0) met |= own;
            batch.offset.push_back(there ? static_cast<std::int64_t>(batch.pixels.size()) : -1);
            batch.shape.push_back(there ? static_cast<std::int32_t>(bottom - top) : 0);
            batch.shape.push_back(there ? static_cast<std::int32_t>(right - left) : 0);
            if (there) batch.pixels.insert(batch.pixels.end(), stamp.begin(), stamp.end());
        }
        const bool any = bottom > top;
        batch.centre.push_back(any ? static_cast<std::int32_t>(row - top) : 0);
        batch.centre.push_back(any ? static_cast<std::int32_t>(column - left) : 0);
        raised.push_back(met);
    }
    return batch;
}

// Positions of detections, in pixels.
struct Detections {
    std::vector<double> x;
    std::vector<double> y;
    void add(double at_x, double at_y) {
        x.push_back(at_x);
        y.push_back(at_y);
    }
    [[nodiscard]] std::int64_t n() const {
        return static_cast<std::int64_t>(x.size());
    }
    [[nodiscard]] s2v::Positions positions() const {
        return {x, y};
    }
};

// Detections inside at sub-pixel positions, at every edge and corner, beyond, and nowhere.
inline Detections everywhere(std::int32_t height, std::int32_t width) {
    Detections found;
    Random random(4);
    for (int i = 0; i < 24; ++i)
        found.add(40.0 + (width - 80.0) * random.uniform(), 40.0 + (height - 80.0) * random.uniform());
    const double xs[] = {0.0, -0.5, -0.500001, 3.2, width - 1.0, width - 0.5, width - 0.5000001, width + 20.0, -45.0};
    const double ys[] = {0.0, 12.5, height - 1.0, height / 2.0, height + 27.0};
    for (const double x : xs)
        for (const double y : ys) found.add(x, y);
    for (const double nowhere : {static_cast<double>(nan_value), HUGE_VAL, -HUGE_VAL, 1e300, -1e18}) {
        found.add(nowhere, 50.0);
        found.add(50.0, nowhere);
    }
    found.add(61.5, 62.5);  // between two pixels: the higher counts
    return found;
}

inline MetFlags met_flags() {
    return {flag("padded"), flag("masked_pixels"), flag("saturated")};
}

// The frame of a plain one, or null.
inline const s2v_frame *frame_of(const Plain *plain) {
    return plain == nullptr ? nullptr : &plain->frame;
}

}  // namespace synthetic
