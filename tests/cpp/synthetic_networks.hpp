// Synthetic integer networks for the C++ tests: random weights, extreme ones, and a plain transcription of what they
// mean.
#pragma once

#include "kernel/asinh.hpp"
#include "kernel/derived_columns.hpp"
#include "network.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <cmath>

namespace synthetic {

struct NetworkSizes {
    std::int32_t planes = 6;
    std::int32_t side = 33;
    std::vector<std::int32_t> widths = {16, 32, 64};
    std::int32_t columns = 67;
    std::int32_t bins = 0;
    bool derived = false;
    std::vector<std::int32_t> hidden = {64, 64};
    bool extreme = false;     // weights of -127 and 127 alone, sums that saturate
    std::int32_t vector = 0;  // numbers of the vector; 0: a score
};

inline std::int32_t between(Random &random, std::int32_t low, std::int32_t high) {
    return low + static_cast<std::int32_t>(random.bits() % static_cast<std::uint32_t>(high - low + 1));
}

inline s2v::Weights weights(std::int32_t outputs, std::int32_t inputs, bool extreme, Random &random) {
    s2v::Weights w;
    w.outputs = outputs;
    w.inputs = inputs;
    for (std::int32_t i = 0; i < outputs * inputs; ++i)
        w.values.push_back(
            static_cast<std::int8_t>(extreme ? (random.bits() % 8 ? 127 : -127) : between(random, -60, 60)));
    return w;
}

inline s2v::Columns columns(const NetworkSizes &sizes, Random &random) {
    s2v::Columns c;
    c.given = sizes.columns;
    c.bins = sizes.bins;
    if (sizes.derived)
        for (std::int32_t rule = 0; rule < s2v::kernel::kDerivedRules; ++rule)
            c.derived.push_back({rule,
                                 {between(random, 0, sizes.columns - 1), between(random, 0, sizes.columns - 1),
                                  between(random, 0, sizes.columns - 1)}});
    const std::size_t n = static_cast<std::size_t>(sizes.columns) + c.derived.size();
    for (std::size_t k = 0; k < n; ++k) {
        c.median.push_back(static_cast<float>(random.normal()));
        c.spread.push_back(static_cast<float>(0.1 + random.uniform()));
        c.mean.push_back(static_cast<float>(0.1 * random.normal()));
        c.deviation.push_back(static_cast<float>(0.5 + random.uniform()));
        c.lacking.push_back(static_cast<float>(random.bits() % 2));
        for (std::int32_t bin = 0; bin < sizes.bins; ++bin) {
            c.low.push_back(bin + 1 < sizes.bins ? static_cast<float>(bin - sizes.bins / 2) : 100.0F);
            c.size.push_back(static_cast<float>(0.05 + random.uniform()));
        }
    }
    return c;
}

inline s2v::Network network(const NetworkSizes &sizes, std::uint64_t seed) {
    Random random(seed);
    s2v::Network network;
    network.planes = sizes.planes;
    network.side = sizes.planes ? sizes.side : 0;
    std::int32_t channels = sizes.planes;
    std::int32_t side = sizes.side;
    for (std::int32_t k = 0; k < sizes.planes; ++k)
        network.plane_scale.push_back(static_cast<float>(20.0 + 40.0 * random.uniform()));
    for (const std::int32_t width : sizes.planes ? sizes.widths : std::vector<std::int32_t>()) {
        s2v::Convolution layer;
        layer.weights = weights(width, 9 * channels, sizes.extreme, random);
        for (std::int32_t o = 0; o < width; ++o) {
            std::int64_t sum = 0;
            for (std::int32_t i = 0; i < 9 * channels; ++i)
                sum += layer.weights.values[static_cast<std::size_t>(o * 9 * channels + i)];
            const std::int64_t bias = between(random, -5000, 20000);
            layer.bias.push_back(static_cast<std::int32_t>(network.convolutions.empty() ? bias - 128 * sum : bias));
            layer.shift.push_back(
                static_cast<std::uint8_t>(sizes.extreme ? between(random, 0, 31) : between(random, 1, 4)));
            layer.multiplier.push_back(static_cast<std::int16_t>(
                sizes.extreme && random.bits() % 4 == 0 ? 32767 : between(random, 16384, 32767)));
        }
        network.convolutions.push_back(std::move(layer));
        channels = width;
        side = (side + 1) / 2;
    }
    const std::int32_t half = side / 2 + 1;
    const std::int32_t first = sizes.hidden.front();
    if (sizes.planes) network.of_planes = weights(first, channels * half * (half + 1) / 2, sizes.extreme, random);
    if (sizes.columns) {
        network.columns = columns(sizes, random);
        const auto n = static_cast<std::int32_t>(network.columns.median.size());
        network.of_columns = weights(first, n * (2 + sizes.bins), sizes.extreme, random);
    }
    std::int32_t inputs = first;
    for (std::size_t k = 0; k < sizes.hidden.size(); ++k) {
        s2v::Hidden layer;
        const std::int32_t width = sizes.hidden[k];
        if (k > 0) layer.weights = weights(width, inputs, sizes.extreme, random);
        layer.shift = sizes.extreme ? between(random, 0, 40) : k > 0 ? 16 : 18;
        for (std::int32_t o = 0; o < width; ++o) {
            if (k > 0 || sizes.planes)
                layer.planes_multiplier.push_back(k > 0 ? between(random, 1000, 40000) : between(random, 120, 5000));
            if (k == 0 && sizes.columns) layer.columns_multiplier.push_back(between(random, 10, 2000));
            layer.bias.push_back(static_cast<std::int64_t>(between(random, -1000, 100000)) << 10);
        }
        network.hidden.push_back(std::move(layer));
        inputs = width;
    }
    if (sizes.vector) {
        s2v::Hidden layer;
        layer.weights = weights(sizes.vector, inputs, sizes.extreme, random);
        layer.shift = sizes.extreme ? between(random, 0, 40) : 25;
        for (std::int32_t o = 0; o < sizes.vector; ++o) {
            layer.planes_multiplier.push_back(between(random, 500, 4000));
            layer.bias.push_back(static_cast<std::int64_t>(between(random, -100000, 100000)) << 14);
        }
        network.vector = std::move(layer);
        return network;
    }
    network.out = weights(1, inputs, sizes.extreme, random).values;
    network.out_bias = between(random, -100000, 100000);
    network.out_scale = 3e-7F;
    network.temperature = 1.25F;
    return network;
}

// What a network means, in plain loops over its tensors.
class PlainNetwork {
public:
    explicit PlainNetwork(const s2v::Network &network) : n_(network) {}

