// The features of the set s2v that rest on adaptive moments: the groups moments, position and psf.
#pragma once

#include "psf.hpp"

namespace s2v::kernel {
namespace {

// The axes of an ellipse; the angle in degrees from x towards y, in (-90, 90].
struct Ellipse {
    double a;
    double b;
    double angle;
    double ellipticity;
};

S2V_HD inline Ellipse ellipse_of(const Moments &m) {
    const MomentAxes axes = moment_axes(m);
    const double a = square_root(axes.major);
    const double b = square_root(axes.minor);
    const double angle = 0.5 * kDegrees * arctangent(2.0 * m.xy, m.xx - m.yy);
    return {a, b, static_cast<float>(angle) > -90.0f ? angle : 90.0, 1.0 - b / a};
}

// Writes the values that are defined, and returns the flags. Of a science plane that is missing or without noise
// nothing is asked, and so its lack of a PSF is no fault.
template <class Team>
S2V_PART std::uint32_t moment_features(const Team &team, const MeasuredPlanes &planes, MomentScratch &scratch,
                                       double (&value)[kStampFeatures]) {
    std::uint32_t flags = 0;
    const AdaptiveMoments d = adaptive_moments(team, planes.core[kDifference], scratch);
    if (d.converged) {
        const Ellipse e = ellipse_of(d.at.m);
        value[feature::difference_a] = e.a;
        value[feature::difference_b] = e.b;
        value[feature::difference_angle] = e.angle;
        value[feature::difference_ellipticity] = e.ellipticity;
        value[feature::kurtosis] = moments_kurtosis(team, d.at, scratch);
        value[feature::centroid_offset] = square_root(d.at.x * d.at.x + d.at.y * d.at.y);
    } else {
        flags |= flag::moments_failed;
    }
    if (!planes.core[kScience]) return flags;
    value[feature::science_likeness] = core_correlation(team, planes.core[kDifference], planes.core[kScience]);
    const AdaptiveMoments s = adaptive_moments(team, planes.core[kScience], scratch);
    if (s.converged) {
        const Ellipse e = ellipse_of(s.at.m);
        value[feature::science_a] = e.a;
        value[feature::science_b] = e.b;
        value[feature::science_angle] = e.angle;
        value[feature::science_ellipticity] = e.ellipticity;
    }
    if (d.converged && s.converged) {
        const double dx = d.at.x - s.at.x;
        const double dy = d.at.y - s.at.y;
        value[feature::plane_offset] = square_root(dx * dx + dy * dy);
        value[feature::width_ratio] = moments_sigma(d.at.m) / moments_sigma(s.at.m);
    }
    const AdaptiveMoments star = planes.star ? adaptive_moments(team, planes.star, scratch) : AdaptiveMoments{};
    const AdaptiveMoments &psf = star.converged ? star : s;
    if (!psf.converged) return flags | flag::no_psf;
    if (d.converged) value[feature::psf_ratio] = moments_sigma(d.at.m) / moments_sigma(psf.at.m);
    value[feature::psf_likeness] = gaussian_likeness(team, planes.core[kDifference], d.converged ? d.at.x : 0.0,
                                                     d.converged ? d.at.y : 0.0, psf.at.m);
    return flags;
}

}  // namespace
}  // namespace s2v::kernel
