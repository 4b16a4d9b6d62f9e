// The median and the standard deviation after sigma clipping: astropy.stats.sigma_clipped_stats.
#pragma once

#include "quantile.hpp"

namespace s2v::kernel {
namespace {

// The float32 neighbours of a double from inside: x >= bound for a float x if and only if x >= first_from(bound).
S2V_HD inline float first_from(double bound) {
    const float near = static_cast<float>(bound);
    return static_cast<double>(near) < bound ? -float_below(0.0f - near) : near;
}
S2V_HD inline float last_to(double bound) {
    return -first_from(-bound);
}

// Astropy's rules: the centre is the median, bounds lie `sigma` standard deviations off it, what is outside leaves,
// until nothing more does or `rounds` are done. The last bounds alone then say what counts.
template <class Team>
S2V_STAGE Scaling sigma_clip_scaling(const Team &team, const float *x, int n, int valid, double sigma, int rounds) {
    float low = -kInfinity;
    float high = kInfinity;
    int kept = valid;
    for (int round = 0;; ++round) {
        const float bottom = low;
        const float top = high;
        // What is kept follows each other in the order of all pixels.
        const int first = team.count(n, [&](int i) { return x[i] < bottom; });
        const double centre = exact_median(team, n, valid, first, kept, PlaneValues{x});
        // About the median, which is within one deviation of the mean: one pass loses no more than one bit.
        double total[2];
        team.template sums<2>(n, total, [&](int i, auto add) {
            const bool in = (x[i] >= bottom) & (x[i] <= top);
            const double away = in ? static_cast<double>(x[i]) - centre : 0.0;
            add(0, away);
            add(1, away * away);
        });
        const double mean = total[0] / kept;
        const double variance = total[1] / kept - mean * mean;
        const double deviation = square_root(variance > 0.0 ? variance : 0.0);
        if (round > rounds) return {centre, deviation};
        const float lower = first_from(centre - sigma * deviation);
        const float upper = last_to(centre + sigma * deviation);
        low = lower > bottom ? lower : bottom;
        high = upper < top ? upper : top;
        const int left = team.count(n, [&](int i) { return (x[i] >= low) & (x[i] <= high); });
        if (left == kept || left == 0 || round + 1 >= rounds) {
            low = lower;
            high = upper;
            const int within = team.count(n, [&](int i) { return (x[i] >= lower) & (x[i] <= upper); });
            if (within == 0 || (left == kept && within == kept)) return {centre, deviation};
            kept = within;
            round = rounds;
        } else {
            kept = left;
        }
    }
}

}  // namespace
}  // namespace s2v::kernel
