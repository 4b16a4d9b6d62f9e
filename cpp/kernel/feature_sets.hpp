// The sets of stamp features: bits that may be joined, where their columns lie, and what of their work a choice of
// columns needs.
#pragma once

#include "kernel/registry_table.hpp"
#include "macros.hpp"

namespace s2v::kernel {

// What is measured of a stamp: the columns of some sets, NaN where they are made of a part that is left out
// (FeaturePart). Planes that are not looked at, bits, are as if they were absent.
struct Measuring {
    int sets;
    std::uint32_t parts;
    std::uint32_t planes;
};

namespace {

inline constexpr int kAutoscanSet = 1;
inline constexpr int kS2vSet = 2;

// The features of a choice of sets are consecutive in the registry. The first of them:
S2V_HD constexpr int set_start(int sets) {
    return sets & kAutoscanSet ? 0 : kAutoscanFeatures;
}

// How many there are; 0: it is no choice of sets.
S2V_HD constexpr int set_columns(int sets) {
    if (sets < 1 || sets > (kAutoscanSet | kS2vSet)) return 0;
    return (sets & kAutoscanSet ? kAutoscanFeatures : 0) + (sets & kS2vSet ? kS2vFeatures : 0);
}

// Parts of the work that are left out where no column needs them, as bits.
enum FeaturePart : std::uint32_t {
    kFitPart = 1,                // the Gaussian fit of the difference
    kColumnMedianPart = 2,       // COLMEDS
    kFineStructurePart = 4,      // LACOSMIC
    kDifferenceMomentsPart = 8,  // adaptive moments of the difference,
    kScienceMomentsPart = 16,    // of the science plane,
    kStarPart = 32,              // and of a star in it
    kEveryPart = 63
};

// The parts that a stamp feature is made of.
S2V_HD constexpr std::uint32_t feature_parts(int index) {
    switch (index) {
        case feature::AMP:
        case feature::SCALE:
        case feature::GAUSS:
            return kFitPart;
        case feature::COLMEDS:
            return kColumnMedianPart;
        case feature::LACOSMIC:
            return kFineStructurePart;
        case feature::difference_a:
        case feature::difference_b:
        case feature::difference_angle:
        case feature::difference_ellipticity:
        case feature::kurtosis:
        case feature::centroid_offset:
            return kDifferenceMomentsPart;
        case feature::science_a:
        case feature::science_b:
        case feature::science_angle:
        case feature::science_ellipticity:
            return kScienceMomentsPart;
        case feature::plane_offset:
        case feature::width_ratio:
            return kDifferenceMomentsPart | kScienceMomentsPart;
        case feature::psf_ratio:
        case feature::psf_likeness:
            return kDifferenceMomentsPart | kScienceMomentsPart | kStarPart;
        default:
            return 0;
    }
}

// The flags that no part but these raises: those that say why what it makes is NaN.
S2V_HD constexpr std::uint32_t part_flags(std::uint32_t parts) {
    return (parts & kFitPart ? flag::fit_failed : 0u) | (parts & kDifferenceMomentsPart ? flag::moments_failed : 0u) |
           (parts & kStarPart ? flag::no_psf : 0u);
}

inline constexpr std::uint32_t kEveryPlane = 7;

// The columns of whole sets, of all planes that are there.
S2V_HD constexpr Measuring measure_all(int sets) {
    return {sets, kEveryPart, kEveryPlane};
}

}  // namespace
}  // namespace s2v::kernel
