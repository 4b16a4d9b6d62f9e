#include "calibration.hpp"

#include "checks.hpp"
#include "error.hpp"
#include "space2vec/space2vec.h"

#include <string>

namespace s2v {

void check_calibration(std::span<const float> x, std::span<const float> y) {
    const auto refuse = [](const char *reason) {
        throw Failure(S2V_INVALID_ARGUMENT, "calibration: " + std::string(reason));
    };
    if (x.size() != y.size()) refuse("x and y differ in length");
    if (x.size() < 2 || x.size() > static_cast<std::size_t>(kernel::kMostKnots)) refuse("a table has 2 to 1024 knots");
    for (std::size_t knot = 0; knot < x.size(); ++knot) {
        if (!(x[knot] >= 0.0F && x[knot] <= 1.0F && y[knot] >= 0.0F && y[knot] <= 1.0F))
            refuse("a knot lies outside 0 to 1");
        if (knot > 0 && !(x[knot] > x[knot - 1])) refuse("x does not rise");
        if (knot > 0 && !(y[knot] >= y[knot - 1])) refuse("y falls");
    }
}

}  // namespace s2v

extern "C" {

s2v_status s2v_calibrate(int32_t knots, const float *x, const float *y, float *score, int64_t n) {
    return s2v::guarded([&] {
        s2v::require(x && y && knots >= 0 && n >= 0 && (score || n == 0), "null pointer, knots or n");
        const auto count = static_cast<std::size_t>(knots);
        s2v::check_calibration({x, count}, {y, count});
        const s2v::kernel::CalibrationView table = {x, y, knots};
        for (int64_t row = 0; row < n; ++row) score[row] = s2v::kernel::apply_calibration(table, score[row]);
    });
}

}  // extern "C"
