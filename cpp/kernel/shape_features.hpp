// The features of the set s2v that are measured at fixed places and at the peak of the difference.
#pragma once

#include "asymmetry.hpp"
#include "circle.hpp"
#include "daofind.hpp"
#include "hot_pixel.hpp"
#include "lines.hpp"
#include "lobes.hpp"
#include "nearby_source.hpp"

namespace s2v::kernel {
namespace {

union ShapeScratch {  // one after the other
    DaofindScratch daofind;
    LobeScratch lobes;
    LineScratch line;
};

// The groups aperture (but for polarity), profile, daofind, hot_pixel, lobes, symmetry, template and lines.
template <class Team>
S2V_PART void shape_features(const Team &team, const MeasuredPlanes &planes, ShapeScratch &scratch,
                             double (&value)[kStampFeatures]) {
    const float *const difference = planes.core[kDifference];
    const Circles circles = sum_circles(team, difference);
    circle_features(circles, value);
    lobe_features(team, difference, scratch.lobes, value);
    nearby_source_features(team, planes, circles.of_3.flux, value);
    const Peak peak = brightest_in_box(team, difference);
    if (peak.value != peak.value) return;
    value[feature::peak_snr] = static_cast<double>(peak.value);
    daofind_features(team, difference, peak, scratch.daofind, value);
    hot_pixel_features(team, difference, peak, value);
    value[feature::asymmetry] = asymmetry(team, difference, peak);
    line_features(team, planes, peak, scratch.line, value);
}

}  // namespace
}  // namespace s2v::kernel