    float operator()(const float *planes, const float *columns) const {
        const std::vector<std::int64_t> active = activations(planes, columns);
        std::int64_t sum = n_.out_bias;
        for (std::size_t i = 0; i < active.size(); ++i) sum += active[i] * n_.out[i];
        const float logit = static_cast<float>(sum) * n_.out_scale;
        const float x = logit / n_.temperature;
        const double e = s2v::kernel::exponential(-std::fabs(static_cast<double>(x)));
        return static_cast<float>(x < 0 ? e / (1 + e) : 1 / (1 + e));
    }

    [[nodiscard]] std::vector<std::int8_t> vector(const float *planes, const float *columns) const {
        const std::vector<std::int64_t> active = activations(planes, columns);
        const s2v::Hidden &layer = *n_.vector;
        std::vector<std::int8_t> out;
        for (std::size_t o = 0; o < layer.bias.size(); ++o) {
            const std::int64_t sum = dot(layer.weights, o, active) * layer.planes_multiplier[o] + layer.bias[o];
            out.push_back(static_cast<std::int8_t>(std::clamp<std::int64_t>(shifted(sum, layer.shift), -127, 127)));
        }
        return out;
    }

private:
    [[nodiscard]] std::vector<std::int64_t> activations(const float *planes, const float *columns) const {
        std::vector<std::int64_t> active;
        const std::vector<std::int64_t> means = n_.planes ? ring_means(planes) : std::vector<std::int64_t>();
        const std::vector<std::int64_t> codes = n_.of_columns.outputs ? code(columns) : std::vector<std::int64_t>();
        for (std::size_t k = 0; k < n_.hidden.size(); ++k) {
            const s2v::Hidden &layer = n_.hidden[k];
            std::vector<std::int64_t> next;
            for (std::size_t o = 0; o < layer.bias.size(); ++o) {
                std::int64_t sum = layer.bias[o];
                if (k > 0) {
                    sum += dot(layer.weights, o, active) * layer.planes_multiplier[o];
                } else {
                    if (n_.planes) sum += dot(n_.of_planes, o, means) * layer.planes_multiplier[o];
                    if (n_.of_columns.outputs) sum += dot(n_.of_columns, o, codes) * layer.columns_multiplier[o];
                }
                next.push_back(std::clamp<std::int64_t>(shifted(sum, layer.shift), 0, 32767));
            }
            active = next;
        }
        return active;
    }

