// The features of the set s2v that rest on adaptive moments: the groups moments, position and psf.
#pragma once

#include "circle.hpp"
#include "feature_sets.hpp"
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

S2V_PART inline Ellipse ellipse_of(const Moments &m) {
    const MomentAxes axes = moment_axes(m);
    const double a = square_root(axes.major);
    const double b = square_root(axes.minor);
    const double angle = 0.5 * kDegrees * arctangent(2.0 * m.xy, m.xx - m.yy);
    return {a, b, static_cast<float>(angle) > -90.0f ? angle : 90.0, 1.0 - b / a};
}

// What is kept of the science plane: the moments at the candidate and of the star, and the rows of its core that the
// difference is compared with; null: there is none, or it has no noise.
struct ScienceSource {
    const float *rows;
    double flux;  // at the candidate in 3 px, in units of the noise
    AdaptiveMoments source;
    AdaptiveMoments star;
};

// `core` is scratch too; `rows` has kLikenessPixels.
template <class Team>
S2V_PART ScienceSource measure_science(const Team &team, const float *window, const PlaneNoise &noise, float saturation,
                                       std::uint32_t parts, float *core, float *rows, MomentScratch &scratch) {
    cut_core(team, window, noise, 1.0f, kWindow / 2, kWindow / 2, core);
    ScienceSource science = {rows, sum_circle<3>(team, core, kCoreRow, kCoreColumn).flux, {}, {}};
    if (parts & kScienceMomentsPart) science.source = adaptive_moments(team, core, scratch);
    team.for_each(kLikenessPixels, [&](int i) { rows[i] = core[kLikenessFirst + i]; });
    if (parts & kStarPart) science.star = star_moments(team, window, noise, saturation, core, scratch);
    return science;
}

// Writes the values that are defined, and returns the flags. `core` is that of the difference. Of a science plane that
// is missing or without noise nothing is asked, and so its lack of a PSF is no fault.
template <class Team>
S2V_PART std::uint32_t moment_features(const Team &team, const float *core, const ScienceSource &science,
                                       std::uint32_t parts, MomentScratch &scratch, double (&value)[kStampFeatures]) {
    std::uint32_t flags = 0;
    AdaptiveMoments d{};
    if (parts & kDifferenceMomentsPart) d = adaptive_moments(team, core, scratch);
    if (d.converged) {
        const Ellipse e = ellipse_of(d.at.m);
        value[feature::difference_a] = e.a;
        value[feature::difference_b] = e.b;
        value[feature::difference_angle] = e.angle;
        value[feature::difference_ellipticity] = e.ellipticity;
        value[feature::kurtosis] = moments_kurtosis(team, d.at, scratch);
        value[feature::centroid_offset] = square_root(d.at.x * d.at.x + d.at.y * d.at.y);
    } else if (parts & kDifferenceMomentsPart) {
        flags |= flag::moments_failed;
    }
    if (!science.rows) return flags;
    value[feature::science_likeness] = core_correlation(team, core, science.rows);
    const AdaptiveMoments &s = science.source;
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
    if (!(parts & kStarPart)) return flags;
    const AdaptiveMoments &psf = science.star.converged ? science.star : s;
    if (!psf.converged) return flags | flag::no_psf;
    if (d.converged) value[feature::psf_ratio] = moments_sigma(d.at.m) / moments_sigma(psf.at.m);
    value[feature::psf_likeness] =
        gaussian_likeness(team, core, d.converged ? d.at.x : 0.0, d.converged ? d.at.y : 0.0, psf.at.m);
    return flags;
}

}  // namespace
}  // namespace s2v::kernel
