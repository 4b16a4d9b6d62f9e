// Which rows get a score, and which flags a scored row has. Every backend asks here.
#pragma once

#include "stamp.hpp"

namespace s2v::kernel {

// The inputs that a model needs. Planes are bits, 1 << channel.
struct ModelNeeds {
    std::uint32_t planes;    // that it looks at
    std::uint32_t recipe;    // of these, the planes that its recipe prepares; 0: none
    std::uint32_t optional;  // of these, the planes that may be missing
    bool columns;            // it takes columns
    bool on_catalogue;       // most of these are of the catalogue: without them its score is worth little
    bool flags_measured;     // measuring a stamp raises every flag of the stamp that its recipe would (covers_flags)
};

// The range of scores in which the first network of a cascade is in doubt, both ends included.
struct Doubt {
    float low;
    float high;
};

namespace {

// Pixels a side that a stamp has at least for a recipe: no star's image fits on fewer.
inline constexpr int kLeastSide = 5;

// Which values the columns of a row hold: any value, and one of the catalogue.
enum ColumnContents : std::uint32_t { kAnyValue = 1, kCatalogueValue = 2 };

// The planes that a candidate lacks, bits.
S2V_HD inline std::uint32_t absent_planes(const Triplet &triplet) {
    std::uint32_t absent = 0;
    for (int c = 0; c < 3; ++c) absent |= triplet.plane[c].pixels ? 0u : 1u << c;
    return absent;
}

// Whether a candidate lacks only planes that may be missing, and not all planes that are prepared.
S2V_HD inline bool lacks_only_optional(const ModelNeeds &needs, std::uint32_t absent) {
    if (needs.recipe && (needs.recipe & ~absent) == 0) return false;
    return (absent & needs.planes) != 0 && (absent & needs.planes & ~needs.optional) == 0;
}

// Joins the flags that the reader of stamps raised with those of the kernels. Of an absent plane, the reader knows why
// (missing or bad_stamp), and the kernels whether it is needed: a row is not refused for a plane that is not needed.
S2V_HD inline std::uint32_t join_flags(std::uint32_t reader, std::uint32_t kernels, std::uint32_t absent) {
    if (absent && !(kernels & flag::missing)) reader &= ~(flag::bad_stamp | flag::missing);
    if (reader & flag::bad_stamp) kernels &= ~flag::missing;
    return reader | kernels;
}

// Whether a plane that a recipe prepares is too small, or does not hold the candidate.
S2V_HD inline bool is_off_shape(const ModelNeeds &needs, const Triplet &triplet) {
    bool off = false;
    for (int c = 0; c < 3; ++c) {
        const Plane &plane = triplet.plane[c];
        if (!(needs.recipe >> c & 1u) || !plane.pixels) continue;
        off = off || plane.height < kLeastSide || plane.width < kLeastSide || triplet.row < 0 || triplet.column < 0 ||
              triplet.row >= plane.height || triplet.column >= plane.width;
    }
    return off;
}

// The flags of the kernels for a row: of the preparation of its planes, and of the measurement of its columns.
struct RaisedFlags {
    std::uint32_t prepared;
    std::uint32_t measured;
};

struct Verdict {
    std::uint32_t flags;
    bool scored;
};

// Decides by pixels and flags whether a row is scored. apply_column_rule comes after it.
S2V_HD inline Verdict apply_pixel_rule(const ModelNeeds &needs, const Triplet &triplet, std::uint32_t reader,
                                       const RaisedFlags &raised) {
    const std::uint32_t absent = absent_planes(triplet);
    const std::uint32_t allowed = lacks_only_optional(needs, absent) ? flag::missing : 0u;
    std::uint32_t flags = 0;
    std::uint32_t refusing = kUnscorable & ~allowed;
    bool refused = false;
    if (needs.recipe) {
        flags |= join_flags(reader, raised.prepared, absent);
        if (is_off_shape(needs, triplet)) flags |= flag::off_shape;
        refused = (raised.prepared & kRefused & ~allowed) != 0;
    }
    if (needs.columns) flags |= join_flags(reader, raised.measured, absent);
    return {flags, !refused && (flags & refusing) == 0};
}

// Decides by the columns too (ColumnContents). A row is scored if it has planes, or at least one value.
S2V_HD inline Verdict apply_column_rule(const ModelNeeds &needs, const Verdict &so_far, std::uint32_t met) {
    if (!needs.columns || !so_far.scored) return so_far;
    const bool silent = !needs.recipe && !(met & kAnyValue);
    const bool bare = needs.on_catalogue && !(met & kCatalogueValue);
    return {silent || bare ? so_far.flags | flag::missing : so_far.flags, !silent};
}

// Whether the second network of a cascade is asked of a row that the first one gave this score; not where it has none.
S2V_HD inline bool is_in_doubt(const Doubt &doubt, float score) {
    return score >= doubt.low && score <= doubt.high;
}

}  // namespace
}  // namespace s2v::kernel