    static std::int64_t shifted(std::int64_t a, int by) {
        return by == 0 ? a : (a + (std::int64_t{1} << (by - 1))) >> by;
    }
    static std::int64_t dot(const s2v::Weights &w, std::size_t o, const std::vector<std::int64_t> &x) {
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) sum += w.values[o * x.size() + i] * x[i];
        return sum;
    }

    std::vector<std::int64_t> ring_means(const float *planes) const {
        std::int32_t side = n_.side;
        std::int32_t channels = n_.planes;
        std::vector<std::int64_t> map;
        for (std::int32_t i = 0; i < channels * side * side; ++i) {
            const float t =
                std::clamp(planes[i] * n_.plane_scale[static_cast<std::size_t>(i / (side * side))], -127.0F, 127.0F);
            map.push_back(planes[i] != planes[i] ? 128 : static_cast<std::int64_t>(t + 128.5F));
        }
        std::int64_t outside = 128;
        for (const s2v::Convolution &layer : n_.convolutions) {
            map = convolved(layer, map, channels, side, outside);
            outside = 0;
            channels = layer.weights.outputs;
            side = (side + 1) / 2;
        }
        std::vector<std::int64_t> means;
        const std::int32_t middle = side / 2;
        for (std::int32_t c = 0; c < channels; ++c)
            for (std::int32_t far = 0; far <= middle; ++far)
                for (std::int32_t near = 0; near <= far; ++near) {
                    std::int64_t sum = 0;
                    int size = 0;
                    for (std::int32_t y = -middle; y <= middle; ++y)
                        for (std::int32_t x = -middle; x <= middle; ++x)
                            if (std::max(std::abs(y), std::abs(x)) == far &&
                                std::min(std::abs(y), std::abs(x)) == near) {
                                sum += map[static_cast<std::size_t>((c * side + y + middle) * side + x + middle)];
                                ++size;
                            }
                    means.push_back(8 * sum / size);
                }
        return means;
    }

    static std::vector<std::int64_t> convolved(const s2v::Convolution &layer, const std::vector<std::int64_t> &map,
                                               std::int32_t channels, std::int32_t side, std::int64_t outside) {
        std::vector<std::int64_t> out;
        const std::int32_t after = (side + 1) / 2;
        for (std::int32_t o = 0; o < layer.weights.outputs; ++o)
            for (std::int32_t y = 0; y < after; ++y)
                for (std::int32_t x = 0; x < after; ++x) {
                    std::int64_t sum = layer.bias[static_cast<std::size_t>(o)];
                    for (std::int32_t c = 0; c < channels; ++c)
                        for (std::int32_t k = 0; k < 9; ++k) {
                            const std::int32_t v = 2 * y + k / 3 - 1;
                            const std::int32_t u = 2 * x + k % 3 - 1;
                            const bool inside = v >= 0 && v < side && u >= 0 && u < side;
                            sum += layer.weights.values[static_cast<std::size_t>((o * channels + c) * 9 + k)] *
                                   (inside ? map[static_cast<std::size_t>((c * side + v) * side + u)] : outside);
                        }
                    const std::int64_t t =
                        std::clamp<std::int64_t>(sum >> layer.shift[static_cast<std::size_t>(o)], -32768, 32767);
                    const std::int64_t v = (t * layer.multiplier[static_cast<std::size_t>(o)] + 16384) >> 15;
                    out.push_back(std::clamp<std::int64_t>((v + 32) >> 6, 0, 255));
                }
        return out;
    }

