// A frame as bytes describe it, in memory that has room for what it claims and no more, and its pixels by a plain loop.
#pragma once

#include "fuzz.hpp"
#include "kernel/registry_table.hpp"
#include "space2vec/space2vec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

namespace fuzz {

// Takes numbers from the input; zeros after its end.
class Cursor {
public:
    explicit Cursor(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
    template <class T>
    T take() {
        T number{};
        const std::size_t size = std::min(rest_.size(), sizeof number);
        if (size != 0) std::memcpy(&number, rest_.data(), size);
        rest_ = rest_.subspan(size);
        return number;
    }
    [[nodiscard]] std::span<const std::uint8_t> rest() const noexcept {
        return rest_;
    }

private:
    std::span<const std::uint8_t> rest_;
};

// Rows of numbers: an image, a mask or a variance.
struct PlainImage {
    std::int32_t dtype = 0;
    std::int64_t stride = 0;
    Exact bytes{std::size_t{0}};
    const std::uint8_t *first = nullptr;
    std::int32_t width = 0;

    [[nodiscard]] static std::size_t size_of(std::int32_t dtype) {
        constexpr std::size_t kSizes[] = {0, 4, 8, 2, 2, 1, 4};
        return kSizes[dtype & 63];
    }

    // Takes room for `height` rows, and fills it with `content` again and again.
    void store(std::int32_t height, std::int32_t columns, bool odd_address, std::span<const std::uint8_t> content) {
        width = columns;
        const std::int64_t step = std::abs(stride == 0 ? width : stride);
        const std::size_t before = odd_address ? 1 : 0;
        const std::size_t size = size_of(dtype);
        bytes = Exact(static_cast<std::size_t>((height - 1) * step + width) * size + before);
        for (std::size_t at = 0; at < bytes.all().size(); at += content.size()) {
            if (content.empty()) {
                std::memset(bytes.data(), 0, bytes.all().size());
                break;
            }
            std::memcpy(bytes.data() + at, content.data(), std::min(content.size(), bytes.all().size() - at));
        }
        first = bytes.data() + before + (stride < 0 ? static_cast<std::size_t>((height - 1) * step) * size : 0);
    }

    template <class T>
    [[nodiscard]] T number(std::int64_t row, std::int64_t column) const {
        std::uint8_t one[sizeof(T)];
        const auto size = static_cast<std::int64_t>(sizeof(T));
        std::memcpy(one, first + (row * (stride == 0 ? width : stride) + column) * size, sizeof(T));
        const std::int32_t other = std::endian::native == std::endian::little ? S2V_BIG_ENDIAN : S2V_LITTLE_ENDIAN;
        if ((dtype & other) != 0) std::reverse(one, one + sizeof(T));
        T number;
        std::memcpy(&number, one, sizeof(T));
        return number;
    }

