// Stamps, features, planes and errors for C++20. Part of space2vec.hpp.
#pragma once

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 202002L
#error "space2vec.hpp needs C++20 (-std=c++20, or the CMake target space2vec::cpp); space2vec.h does not"
#endif

#include "limits.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace s2v {

// A call that could not run: what() says why in a sentence, status() by a number.
class Error : public std::runtime_error {
public:
    Error(s2v_status status, const std::string &what) : std::runtime_error(what), status_(status) {}
    [[nodiscard]] s2v_status status() const noexcept {
        return status_;
    }

private:
    s2v_status status_;
};

namespace detail {

inline void check(s2v_status status, const std::string &what) {
    if (status != S2V_OK) throw Error(status, what + ": " + s2v_last_error());
}
// Builds the text, which allocates, only for an error.
inline void check(s2v_status status, const char *what) {
    if (status != S2V_OK) throw Error(status, std::string(what) + ": " + s2v_last_error());
}

inline void require(bool condition, const char *what) {
    if (!condition) throw Error(S2V_INVALID_ARGUMENT, what);
}

}  // namespace detail

// Bytes that cannot be read: what is wrong with them ("truncated"; see the registry's faults), and where.
class InputError : public Error {
public:
    InputError(const std::string &what, std::string fault, std::uint64_t offset)
        : Error(S2V_BAD_INPUT, what + ": " + fault + " at byte " + std::to_string(offset)),
          fault_(std::move(fault)),
          offset_(offset) {}
    [[nodiscard]] const std::string &fault() const noexcept {
        return fault_;
    }
    [[nodiscard]] std::uint64_t offset() const noexcept {
        return offset_;
    }

private:
    std::string fault_;
    std::uint64_t offset_;
};

// A structure of the C ABI that is all 0 but for its size.
template <class T>
[[nodiscard]] constexpr T sized() noexcept {
    T structure{};
    structure.size = sizeof(T);
    return structure;
}

inline std::string_view version() noexcept {
    return s2v_version();
}

// The stamps of n candidates in memory of the caller's, as in s2v_stamps.
struct Stamps {
    std::span<const float> pixels;
    std::span<const std::int64_t> offset;  // (n, 3), -1: the plane is missing
    std::span<const std::int32_t> shape;   // (n, 3, 2): height, width
    std::span<const std::int32_t> centre;  // (n, 2): row, column; or empty
    float saturation = std::numeric_limits<float>::quiet_NaN();

    [[nodiscard]] std::size_t size() const noexcept {
        return offset.size() / S2V_CHANNELS;
    }

    [[nodiscard]] s2v_stamps c() const {
        const std::size_t n = size();
        detail::require(offset.size() == n * 3 && shape.size() == n * 6 && (centre.empty() || centre.size() == n * 2),
                        "Stamps: offset, shape and centre differ in length");
        return {sizeof(s2v_stamps),
                pixels.data(),
                static_cast<std::int64_t>(pixels.size()),
                offset.data(),
                shape.data(),
                centre.empty() ? nullptr : centre.data(),
                static_cast<std::int64_t>(n),
                saturation};
    }
};

// The stamp features of one or more sets (s2v_feature_set). values: (n, s2v_stamp_feature_count(sets)); flags: (n).
// threads 0: all cores.
inline void features(const Stamps &stamps, std::int32_t sets, std::span<float> values, std::span<std::uint32_t> flags,
                     s2v_convention convention = S2V_CONVENTION_CODE, int threads = 1) {
    const auto columns = static_cast<std::size_t>(s2v_stamp_feature_count(sets));
    detail::require(values.size() == stamps.size() * columns && flags.size() == stamps.size(),
                    "features: values or flags do not fit the stamps");
    const s2v_stamps view = stamps.c();
    detail::check(s2v_features(&view, sets, convention, values.data(), flags.data(), threads), "features");
}

// The shape (channel, height, width) that a recipe gives.
inline std::array<std::int32_t, 3> recipe_shape(const std::string &recipe) {
    std::array<std::int32_t, 3> shape{};
    detail::check(s2v_recipe_shape(recipe.c_str(), shape.data()), "recipe " + recipe);
    return shape;
}

