// What columns of autoScan's set say together: the differences and ratios of
// space2vec/architectures/derived_columns.py.
#pragma once

#include "asinh.hpp"
#include "network_view.hpp"

namespace s2v::kernel {
namespace {

// In the order of that list.
enum DerivedRule : std::int32_t {
    kHostAgainstCandidate,
    kArea,
    kSizeAgainstHost,
    kScaleAgainstSize,
    kHostShape,
    kSpreadInErrors,
    kDistanceInSizes,
    kExposureNoise,
    kExposureLimit,
    kHostBrightness,
    kHostSignal,
    kFluxTwice,
    kGaussianFlux,
    kSumAgainstSignal,
    kResidualAgainstNorm,
    kNormAgainstSum,
    kOuterShift,
    kOuterTwoSigma,
    kOuterThreeSigma,
    kShiftAndNegative,
    kDerivedRules
};

// 2.5 log10 |ratio|; NaN where that is no normal number.
S2V_HD inline float magnitudes(float ratio) {
    constexpr float kSmallest = 1.17549435e-38f;
    const float a = absolute(ratio);
    return a >= kSmallest && a <= kFloatMax ? log_scaled(a, 0) * 1.0857362f : quiet_nan();
}

// One column of up to three others, NaN where it is undefined. Every operation is rounded to float32.
S2V_HD inline float derived_value(std::int32_t rule, float a, float b, float c) {
    float value = quiet_nan();
    switch (rule) {
        case kHostAgainstCandidate:
        case kOuterShift:
        case kOuterTwoSigma:
        case kOuterThreeSigma:
            value = a - b;
            break;
        case kArea:
            value = a * b;
            break;
        case kSizeAgainstHost:
        case kHostShape:
        case kSpreadInErrors:
        case kSumAgainstSignal:
        case kResidualAgainstNorm:
        case kNormAgainstSum:
            value = a / b;
            break;
        case kScaleAgainstSize:
        case kDistanceInSizes:
            value = a / square_root(b * c);
            break;
        case kExposureNoise:
            value = a + magnitudes(b);
            break;
        case kExposureLimit:
        case kShiftAndNegative:
            value = a + b;
            break;
        case kHostBrightness:
            value = a + magnitudes(b * c);
            break;
        case kHostSignal:
            value = a - b - magnitudes(c);
            break;
        case kFluxTwice:
            value = magnitudes(1.0f + a) - (b - c);
            break;
        case kGaussianFlux:
            value = a * b * b;
            break;
        default:
            break;
    }
    return is_finite(value) ? value : quiet_nan();
}

}  // namespace
}  // namespace s2v::kernel
