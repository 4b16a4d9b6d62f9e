#include "catalogue.hpp"

#include "checks.hpp"
#include "kernel/decimal.hpp"
#include "kernel/math.hpp"

#include <algorithm>
#include <limits>

namespace s2v {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
// An older packet writes this, a newer one null, for a value that is unknown.
constexpr double kSilent = -999.0;
// autoScan looks this far for a reference source, in arcsec.
constexpr double kReach = 5.0;
// ZTF gives distnr in pixels; the separations of (ra, dec) and (ranr, decnr) give this scale, in arcsec a pixel.
constexpr double kZtfScale = 1.0125;
constexpr double kZtfWidth = 3072, kZtfHeight = 3080;
// d(mag) = 2.5 / ln 10 * d(flux) / flux.
constexpr double kMagnitudes = 2.5 / kernel::kLogOfTen;
constexpr double kRubinScale = 0.2;
// AB magnitude of 1 nJy.
constexpr double kNanojanskyZero = 31.4;

bool known(double x) noexcept {
    return x == x;
}

float single(double x) noexcept {
    return known(x) ? static_cast<float>(x) : kernel::quiet_nan();
}

double ellipticity(double major, double minor) noexcept {
    return major == 0 ? 1.0 : 1 - minor / major;
}

// Of the code of a letter, or of a digit; numbers that are no such codes stay.
double band_code(double band) noexcept {
    constexpr double kFirstLetter = 32;
    constexpr char kLetters[] = "griz";
    if (!(band >= kFirstLetter)) return band;
    if (band >= '0' && band <= '9') return band - '0';
    const char *const end = kLetters + sizeof kLetters - 1;
    const char *const found = std::find(kLetters, end, band);
    return found == end ? kUnknown : static_cast<double>(found - kLetters + 1);
}

// What means the same whatever camera took the image.
void fill_any_camera(const double *raw, float *columns) noexcept {
    const double mag = raw[ztf::magpsf], error = raw[ztf::sigmapsf];
    columns[catalogue::A_IMAGE] = single(raw[ztf::aimage]);
    columns[catalogue::B_IMAGE] = single(raw[ztf::bimage]);
    columns[catalogue::CCDID] = single(raw[ztf::rcid]);
    columns[catalogue::ELLIPTICITY] = single(ellipticity(raw[ztf::aimage], raw[ztf::bimage]));
    columns[catalogue::MAG] = single(mag);
    columns[catalogue::MAG_FROM_LIMIT] = single(raw[ztf::diffmaglim] - mag);
    columns[catalogue::SNR] = single(error > 0 ? kMagnitudes / error : kUnknown);
}

void fill_ztf(const double *raw, bool has_distance, float *columns) noexcept {
    const double mag = raw[ztf::magpsf];
    const double distance = raw[ztf::distnr] * kZtfScale;
    const bool near = distance <= kReach;
    const bool alone = has_distance && !near;
    const double reference = near ? raw[ztf::magnr] : kUnknown;
    const double host = alone ? 0.0 : kernel::power_of_ten(0.4 * (mag - reference));
    const double x = raw[ztf::xpos], y = raw[ztf::ypos];
    const double edge = std::min(std::min(x, y), std::min(kZtfWidth - x, kZtfHeight - y));
    const double filter = raw[ztf::fid];
    columns[catalogue::BAND] = single(filter == 1 || filter == 2 || filter == 3 ? filter : kUnknown);
    columns[catalogue::GFLUX] = single(known(mag) ? 1 + host : kUnknown);
    columns[catalogue::MAGDIFF] = single((alone ? raw[ztf::diffmaglim] : reference) - mag);
    columns[catalogue::MAGLIM] = single(!has_distance ? kUnknown : near ? 0.0 : 1.0);
    columns[catalogue::MAG_REF] = single(reference);
    columns[catalogue::MAG_REF_ERR] = single(near ? raw[ztf::sigmagnr] : kUnknown);
    columns[catalogue::MIN_DISTANCE_TO_EDGE_IN_NEW] = single(known(x) && known(y) ? edge : raw[ztf::mindtoedge]);
    columns[catalogue::NN_DIST_RENORM] = single(near ? distance : kUnknown);
}

void fill_rubin(const double *raw, float *columns) noexcept {
    const double flux = kernel::absolute(raw[rubin::psfFlux]);
    const double light = raw[rubin::templateFlux];
    const double middle = (raw[rubin::ixx] + raw[rubin::iyy]) / 2;
    const double half = (raw[rubin::ixx] - raw[rubin::iyy]) / 2;
    const double spread = kernel::square_root(half * half + raw[rubin::ixy] * raw[rubin::ixy]);
    const double major = kernel::square_root(middle + spread) / kRubinScale;
    const double minor = kernel::square_root(middle - spread) / kRubinScale;
    columns[catalogue::A_IMAGE] = single(major);
    columns[catalogue::BAND] = single(band_code(raw[rubin::band]));
    columns[catalogue::B_IMAGE] = single(minor);
    columns[catalogue::CCDID] = single(raw[rubin::detector]);
    columns[catalogue::ELLIPTICITY] = single(ellipticity(major, minor));
    columns[catalogue::GFLUX] = single(flux > 0 ? ((light < 0 ? 0.0 : light) + flux) / flux : kUnknown);
    columns[catalogue::MAG] = single(flux > 0 ? kNanojanskyZero - 2.5 * kernel::logarithm_of_ten(flux) : kUnknown);
    columns[catalogue::SNR] = single(raw[rubin::snr]);
}

}  // namespace

