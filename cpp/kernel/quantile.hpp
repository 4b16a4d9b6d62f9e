// Neighbours in the order of a plane's pixels, from which medians and percentiles are made in double.
#pragma once

#include "order.hpp"

namespace s2v::kernel {
namespace {

// How a plane is brought to a common scale: (x - offset) / scale. The scale is 0, or the offset NaN, where there is
// none.
struct Scaling {
    double offset;
    double scale;
};

struct Neighbours {
    double lower;
    double upper;
};

// The values of ranks k and k + 1 among the f(i) that are not NaN, of which there are `valid` > k; twice the last.
template <class Team, class F>
S2V_HD Neighbours neighbours(const Team &team, int n, int valid, int k, F f) {
    const RankPair two = select_two(team, n, valid, k, f, true);
    return {static_cast<double>(two.lower), static_cast<double>(two.upper)};
}

// The median of the `kept` > 0 values from rank `first` on, not rounded to float32: the mean of the middle two if even.
template <class Team, class F>
S2V_HD double exact_median(const Team &team, int n, int valid, int first, int kept, F f) {
    if (kept % 2) return static_cast<double>(select(team, n, valid, first + kept / 2, f));
    const Neighbours middle = neighbours(team, n, valid, first + kept / 2 - 1, f);
    return 0.5 * (middle.lower + middle.upper);
}

// numpy.percentile of the f(i) that are not NaN, linear between neighbours.
template <class Team, class F>
S2V_HD double percentile(const Team &team, int n, int valid, double percent, F f) {
    const double place = static_cast<double>(valid - 1) * (percent / 100.0);
    const int k = static_cast<int>(place);
    const double share = place - static_cast<double>(k);
    const Neighbours near = neighbours(team, n, valid, k, f);
    const double step = near.upper - near.lower;
    return share < 0.5 ? near.lower + step * share : near.upper - step * (1.0 - share);
}

// Between two percentiles.
template <class Team>
S2V_STAGE Scaling percentile_scaling(const Team &team, const float *x, int n, int valid, double low, double high) {
    const PlaneValues pixel = {x};
    const double bottom = percentile(team, n, valid, low, pixel);
    return {bottom, percentile(team, n, valid, high, pixel) - bottom};
}

}  // namespace
}  // namespace s2v::kernel
