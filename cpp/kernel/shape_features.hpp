// The features of the set s2v that are measured at fixed places and at the peak of the difference.
#pragma once

#include "asymmetry.hpp"
#include "circle.hpp"
#include "daofind.hpp"
#include "dipole_lobes.hpp"
#include "hot_pixel.hpp"
#include "lines.hpp"

namespace s2v::kernel {
namespace {

union ShapeScratch {  // one after the other
    DaofindScratch daofind;
    LobeScratch lobes;
    LineScratch line;
};

// The groups aperture (but for polarity), profile, daofind, hot_pixel, lobes, symmetry and lines. Returns the flux of
// the difference in 3 px.
template <class Team>
S2V_PART double shape_features(const Team &team, const MeasuredDifference &difference, ShapeScratch &scratch,
                               double (&value)[kStampFeatures]) {
    const float *const core = difference.core;
    const Circles circles = sum_circles(team, core);
    circle_features(circles, value);
    lobe_features(team, core, scratch.lobes, value);
    const Peak peak = brightest_in_box(team, core);
    if (peak.value != peak.value) return circles.of_3.flux;
    value[feature::peak_snr] = static_cast<double>(peak.value);
    daofind_features(team, core, peak, scratch.daofind, value);
    hot_pixel_features(team, core, peak, value);
    value[feature::asymmetry] = asymmetry(team, core, peak);
    line_features(team, difference, peak, scratch.line, value);
    return circles.of_3.flux;
}

}  // namespace
}  // namespace s2v::kernel
