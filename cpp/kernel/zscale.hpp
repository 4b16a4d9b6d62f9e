// The limits of IRAF's zscale: astropy.visualization.ZScaleInterval with its defaults.
#pragma once

#include "lane_team.hpp"
#include "quantile.hpp"
#include "sort.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kZscaleSamples = 1000;
inline constexpr int kGrowth = 16;  // at least 1 % of the samples

struct ZscaleScratch {
    alignas(64) float sample[kSorted];
    union {  // one after the other
        alignas(64) float square[kSorted];
        alignas(64) float good[kSorted];  // 1, or 0 where rejected
    };
    alignas(64) std::uint8_t bad[kGrowth + kSorted];
    alignas(64) std::uint8_t grown[kSorted];
};

// Writes every k-th pixel that is not NaN, 1,000 at most, and infinity behind them. Returns their number.
template <class Team>
S2V_PART int take_samples(const Team &team, const float *x, int n, int valid, float *out) {
    const int step = valid / kZscaleSamples > 1 ? valid / kZscaleSamples : 1;
    const int all = (valid + step - 1) / step;
    const int count = all < kZscaleSamples ? all : kZscaleSamples;
    team.sync();
    team.for_each(kSorted - count, [&](int i) { out[count + i] = kInfinity; });
    if (valid == n) {
        team.for_each(count, [&](int i) { out[i] = x[i * step]; });
    } else if constexpr (!Team::kAlone) {
        const auto &lanes = team.lanes();
        const std::uint32_t before = (1u << lanes.index()) - 1u;
        int seen = 0;
        for (int start = 0; start < n; start += kLanes) {
            const int i = start + lanes.index();
            const float pixel = i < n ? x[i] : quiet_nan();
            const std::uint32_t usable = lanes.ballot(pixel == pixel);
            const int rank = seen + count_bits(usable & before);
            const int taken = rank / step;
            if (pixel == pixel && rank % step == 0 && taken < count) out[taken] = pixel;
            seen += count_bits(usable);
        }
    } else {
        // Where each sample lies depends on all pixels before it.
        team.for_each(1, [&](int) {
            int taken = 0;
            int wait = 0;
            for (int i = 0; i < n && taken < count; ++i) {
                const bool usable = x[i] == x[i];
                out[taken] = usable && wait == 0 ? x[i] : out[taken];
                taken += usable && wait == 0;
                wait = usable ? (wait == 0 ? step - 1 : wait - 1) : wait;
            }
        });
    }
    team.sync();
    return count;
}

struct Line {
    double slope;
    double intercept;
};

// The line through the good samples by least squares, samples counted from the middle, values from `level`.
template <class Team>
S2V_STAGE Line fit_line(const Team &team, const ZscaleScratch &s, int count, double level) {
    S2V_IN_SCRATCH(&s);
    const double middle = 0.5 * (count - 1);
    double total[5];
    team.template sums<5>(count, total, [&](int i, auto add) {
        const double weight = static_cast<double>(s.good[i]);
        const double x = weight * (static_cast<double>(i) - middle);
        const double y = weight * (static_cast<double>(s.sample[i]) - level);
        add(0, weight);
        add(1, x);
        add(2, x * x);
        add(3, y);
        add(4, x * y);
    });
    const double slope = (total[0] * total[4] - total[1] * total[3]) / (total[0] * total[2] - total[1] * total[1]);
    return {slope, (total[3] - slope * total[1]) / total[0]};
}

// Rejects samples farther than 2.5 standard deviations of the good ones from the line, then what is near them in rank.
// Returns the number of good samples.
template <class Team>
S2V_STAGE int reject(const Team &team, ZscaleScratch &s, int count, int good, double level, const Line &line) {
    S2V_IN_SCRATCH(&s);
    const double middle = 0.5 * (count - 1);
    const auto away = [&](int i) {
        return static_cast<double>(s.sample[i]) - level -
               (line.slope * (static_cast<double>(i) - middle) + line.intercept);
    };
    double total[2];
    team.template sums<2>(count, total, [&](int i, auto add) {
        const double flat = static_cast<double>(s.good[i]) * away(i);
        add(0, flat);
        add(1, flat * flat);
    });
    const double mean = total[0] / good;
    const double variance = total[1] / good - mean * mean;
    const double threshold = 2.5 * square_root(variance > 0.0 ? variance : 0.0);
    std::uint8_t *const bad = s.bad + kGrowth;
    team.for_each(count, [&](int i) { bad[i] = absolute(away(i)) > threshold || s.good[i] == 0.0f; });
    team.for_each(kGrowth, [&](int i) {
        s.bad[i] = 0;
        bad[count + i] = 0;
    });
    team.sync();
    // As numpy.convolve(bad, ones(grow), mode="same").
    const int grow = count / 100 > 1 ? count / 100 : 1;
    const int last = (grow - 1) / 2;
    team.for_each(count, [&](int i) { s.grown[i] = bad[i]; });
    for (int by = last - grow + 1; by <= last; ++by)
        team.for_each(count, [&](int i) { s.grown[i] = s.grown[i] | bad[i + by]; });
    team.for_each(count, [&](int i) { s.good[i] = s.grown[i] ? 0.0f : 1.0f; });
    team.sync();
    return team.count(count, [&](int i) { return s.grown[i] == 0; });
}

// x has `valid` > 0 pixels that are not NaN.
template <class Team>
S2V_PART Scaling zscale_scaling(const Team &team, const float *x, int n, int valid, double contrast, ZscaleScratch &s) {
    const int count = take_samples(team, x, n, valid, s.square);
    sort(team, s.square);
    team.for_each(kSorted, [&](int i) { s.sample[i] = s.square[sorted_place(team, i)]; });
    team.sync();
    team.for_each(kSorted, [&](int i) { s.good[i] = 1.0f; });
    team.sync();
    const double smallest = static_cast<double>(s.sample[0]);
    const double largest = static_cast<double>(s.sample[count - 1]);
    const double middle =
        0.5 * (static_cast<double>(s.sample[(count - 1) / 2]) + static_cast<double>(s.sample[count / 2]));
    const int fewest = count / 2 > 5 ? count / 2 : 5;
    int good = count;
    int before = count + 1;
    Line line{};
    for (int round = 0; round < 5 && good < before && good >= fewest; ++round) {
        line = fit_line(team, s, count, middle);
        before = good;
        good = reject(team, s, count, good, middle, line);
    }
    if (good < fewest) return {smallest, largest - smallest};
    const double slope = line.slope / contrast;
    const int centre = (count - 1) / 2;
    const double bottom = middle - (centre - 1) * slope;
    const double top = middle + (count - centre) * slope;
    const double vmin = bottom > smallest ? bottom : smallest;
    return {vmin, (top < largest ? top : largest) - vmin};
}

}  // namespace
}  // namespace s2v::kernel
