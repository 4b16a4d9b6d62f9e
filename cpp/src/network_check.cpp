// What must hold of a network's tensors before anything is run.
#include "error.hpp"
#include "network.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>

namespace s2v {
namespace {

constexpr std::int64_t kLargestSum = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kLargestPixel = 255;
constexpr std::int64_t kLargestMean = 2040;
constexpr std::int64_t kLargestActivation = 32767;
constexpr std::int64_t kLargestColumn = 32760;
constexpr std::int64_t kLargestEncoding = 4095;
constexpr std::int32_t kMostOutputs = 1024;
constexpr std::int32_t kLargestMap = 129;
constexpr std::int32_t kLargestRings = 31;  // the side that they are taken over
constexpr std::int32_t kMostBins = 256;
constexpr std::int64_t kMostProducts = std::int64_t{1} << 28;  // of a candidate: a second for a hundred
constexpr std::int64_t kLargestBias = std::int64_t{1} << 62;   // of the output
constexpr float kLeastScale = std::numeric_limits<float>::min();

// The sentence is put together only where it is thrown: there are checks of every weight.
template <class... Parts>
void require_model(bool holds, const Parts &...parts) {
    if (!holds) throw Failure(S2V_BAD_MODEL, (std::string("integer network: ") + ... + parts));
}

void check_scales(std::span<const float> values, bool positive, const char *what) {
    for (const float value : values) require_model(std::isfinite(value) && (!positive || value > 0.0F), what);
}

// What a product is scaled by: no denormal number either.
void check_normal(std::span<const float> values, const char *what) {
    for (const float value : values) require_model(std::isfinite(value) && value >= kLeastScale, what);
}

void check_multipliers(const std::vector<std::int32_t> &values, const std::string &what) {
    for (const std::int32_t value : values) require_model(value >= 0, "a multiplier of ", what, " is negative");
}

void check_weights(const Weights &weights, std::int32_t inputs, const std::string &what) {
    require_model(weights.outputs >= 1 && weights.outputs <= kMostOutputs && weights.inputs == inputs &&
                      weights.values.size() ==
                          static_cast<std::size_t>(weights.outputs) * static_cast<std::size_t>(weights.inputs),
                  "the weights of ", what, " have another shape");
    for (const std::int8_t value : weights.values) require_model(value != -128, "a weight of ", what, " is -128");
}

// The largest magnitude that the sum of a row can have; largest(i): that of input i.
template <class Largest>
std::int64_t largest_sum(const Weights &weights, std::int32_t row, Largest largest) {
    std::int64_t sum = 0;
    const std::size_t begin = static_cast<std::size_t>(row) * static_cast<std::size_t>(weights.inputs);
    for (std::int32_t i = 0; i < weights.inputs; ++i)
        sum += std::abs(std::int64_t{weights.values[begin + static_cast<std::size_t>(i)]}) * largest(i);
    return sum;
}

void check_convolutions(const Network &network) {
    std::int32_t channels = network.planes;
    std::int32_t side = network.side;
    std::int64_t products = 0;
    require_model(network.convolutions.size() <= kernel::kMostConvolutions, "too many convolutions");
    for (std::size_t k = 0; k < network.convolutions.size(); ++k) {
        const Convolution &layer = network.convolutions[k];
        const std::string what = "convolution " + std::to_string(k);
        require_model(side >= 3 && side <= kLargestMap && side % 2 == 1, what, " sees maps of a side that it cannot");
        check_weights(layer.weights, 9 * channels, what);
        channels = layer.weights.outputs;
        side = (side + 1) / 2;
        products += static_cast<std::int64_t>(layer.weights.values.size()) * side * side;
        require_model(products <= kMostProducts, "more than 268435456 multiplications a candidate");
        const auto n = static_cast<std::size_t>(channels);
        require_model(layer.bias.size() == n && layer.shift.size() == n && layer.multiplier.size() == n, what,
                      " lacks scales");
        for (std::size_t o = 0; o < n; ++o) {
            require_model(layer.shift[o] <= 31, what, " shifts too far");
            require_model(layer.multiplier[o] >= 16384, what, " has a multiplier that is not normal");
            const std::int64_t sum =
                largest_sum(layer.weights, static_cast<std::int32_t>(o), [](std::int32_t) { return kLargestPixel; });
            require_model(sum + std::abs(std::int64_t{layer.bias[o]}) <= kLargestSum, what, " could overflow");
        }
    }
    require_model(side % 2 == 1 && side <= kLargestRings, "no rings about a middle of its maps");
    const std::int32_t half = side / 2 + 1;
    check_weights(network.of_planes, channels * (half * (half + 1) / 2), "of_planes");
}

void check_columns(const Network &network) {
    const Columns &columns = network.columns;
    const std::size_t n = static_cast<std::size_t>(columns.given) + columns.derived.size();
    require_model(columns.median.size() == n && columns.spread.size() == n && columns.mean.size() == n &&
                      columns.deviation.size() == n && columns.lacking.size() == n && columns.bins >= 0 &&
                      columns.bins <= kMostBins && columns.low.size() == n * static_cast<std::size_t>(columns.bins) &&
                      columns.size.size() == columns.low.size(),
                  "the scales of the columns have another size");
    check_scales(columns.median, false, "a median is no number");
    check_scales(columns.mean, false, "a mean is no number");
    check_scales(columns.low, false, "a bin begins at no number");
    check_scales(columns.spread, true, "a spread is not positive");
    check_scales(columns.deviation, true, "a deviation is not positive");
    check_scales(columns.size, true, "the size of a bin is not positive");
    for (const float one : columns.lacking) require_model(one == 0.0F || one == 1.0F, "a mark is not 0 or 1");
    check_weights(network.of_columns, static_cast<std::int32_t>(n) * (2 + columns.bins), "of_features");
}

// Two products of 32 bits, a bias and what rounds must fit into 64 bits. Doubles round: what comes within a millionth
// of the limit counts as beyond it.
void check_hidden_sum(const Hidden &hidden, std::size_t o, std::int64_t first, std::int64_t second,
                      const std::string &what) {
    double sum = std::ldexp(1.0, hidden.shift) + std::abs(static_cast<double>(hidden.bias[o]));
    if (first) sum += static_cast<double>(first) * static_cast<double>(hidden.planes_multiplier[o]);
    if (second) sum += static_cast<double>(second) * static_cast<double>(hidden.columns_multiplier[o]);
    require_model(sum < 0x1p63 * (1.0 - 1e-6), what, " could overflow");
}

// A layer on `width` activations of another.
void check_later(const Hidden &layer, std::int32_t width, const std::string &what) {
    check_weights(layer.weights, width, what);
    const auto n = static_cast<std::size_t>(layer.weights.outputs);
    require_model(layer.bias.size() == n && layer.planes_multiplier.size() == n && layer.columns_multiplier.empty(),
                  what, " lacks scales");
    require_model(layer.shift >= 0 && layer.shift <= 62, what, " shifts too far");
    check_multipliers(layer.planes_multiplier, what);
    for (std::int32_t o = 0; o < layer.weights.outputs; ++o) {
        const std::int64_t sum = largest_sum(layer.weights, o, [](std::int32_t) { return kLargestActivation; });
        require_model(sum <= kLargestSum, what, " could overflow");
        check_hidden_sum(layer, static_cast<std::size_t>(o), sum, 0, what);
    }
}

void check_first_hidden(const Network &network, std::int32_t width) {
    const std::int32_t values = 2 * (network.columns.given + static_cast<std::int32_t>(network.columns.derived.size()));
    const bool with_planes = network.planes > 0;
    const bool with_columns = network.of_columns.outputs > 0;
    const Hidden &layer = network.hidden.front();
    const std::string what = "hidden layer 0";
    const auto n = static_cast<std::size_t>(width);
    require_model(layer.bias.size() == n && layer.planes_multiplier.size() == (with_planes ? n : 0) &&
                      layer.columns_multiplier.size() == (with_columns ? n : 0),
                  what, " lacks scales");
    require_model(layer.shift >= 0 && layer.shift <= 62, what, " shifts too far");
    check_multipliers(layer.planes_multiplier, what);
    check_multipliers(layer.columns_multiplier, what);
    for (std::int32_t o = 0; o < width; ++o) {
        std::int64_t first = 0;
        std::int64_t second = 0;
        if (with_planes) first = largest_sum(network.of_planes, o, [](std::int32_t) { return kLargestMean; });
        if (with_columns)
            second = largest_sum(network.of_columns, o,
                                 [&](std::int32_t i) { return i < values ? kLargestColumn : kLargestEncoding; });
        require_model(first <= kLargestSum && second <= kLargestSum, what, " could overflow");
        check_hidden_sum(layer, static_cast<std::size_t>(o), first, second, what);
    }
}

void check_score(const Network &network, std::int32_t width) {
    require_model(network.out.size() == static_cast<std::size_t>(width), "the output has another width");
    std::int64_t sum = 0;
    for (const std::int8_t weight : network.out) require_model(weight != -128, "a weight of the output is -128");
    for (const std::int8_t weight : network.out) sum += std::abs(std::int64_t{weight}) * kLargestActivation;
    require_model(sum <= kLargestSum && network.out_bias > -kLargestBias && network.out_bias < kLargestBias,
                  "the output could overflow");
    check_normal({&network.out_scale, 1}, "the output has no scale");
    check_scales({&network.temperature, 1}, true, "the temperature is not positive");
}

void check_layers(const Network &network) {
    require_model(!network.hidden.empty() && network.hidden.size() <= kernel::kMostHidden,
                  "no hidden layer, or too many");
    const bool with_planes = network.planes > 0;
    const bool with_columns = network.of_columns.outputs > 0;
    std::int32_t width = with_planes ? network.of_planes.outputs : network.of_columns.outputs;
    require_model(with_planes || with_columns, "it takes nothing");
    require_model(!with_planes || !with_columns || width == network.of_columns.outputs,
                  "planes and columns meet in layers of two widths");
    check_first_hidden(network, width);
    for (std::size_t k = 1; k < network.hidden.size(); ++k) {
        check_later(network.hidden[k], width, "hidden layer " + std::to_string(k));
        width = network.hidden[k].weights.outputs;
    }
    if (network.vector)
        check_later(*network.vector, width, "the vector");
    else
        check_score(network, width);
}

}  // namespace

void check_network(const Network &network) {
    if (network.planes > 0) {
        require_model(network.planes <= kernel::kMostPlanes && !network.convolutions.empty() &&
                          network.plane_scale.size() == static_cast<std::size_t>(network.planes),
                      "the planes have no scales, or no convolution");
        check_normal(network.plane_scale, "the scale of a plane is not positive");
        check_convolutions(network);
    }
    if (network.of_columns.outputs > 0) check_columns(network);
    check_layers(network);
}

}  // namespace s2v
