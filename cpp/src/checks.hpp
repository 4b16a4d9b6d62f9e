// Checks of what the C ABI is asked for, on the CPU and on a device alike.
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
    require(name, "null recipe");
    for (std::int32_t i = 0; i < kernel::kRecipes; ++i)
        if (std::strcmp(kernel::kRecipeNames[i], name) == 0) return i;
    throw Failure(S2V_UNKNOWN_NAME, "unknown recipe");
}

// What can be said of stamps whose arrays need not be readable here.
inline void check_batch(const s2v_stamps *stamps, const void *out, const void *flags) {
    S2V_REQUIRE_SIZE(stamps, s2v_stamps);
    require(stamps->n >= 0, "n of the stamps is negative");
    if (stamps->n == 0) return;
    require(stamps->n <= std::numeric_limits<std::int32_t>::max() && stamps->pixel_count >= 0, "n and pixel_count");
    require(stamps->offset && stamps->shape && out && flags, "null pointer");
    require(stamps->pixels || stamps->pixel_count == 0, "null pixels");
}

inline void check_steps(const s2v_step *steps, std::int32_t count) {
    require(steps && count >= 1 && count <= S2V_MOST_STEPS, "steps");
    for (std::int32_t k = 0; k < count; ++k) {
        require(steps[k].kind >= 0 && steps[k].kind < kernel::kNormalisers, "kind of a step");
        const kernel::NormaliserEntry &entry = kernel::kNormaliserEntries[steps[k].kind];
        const double *const given = steps[k].parameters;
        for (int i = 0; i < entry.parameters; ++i) {
            const kernel::ParameterEntry &parameter = entry.parameter[i];
            require(given[i] >= parameter.lowest && given[i] <= parameter.highest, "parameter out of range");
            require(!parameter.whole || given[i] == std::floor(given[i]), "parameter is no whole number");
        }
        require(steps[k].kind != S2V_PERCENTILE || given[0] < given[1], "percentiles out of order");
    }
}

inline void check_planes(const s2v_planes *planes, const float *out, const std::uint32_t *flags) {
    S2V_REQUIRE_SIZE(planes, s2v_planes);
    require(planes->n >= 0, "n of the planes is negative");
    if (planes->n == 0) return;
    require(planes->n <= std::numeric_limits<std::int32_t>::max(), "n");
    require(planes->height > 0 && planes->width > 0 && planes->height <= kLargestStampSide &&
                planes->width <= kLargestStampSide,
            "plane size");
    require(planes->pixels && out && flags, "null pointer");
}

inline void check_composition(const s2v_composition *how) {
    S2V_REQUIRE_SIZE(how, s2v_composition);
    require(how->side >= 1 && how->side <= kLargestSquare, "the side of a composition is from 1 to 4096");
    require(how->channel_count >= 1 && how->channel_count <= S2V_CHANNELS, "number of channels");
    for (std::int32_t k = 0; k < how->channel_count; ++k) {
        require(how->channels[k] >= 0 && how->channels[k] < S2V_CHANNELS, "channel");
        for (std::int32_t i = 0; i < k; ++i) require(how->channels[i] != how->channels[k], "channel given twice");
    }
    check_steps(how->steps, how->step_count);
}

}  // namespace s2v