    template <class Real>
    [[nodiscard]] static float scaled(Real stored, double scale, double zero) {
        if (scale != 1.0) stored *= static_cast<Real>(scale);
        if (zero != 0.0) stored += static_cast<Real>(zero);
        return static_cast<float>(stored);
    }
    [[nodiscard]] float value(std::int64_t row, std::int64_t column, double scale, double zero) const {
        switch (dtype & 63) {
            case S2V_FLOAT64:
                return scaled(number<double>(row, column), scale, zero);
            case S2V_INT16:
                return scaled(static_cast<float>(number<std::int16_t>(row, column)), scale, zero);
            case S2V_UINT16:
                return scaled(static_cast<float>(number<std::uint16_t>(row, column)), scale, zero);
            default:
                return scaled(number<float>(row, column), scale, zero);
        }
    }
    [[nodiscard]] std::uint32_t bits(std::int64_t row, std::int64_t column) const {
        if (size_of(dtype) == 1) return number<std::uint8_t>(row, column);
        if (size_of(dtype) == 2) return number<std::uint16_t>(row, column);
        return number<std::uint32_t>(row, column);
    }
};

class PlainFrame {
public:
    // Reads what the frame claims.
    explicit PlainFrame(Cursor &from) {
        s2v_frame_init(&frame_);
        const auto parts = from.take<std::uint8_t>();
        there_ = (parts & 1) != 0;
        has_mask_ = (parts & 2) != 0;
        has_variance_ = (parts & 4) != 0;
        odd_address_ = (parts & 8) != 0;
        if ((parts & 16) != 0) frame_.size = from.take<std::uint8_t>();
        if ((parts & 32) != 0) no_pixels_ = true;
        frame_.height = side(from.take<std::uint8_t>());
        frame_.width = side(from.take<std::uint8_t>());
        frame_.dtype = pixels_.dtype = from.take<std::int16_t>();
        frame_.mask_dtype = mask_.dtype = from.take<std::int16_t>();
        frame_.variance_dtype = variance_.dtype = from.take<std::int16_t>();
        frame_.row_stride = pixels_.stride = stride(from.take<std::uint8_t>());
        frame_.mask_stride = mask_.stride = stride(from.take<std::uint8_t>());
        frame_.variance_stride = variance_.stride = stride(from.take<std::uint8_t>());
        frame_.scale = from.take<double>();
        frame_.zero = from.take<double>();
        frame_.x0 = from.take<double>();
        frame_.y0 = from.take<double>();
        frame_.saturation = from.take<float>();
        frame_.bad_bits = from.take<std::uint32_t>();
        frame_.saturated_bits = from.take<std::uint32_t>();
    }

    // Takes the memory of a frame that can be.
    void store(std::span<const std::uint8_t> content) {
        static constexpr std::uint8_t kSomething = 0;
        frame_.pixels = no_pixels_ ? nullptr : &kSomething;
        frame_.mask = has_mask_ ? &kSomething : nullptr;
        frame_.variance = has_variance_ ? &kSomething : nullptr;
        if (!there_ || !holds()) return;
        const auto part = [&](std::size_t begin) { return content.subspan(std::min(begin, content.size())); };
        pixels_.store(frame_.height, frame_.width, odd_address_, part(0));
        frame_.pixels = pixels_.first;
        if (has_mask_) {
            mask_.store(frame_.height, frame_.width, odd_address_, part(11));
            frame_.mask = mask_.first;
        }
        if (has_variance_) {
            variance_.store(frame_.height, frame_.width, odd_address_, part(23));
            frame_.variance = variance_.first;
        }
    }

    [[nodiscard]] const s2v_frame *c() const noexcept {
        return there_ ? &frame_ : nullptr;
    }

    // Whether what it claims can be; a frame that is missing can.
    [[nodiscard]] bool holds() const {
        if (!there_) return true;
        const bool bits = (frame_.bad_bits | frame_.saturated_bits) != 0;
        return frame_.size >= sizeof frame_ && !no_pixels_ && frame_.height > 0 && frame_.width > 0 &&
               frame_.height <= 1 << 24 && frame_.width <= 1 << 24 &&
               is_dtype(frame_.dtype, {S2V_FLOAT32, S2V_FLOAT64, S2V_INT16, S2V_UINT16}) &&
               is_stride(frame_.row_stride) && std::isfinite(frame_.scale) && frame_.scale != 0.0 &&
               std::isfinite(frame_.zero) && std::isfinite(frame_.x0) && std::isfinite(frame_.y0) &&
               (has_mask_ || !bits) &&
               (!has_mask_ || (is_dtype(frame_.mask_dtype, {S2V_UINT8, S2V_INT16, S2V_UINT16, S2V_INT32}) &&
                               is_stride(frame_.mask_stride))) &&
               (!has_variance_ ||
                (is_dtype(frame_.variance_dtype, {S2V_FLOAT32, S2V_FLOAT64}) && is_stride(frame_.variance_stride)));
    }

