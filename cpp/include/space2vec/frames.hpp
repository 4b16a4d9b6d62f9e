// Whole frames and lists of detections for C++20. Part of space2vec.hpp.
#pragma once

#include "model.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <type_traits>

namespace s2v {

// A whole image in memory of the caller, as in s2v_frame. A stride counts numbers, not bytes; 0 stands for the width.
class Frame {
public:
    // T: float, double, std::int16_t or std::uint16_t.
    template <class T>
    Frame(std::span<const T> pixels, std::int32_t height, std::int32_t width, std::int64_t stride = 0,
          std::endian order = std::endian::native) {
        static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || sizeof(T) == 2);
        s2v_frame_init(&frame_);
        frame_.height = height;
        frame_.width = width;
        frame_.pixels = checked_data(pixels, stride);
        frame_.dtype = dtype<T>(order);
        frame_.row_stride = stride;
    }

    // The value of a pixel is scale * stored + zero.
    Frame &scaled(double scale, double zero) noexcept {
        frame_.scale = scale;
        frame_.zero = zero;
        return *this;
    }
    // T: a whole number of 8, 16 or 32 bits. saturated: of the science frame.
    template <class T>
    Frame &masked(std::span<const T> mask, std::uint32_t bad, std::uint32_t saturated = 0, std::int64_t stride = 0,
                  std::endian order = std::endian::native) {
        static_assert(std::is_integral_v<T> && sizeof(T) <= 4);
        frame_.mask = checked_data(mask, stride);
        frame_.mask_dtype = dtype<T>(order);
        frame_.mask_stride = stride;
        frame_.bad_bits = bad;
        frame_.saturated_bits = saturated;
        return *this;
    }
    // T: float or double.
    template <class T>
    Frame &with_variance(std::span<const T> variance, std::int64_t stride = 0,
                         std::endian order = std::endian::native) {
        static_assert(std::is_floating_point_v<T>);
        frame_.variance = checked_data(variance, stride);
        frame_.variance_dtype = dtype<T>(order);
        frame_.variance_stride = stride;
        return *this;
    }
    // The value from which on a pixel of the science frame is saturated.
    Frame &saturated_from(float level) noexcept {
        frame_.saturation = level;
        return *this;
    }
    // Where the first pixel is in the frame of the sky.
    Frame &at(double x0, double y0) noexcept {
        frame_.x0 = x0;
        frame_.y0 = y0;
        return *this;
    }

    [[nodiscard]] const s2v_frame *c() const noexcept {
        return &frame_;
    }

private:
    template <class T>
    static std::int32_t dtype(std::endian order) noexcept {
        const std::int32_t bytes = order == std::endian::big ? S2V_BIG_ENDIAN : S2V_LITTLE_ENDIAN;
        if constexpr (std::is_same_v<T, float>) return S2V_FLOAT32 | bytes;
        if constexpr (std::is_same_v<T, double>) return S2V_FLOAT64 | bytes;
        if constexpr (sizeof(T) == 1) return S2V_UINT8;
        if constexpr (sizeof(T) == 4) return S2V_INT32 | bytes;
        return (std::is_signed_v<T> ? S2V_INT16 : S2V_UINT16) | bytes;
    }
    template <class T>
    const T *checked_data(std::span<const T> numbers, std::int64_t stride) const {
        const std::int64_t step = stride == 0 ? frame_.width : stride;
        detail::require(frame_.height > 0 && frame_.width > 0 && step >= frame_.width &&
                            static_cast<std::int64_t>(numbers.size()) >= (frame_.height - 1) * step + frame_.width,
                        "Frame: the numbers do not fill height, width and stride");
        return numbers.data();
    }

    s2v_frame frame_{};
};

// The frames of a field; null: missing. They must outlive every call that uses them.
struct Frames {
    const Frame *science = nullptr;
    const Frame *reference = nullptr;
    const Frame *difference = nullptr;
};

// Where candidates are in the frame of the sky, as s2v_score_frames takes them.
struct Positions {
    std::span<const double> x;
    std::span<const double> y;

    [[nodiscard]] std::size_t size() const noexcept {
        return x.size();
    }
};

