// The columns of a candidate as the integers that a network takes.
#pragma once

#include "derived_columns.hpp"

namespace s2v::kernel {
namespace {

inline constexpr float kColumnBound = 10.0f;     // of a scaled value
inline constexpr float kColumnUnit = 3276.0f;    // the integer that stands for 1
inline constexpr float kEncodingUnit = 4095.0f;  // and for a bin that is passed

// The largest integer that is not above x, |x| < 2^31.
S2V_HD inline int round_down(float x) {
    const int whole = static_cast<int>(x);
    return whole - (static_cast<float>(whole) > x ? 1 : 0);
}

S2V_HD inline float within(float x, float low, float high) {
    const float below = x < high ? x : high;
    return below > low ? below : low;
}

S2V_HD constexpr int column_codes(const ColumnsView &view) {
    return (2 + view.bins) * view.columns;
}

// Words of two codes.
S2V_HD constexpr int column_words(const ColumnsView &view) {
    return (column_codes(view) + 1) / 2;
}

// Loops over what one thread has are made for so many elements at a time; where there are fewer, the rest is idle.
inline constexpr int kRun = kChannelBlock;

S2V_HD constexpr int whole_runs(int n) {
    return (n + kRun - 1) / kRun * kRun;
}

// Writes the codes of a row. x: what is given, with room for the derived columns; z: room for as many; both in whole
// runs.
template <class Team>
S2V_STAGE void encode_columns(const Team &team, const ColumnsView &view, float *x, float *z, std::int16_t *code) {
    S2V_IN_SCRATCH(x);
    S2V_IN_SCRATCH(z);
    S2V_IN_SCRATCH(code);
    const int k = view.columns;
    const int run = whole_runs(k);
    team.sync();  // x is written
    team.for_each(k - view.given, [&](int d) {
        const DerivedColumn &how = view.derived[d];
        x[view.given + d] = derived_value(how.rule, x[how.place[0]], x[how.place[1]], x[how.place[2]]);
    });
    team.for_each(run - k, [&](int i) { x[k + i] = 0.0f; });
    team.sync();
    const float *const median = view.median;
    const float *const spread = view.spread;
    const float *const mean = view.mean;
    const float *const deviation = view.deviation;
    const std::int16_t *const mark = view.mark;
    for (int start = 0; start < run; start += kRun)
        team.for_each(kRun, [&](int lane) {
            const int i = start + lane;
            const float y = within((x[i] - median[i]) / spread[i], -1e30f, 1e30f);
            const float scaled = within((asinh(y) - mean[i]) / deviation[i], -kColumnBound, kColumnBound);
            z[i] = x[i] == x[i] ? scaled : 0.0f;
        });
    team.sync();
    team.for_each(k, [&](int i) { code[i] = static_cast<std::int16_t>(round_down(z[i] * kColumnUnit + 0.5f)); });
    team.for_each(k, [&](int i) { code[k + i] = x[i] == x[i] ? std::int16_t{0} : mark[i]; });
    for (int bin = 0; bin < view.bins; ++bin) {
        const float *const low = view.low + bin * k;
        const float *const size = view.size + bin * k;
        std::int16_t *const out = code + (2 + bin) * k;
        team.for_each(k, [&](int i) {
            const float reach = within((z[i] - low[i]) / size[i], 0.0f, 1.0f);
            out[i] = static_cast<std::int16_t>(round_down(reach * kEncodingUnit + 0.5f));
        });
    }
    if (column_codes(view) % 2) team.for_each(1, [&](int) { code[column_codes(view)] = 0; });
    team.sync();
}

}  // namespace
}  // namespace s2v::kernel
