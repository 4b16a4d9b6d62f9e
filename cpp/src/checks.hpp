// Checks of the arguments of the C ABI, on the CPU and on a device alike.
#pragma once

#include "error.hpp"
#include "kernel/registry_table.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace s2v {

inline constexpr std::int32_t kLargestStampSide = 1 << 14;
inline constexpr std::int32_t kLargestSquare = 4096;

inline void require(bool holds, const char *what) {
    if (!holds) throw Failure(S2V_INVALID_ARGUMENT, what);
}

// A structure of the caller's is there, and it is one that this version knows.
template <class T>
void require_size(const T *structure, const char *what) {
    require(structure != nullptr && structure->size >= sizeof(T), what);
}
#define S2V_REQUIRE_SIZE(structure, type) \
    ::s2v::require_size<type>(structure, "a null " #type ", or its size is not sizeof(" #type ")")

// Sets all of a structure of the caller's but its size to 0.
template <class T>
void clear(T &structure) noexcept {
    const std::size_t size = structure.size;
    structure = {};
    structure.size = size;
}

inline std::int32_t recipe_index(const char *name) {
    require(name, "the recipe is a null pointer");
    for (std::int32_t i = 0; i < kernel::kRecipes; ++i)
        if (std::strcmp(kernel::kRecipeNames[i], name) == 0) return i;
    throw Failure(S2V_UNKNOWN_NAME, "there is no recipe \"" + printable(name) + "\"");
}

// Checks stamps without reading their arrays, which may lie on a device.
inline void check_batch(const s2v_stamps *stamps, const void *out, const void *flags) {
    S2V_REQUIRE_SIZE(stamps, s2v_stamps);
    require(stamps->n >= 0, "n of the stamps is negative");
    if (stamps->n == 0) return;
    require(stamps->n <= std::numeric_limits<std::int32_t>::max(), "n of the stamps is beyond 2^31 - 1");
    require(stamps->pixel_count >= 0, "pixel_count of the stamps is negative");
    require(stamps->offset, "offset of the stamps is a null pointer");
    require(stamps->shape, "shape of the stamps is a null pointer");
    require(stamps->pixels || stamps->pixel_count == 0, "pixels of the stamps is a null pointer");
    require(out, "the output is a null pointer");
    require(flags, "flags is a null pointer");
}

inline void check_steps(const s2v_step *steps, std::int32_t count) {
    require(count >= 1 && count <= S2V_MOST_STEPS, "a chain has from 1 to 8 steps");
    require(steps, "steps is a null pointer");
    for (std::int32_t k = 0; k < count; ++k) {
        require(steps[k].kind >= 0 && steps[k].kind < kernel::kNormalisers, "the kind of a step is no normaliser");
        const kernel::NormaliserEntry &entry = kernel::kNormaliserEntries[steps[k].kind];
        const double *const given = steps[k].parameters;
        for (int i = 0; i < entry.parameters; ++i) {
            const kernel::ParameterEntry &parameter = entry.parameter[i];
            require(given[i] >= parameter.lowest && given[i] <= parameter.highest,
                    "a parameter of a step is out of its range");
            require(!parameter.whole || given[i] == std::floor(given[i]), "a parameter of a step is no whole number");
        }
        require(steps[k].kind != S2V_PERCENTILE || given[0] < given[1],
                "the low percentile of a step is not below the high one");
    }
}

inline void check_planes(const s2v_planes *planes, const float *out, const std::uint32_t *flags) {
    S2V_REQUIRE_SIZE(planes, s2v_planes);
    require(planes->n >= 0, "n of the planes is negative");
    if (planes->n == 0) return;
    require(planes->n <= std::numeric_limits<std::int32_t>::max(), "n of the planes is beyond 2^31 - 1");
    require(planes->height > 0 && planes->width > 0 && planes->height <= kLargestStampSide &&
                planes->width <= kLargestStampSide,
            "the height or width of the planes is not from 1 to 16384");
    // Rows may not overlap, nor lie so far apart that a place in them overflows; planes may be one, again and again.
    constexpr std::int64_t kFarthest = std::int64_t{1} << 40;
    require(planes->row_stride == 0 || (planes->row_stride >= planes->width && planes->row_stride <= kFarthest),
            "row_stride of the planes is less than their width, or absurd");
    const std::int64_t row = planes->row_stride == 0 ? planes->width : planes->row_stride;
    const std::int64_t whole = (planes->height - 1) * row + planes->width;
    require(planes->plane_stride == 0 ? row == planes->width : planes->plane_stride >= whole,
            "plane_stride of the planes is less than a plane");
    require(planes->plane_stride <= std::numeric_limits<std::int64_t>::max() / 8 / planes->n,
            "plane_stride of the planes is absurd");
    require(planes->pixels, "pixels of the planes is a null pointer");
    require(out, "the output is a null pointer");
    require(flags, "flags is a null pointer");
}

inline void check_composition(const s2v_composition *how) {
    S2V_REQUIRE_SIZE(how, s2v_composition);
    require(how->side >= 1 && how->side <= kLargestSquare, "the side of a composition is from 1 to 4096");
    require(how->channel_count >= 1 && how->channel_count <= S2V_CHANNELS, "a composition has from 1 to 3 channels");
    for (std::int32_t k = 0; k < how->channel_count; ++k) {
        require(how->channels[k] >= 0 && how->channels[k] < S2V_CHANNELS,
                "a channel of a composition is not 0, 1 or 2");
        for (std::int32_t i = 0; i < k; ++i)
            require(how->channels[i] != how->channels[k], "a composition has a channel twice");
    }
    check_steps(how->steps, how->step_count);
}

}  // namespace s2v