// Prepare stamps by a recipe. planes: (n, channel, height, width); flags: (n).
inline void prepare(const Stamps &stamps, const std::string &recipe, std::span<float> planes,
                    std::span<std::uint32_t> flags, int threads = 1) {
    const auto [channels, height, width] = recipe_shape(recipe);
    const auto size =
        static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    detail::require(planes.size() == stamps.size() * size && flags.size() == stamps.size(),
                    "prepare: planes or flags do not fit the stamps");
    const s2v_stamps view = stamps.c();
    detail::check(s2v_prepare(&view, recipe.c_str(), planes.data(), flags.data(), threads), "recipe " + recipe);
}

// A step of a chain by its name; values replace its parameters, in their order.
inline s2v_step step(const std::string &name, std::span<const double> values = {}) {
    s2v_step out{};
    detail::check(s2v_step_init(name.c_str(), &out), "step " + name);
    detail::require(values.size() <= S2V_STEP_PARAMETERS, "a step with too many parameters");
    for (std::size_t i = 0; i < values.size(); ++i) out.parameters[i] = values[i];
    return out;
}

// Planes (n, height, width) without gaps, as in s2v_planes; mask: as long, or empty.
struct Planes {
    std::span<const float> pixels;
    std::int32_t height = 0;
    std::int32_t width = 0;
    std::span<const std::uint8_t> mask;
};

// Normalise planes by a chain of steps. out: as long as the pixels; flags: (n). fill: what replaces unusable pixels.
inline void normalise(const Planes &planes, std::span<const s2v_step> steps, std::span<float> out,
                      std::span<std::uint32_t> flags, float fill = std::numeric_limits<float>::quiet_NaN(),
                      int threads = 1) {
    detail::require(planes.height > 0 && planes.width > 0, "normalise: height and width must be positive");
    const std::size_t size = static_cast<std::size_t>(planes.height) * static_cast<std::size_t>(planes.width);
    detail::require(planes.pixels.size() == flags.size() * size && out.size() == planes.pixels.size() &&
                        (planes.mask.empty() || planes.mask.size() == out.size()),
                    "normalise: pixels, mask, out and flags differ in length");
    const s2v_planes view = {sizeof(s2v_planes),
                             planes.pixels.data(),
                             planes.mask.empty() ? nullptr : planes.mask.data(),
                             static_cast<std::int64_t>(flags.size()),
                             planes.height,
                             planes.width,
                             0,
                             0};
    detail::check(s2v_normalise(&view, steps.data(), static_cast<std::int32_t>(steps.size()), fill, out.data(),
                                flags.data(), threads),
                  "normalise");
}

// Prepare stamps by a chain of steps on a square around the candidate. planes: (n, channel, side, side); flags: (n).
inline void compose(const Stamps &stamps, const s2v_composition &how, std::span<float> planes,
                    std::span<std::uint32_t> flags, int threads = 1) {
    const s2v_stamps view = stamps.c();
    detail::require(how.side > 0 && how.channel_count > 0, "compose: side and channel_count must be positive");
    const std::size_t size = static_cast<std::size_t>(how.channel_count) * static_cast<std::size_t>(how.side) *
                             static_cast<std::size_t>(how.side);
    detail::require(planes.size() == stamps.size() * size && flags.size() == stamps.size(),
                    "compose: planes or flags do not fit the stamps");
    detail::check(s2v_compose(&view, &how, planes.data(), flags.data(), threads), "compose");
}

// An image (height, width) out of a FITS file.
struct Image {
    std::int32_t height = 0;
    std::int32_t width = 0;
    std::array<double, 2> crpix{};  // row and column of the reference pixel, from 1; NAN where there is none
    std::vector<float> pixels;
};

// The first two-dimensional image in the bytes of a FITS file, plain or gzip'd, or that of a named unit. Throws
// InputError.
inline Image fits_image(std::span<const std::uint8_t> bytes, const std::string &unit = {}) {
    Image out;
    out.pixels.resize(std::size_t{64} * 64);
    auto image = sized<s2v_image>();
    const auto read = [&] {
        return s2v_fits_image(bytes.data(), static_cast<std::int64_t>(bytes.size()), unit.c_str(), out.pixels.data(),
                              static_cast<std::int64_t>(out.pixels.size()), &image);
    };
    s2v_status status = read();
    const auto count = static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width);
    const bool larger = count > out.pixels.size();
    out.pixels.resize(count);
    if (larger) status = read();
    if (status == S2V_BAD_INPUT) throw InputError("FITS image", s2v_fault_name(image.fault), image.fault_offset);
    detail::check(status, "FITS image");
    out.height = image.height;
    out.width = image.width;
    out.crpix = {image.crpix[0], image.crpix[1]};
    return out;
}

}  // namespace s2v