namespace detail {

inline const s2v_frame *c(const Frame *frame) noexcept {
    return frame == nullptr ? nullptr : frame->c();
}

inline std::int64_t count(const Positions &where, std::size_t flags) {
    require(where.x.size() == where.y.size() && where.x.size() == flags, "x, y and flags differ in length");
    return static_cast<std::int64_t>(flags);
}

inline s2v_catalogue known_of(std::size_t n, std::span<const float> catalogue, std::span<const std::uint32_t> raised) {
    require(
        (catalogue.empty() || catalogue.size() == n * S2V_CATALOGUE_COLUMNS) && (raised.empty() || raised.size() == n),
        "catalogue or raised does not fit the positions");
    return {sizeof(s2v_catalogue), catalogue.empty() ? nullptr : catalogue.data(),
            raised.empty() ? nullptr : raised.data()};
}

// Throws Error with the reason that the library gives.
inline void check_frames(s2v_status status) {
    if (status != S2V_OK) throw Error(status, s2v_last_error());
}

}  // namespace detail

// P(real) of detections in whole frames, NaN where a flag forbids it. score, flags: (n); catalogue and raised as
// Scorer::score takes them.
inline void score_frames(Scorer &scorer, const Frames &frames, const Positions &where, std::span<float> score,
                         std::span<std::uint32_t> flags, std::span<const float> catalogue = {},
                         std::span<const std::uint32_t> raised = {}) {
    detail::require(score.size() == where.size(), "score_frames: score does not fit the positions");
    const s2v_catalogue known = detail::known_of(where.size(), catalogue, raised);
    detail::check_frames(s2v_score_frames(scorer.c(), detail::c(frames.science), detail::c(frames.reference),
                                          detail::c(frames.difference), detail::count(where, flags.size()),
                                          where.x.data(), where.y.data(), &known, score.data(), flags.data()));
}

// The vectors of detections, (n, s2v_needs.vector); otherwise as score_frames.
inline void embed_frames(Scorer &scorer, const Frames &frames, const Positions &where, std::span<std::int8_t> vectors,
                         std::span<std::uint32_t> flags, std::span<const float> catalogue = {},
                         std::span<const std::uint32_t> raised = {}) {
    detail::require(scorer.numbers() == 0 || vectors.size() == where.size() * scorer.numbers(),
                    "embed_frames: the vectors do not fit the positions");
    const s2v_catalogue known = detail::known_of(where.size(), catalogue, raised);
    detail::check_frames(s2v_embed_frames(scorer.c(), detail::c(frames.science), detail::c(frames.reference),
                                          detail::c(frames.difference), detail::count(where, flags.size()),
                                          where.x.data(), where.y.data(), &known, vectors.data(), flags.data()));
}

// The stamp features of detections; values: (n, s2v_stamp_feature_count(sets)).
inline void measure_frames(const Frames &frames, const Positions &where, std::int32_t sets, std::span<float> values,
                           std::span<std::uint32_t> flags, s2v_convention convention = S2V_CONVENTION_CODE,
                           int threads = 1) {
    detail::require(values.size() == where.size() * static_cast<std::size_t>(s2v_stamp_feature_count(sets)),
                    "measure_frames: values do not fit the positions");
    detail::check_frames(s2v_measure_frames(detail::c(frames.science), detail::c(frames.reference),
                                            detail::c(frames.difference), detail::count(where, flags.size()),
                                            where.x.data(), where.y.data(), sets, convention, values.data(),
                                            flags.data(), threads));
}

// Prepare detections by a recipe. planes: (n, channel, height, width).
inline void prepare_frames(const Frames &frames, const Positions &where, const std::string &recipe,
                           std::span<float> planes, std::span<std::uint32_t> flags, int threads = 1) {
    const auto [channels, height, width] = recipe_shape(recipe);
    const auto size =
        static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    detail::require(planes.size() == where.size() * size, "prepare_frames: planes do not fit the positions");
    detail::check_frames(s2v_prepare_frames(detail::c(frames.science), detail::c(frames.reference),
                                            detail::c(frames.difference), detail::count(where, flags.size()),
                                            where.x.data(), where.y.data(), recipe.c_str(), planes.data(), flags.data(),
                                            threads));
}

// Cut stamps of one frame, as s2v_cut does. out: (n, side, side).
inline void cut(const Frame &frame, const Positions &where, std::int32_t side, std::span<float> out,
                std::span<std::uint32_t> flags) {
    detail::require(
        side > 0 && out.size() == where.size() * static_cast<std::size_t>(side) * static_cast<std::size_t>(side),
        "cut: out does not fit the positions");
    detail::check_frames(s2v_cut(frame.c(), detail::count(where, flags.size()), where.x.data(), where.y.data(), side,
                                 out.data(), flags.data()));
}

}  // namespace s2v