std::span<const char *const> catalogue_paths(s2v_survey survey) noexcept {
    if (survey == S2V_SURVEY_RUBIN) return rubin::kPaths;
    return ztf::kPaths;
}

void fill_catalogue(s2v_survey survey, const double *fields, const std::uint8_t *present, float *columns) noexcept {
    std::fill_n(columns, catalogue::kColumns, kernel::quiet_nan());
    const std::size_t count = catalogue_paths(survey).size();
    double raw[std::max<std::size_t>(ztf::kFields, rubin::kFields)];
    for (std::size_t k = 0; k < count; ++k) {
        const bool silent = present[k] == 0 || (survey != S2V_SURVEY_RUBIN && fields[k] == kSilent);
        raw[k] = silent ? kUnknown : fields[k];
    }
    if (survey == S2V_SURVEY_RUBIN) return fill_rubin(raw, columns);
    fill_any_camera(raw, columns);
    if (survey == S2V_SURVEY_ZTF)
        fill_ztf(raw, present[ztf::distnr] != 0, columns);
    else
        columns[catalogue::MIN_DISTANCE_TO_EDGE_IN_NEW] = single(raw[ztf::mindtoedge]);
}

}  // namespace s2v

extern "C" {

using namespace s2v;

s2v_status s2v_catalogue_columns(int32_t survey, const char *const **paths, int32_t *count) {
    return guarded([&] {
        require(survey >= S2V_SURVEY_OTHER && survey <= S2V_SURVEY_RUBIN, "survey is none of s2v_survey");
        require(paths && count, "paths or count is NULL");
        const std::span<const char *const> all = catalogue_paths(static_cast<s2v_survey>(survey));
        *paths = all.data();
        *count = static_cast<int32_t>(all.size());
    });
}

s2v_status s2v_catalogue_from(int32_t survey, int64_t n, const double *fields, const uint8_t *present, float *columns) {
    return guarded([&] {
        require(survey >= S2V_SURVEY_OTHER && survey <= S2V_SURVEY_RUBIN, "survey is none of s2v_survey");
        require(n >= 0, "n is negative");
        require(n == 0 || (fields && columns), "fields or columns is NULL");
        const auto of = static_cast<s2v_survey>(survey);
        const std::size_t count = catalogue_paths(of).size();
        std::uint8_t all[std::max<std::size_t>(ztf::kFields, rubin::kFields)];
        for (std::size_t k = 0; k < count; ++k) all[k] = present ? present[k] : 1;
        for (std::int64_t row = 0; row < n; ++row, fields += count, columns += catalogue::kColumns)
            fill_catalogue(of, fields, all, columns);
    });
}

}  // extern "C"