    // The square around a position, as s2v_cut has it, pixel by pixel.
    std::uint32_t square(double x, double y, std::int32_t side, std::vector<float> &out) const {
        namespace flag = s2v::kernel::flag;
        std::uint32_t flags = 0;
        bool any = false;
        out.clear();
        const double column = std::floor(x - frame_.x0 + 0.5);
        const double row = std::floor(y - frame_.y0 + 0.5);
        for (std::int32_t r = 0; r < side; ++r)
            for (std::int32_t c = 0; c < side; ++c) {
                const double at_row = row - side / 2 + r;
                const double at_column = column - side / 2 + c;
                out.push_back(std::numeric_limits<float>::quiet_NaN());
                if (!(at_row >= 0 && at_row < frame_.height && at_column >= 0 && at_column < frame_.width)) {
                    flags |= flag::padded;
                    continue;
                }
                any = true;
                const bool near = std::abs(r - side / 2) <= 25 && std::abs(c - side / 2) <= 25;
                out.back() =
                    pixel(static_cast<std::int64_t>(at_row), static_cast<std::int64_t>(at_column), near, flags);
            }
        return any ? flags : flags | flag::missing;
    }

private:
    static std::int32_t side(std::uint8_t code) {
        constexpr std::int32_t kNone[] = {0, -1, std::numeric_limits<std::int32_t>::min(), (1 << 24) + 1,
                                          std::numeric_limits<std::int32_t>::max()};
        return code < 250 ? 1 + code % 96 : kNone[code % std::size(kNone)];
    }
    [[nodiscard]] std::int64_t stride(std::uint8_t code) const {
        using Limits = std::numeric_limits<std::int64_t>;
        const std::int64_t width = frame_.width;
        const std::int64_t odd[] = {1, -1, Limits::min(), Limits::max(), 1LL << 32, -(1LL << 32), width - 1, 1 - width};
        if (code == 0) return 0;
        if (code < 120) return width + code % 17;
        if (code < 240) return -(width + code % 17);
        return odd[code % std::size(odd)];
    }
    [[nodiscard]] bool is_stride(std::int64_t claimed) const {
        const std::int64_t most = (std::int64_t{1} << 32) - 1;
        return claimed == 0 || (claimed >= frame_.width && claimed <= most) ||
               (claimed <= -frame_.width && claimed >= -most);
    }
    static bool is_dtype(std::int32_t claimed, std::initializer_list<std::int32_t> types) {
        const std::int32_t order = claimed & ~63;
        return (order == 0 || order == S2V_BIG_ENDIAN || order == S2V_LITTLE_ENDIAN) &&
               std::find(types.begin(), types.end(), claimed & 63) != types.end();
    }

    [[nodiscard]] float pixel(std::int64_t row, std::int64_t column, bool near, std::uint32_t &flags) const {
        namespace flag = s2v::kernel::flag;
        const float level = frame_.saturation;
        float value = pixels_.value(row, column, frame_.scale, frame_.zero);
        const std::uint32_t bits = has_mask_ ? mask_.bits(row, column) : 0;
        if ((bits & frame_.saturated_bits) != 0) {
            if (near) flags |= flag::saturated;
            if (!std::isnan(level) && !(value >= level)) value = level;
        }
        bool bad = (bits & frame_.bad_bits) != 0;
        if (has_variance_) {
            const float variance = variance_.value(row, column, 1.0, 0.0);
            bad = bad || !(variance > 0.0F) || std::isinf(variance);
        }
        if (bad) {
            flags |= flag::masked_pixels | flag::nan_pixels;
            return std::numeric_limits<float>::quiet_NaN();
        }
        if (near && value >= level) flags |= flag::saturated;
        if (!std::isfinite(value)) flags |= flag::nan_pixels;
        return value;
    }

    s2v_frame frame_{};
    bool there_ = false;
    bool has_mask_ = false;
    bool has_variance_ = false;
    bool odd_address_ = false;
    bool no_pixels_ = false;
    PlainImage pixels_;
    PlainImage mask_;
    PlainImage variance_;
};

}  // namespace fuzz