    std::vector<std::int64_t> code(const float *given) const {
        const s2v::Columns &c = n_.columns;
        std::vector<float> x(given, given + c.given);
        for (const auto &d : c.derived)
            x.push_back(s2v::kernel::derived_value(d.rule, x[static_cast<std::size_t>(d.place[0])],
                                                   x[static_cast<std::size_t>(d.place[1])],
                                                   x[static_cast<std::size_t>(d.place[2])]));
        std::vector<float> z;
        std::vector<std::int64_t> codes;
        for (std::size_t k = 0; k < x.size(); ++k) {
            const float y = std::clamp((x[k] - c.median[k]) / c.spread[k], -1e30F, 1e30F);
            const float scaled = std::clamp((s2v::kernel::asinh(y) - c.mean[k]) / c.deviation[k], -10.0F, 10.0F);
            z.push_back(x[k] != x[k] ? 0.0F : scaled);
            codes.push_back(static_cast<std::int64_t>(std::floor(z[k] * 3276.0F + 0.5F)));
        }
        for (std::size_t k = 0; k < x.size(); ++k) codes.push_back(x[k] != x[k] && c.lacking[k] != 0.0F ? 3276 : 0);
        for (std::size_t k = 0; k < x.size(); ++k)
            for (std::int32_t bin = 0; bin < c.bins; ++bin) {
                const std::size_t at = k * static_cast<std::size_t>(c.bins) + static_cast<std::size_t>(bin);
                const float reach = std::clamp((z[k] - c.low[at]) / c.size[at], 0.0F, 1.0F);
                codes.push_back(static_cast<std::int64_t>(std::floor(reach * 4095.0F + 0.5F)));
            }
        return codes;
    }

    const s2v::Network &n_;
};

// Rows of planes and columns: noise, values that cannot be, and what saturates.
inline std::vector<float> planes_of(const s2v::Network &network, std::size_t rows, Random &random) {
    const std::size_t size = static_cast<std::size_t>(network.planes) * static_cast<std::size_t>(network.side) *
                             static_cast<std::size_t>(network.side);
    std::vector<float> x;
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t i = 0; i < size; ++i) {
            const double chance = random.uniform();
            const double value = row % 3 == 1 ? 1e3 * random.normal() : random.normal();
            x.push_back(row % 5 == 4 && chance < 0.01 ? nan_value
                        : row % 7 == 6                ? HUGE_VALF * (chance < 0.5 ? -1.0F : 1.0F)
                                                      : static_cast<float>(value));
        }
    return x;
}

inline std::vector<float> columns_of(const s2v::Network &network, std::size_t rows, Random &random) {
    std::vector<float> x;
    for (std::size_t row = 0; row < rows; ++row)
        for (std::int32_t k = 0; k < network.columns.given; ++k) {
            const double chance = random.uniform();
            const double value = random.normal() * std::pow(10.0, 3.0 * random.uniform() - 1.0);
            x.push_back(chance < 0.05    ? nan_value
                        : chance < 0.06  ? HUGE_VALF
                        : chance < 0.07  ? -3e38F
                        : chance < 0.1   ? 0.0F
                        : chance < 0.105 ? 1e-41F
                                         : static_cast<float>(value));
        }
    return x;
}

}  // namespace synthetic
