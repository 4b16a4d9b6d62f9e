// An integer network in a model file.
#include "error.hpp"
#include "kernel/derived_columns.hpp"
#include "model_file.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace s2v {
namespace {

constexpr std::string_view kIntegers = "integer.";

// What the rules of kernel/derived_columns.hpp take, in their order.
constexpr std::array<std::array<std::string_view, 3>, kernel::kDerivedRules> kDerivedOf = {{
    {"MAG_REF", "MAG"},
    {"A_IMAGE", "B_IMAGE"},
    {"A_IMAGE", "A_REF"},
    {"SCALE", "A_IMAGE", "B_IMAGE"},
    {"A_REF", "B_REF"},
    {"SPREAD_MODEL", "SPREADERR_MODEL"},
    {"NN_DIST_RENORM", "A_REF", "B_REF"},
    {"MAG", "SNR"},
    {"MAG", "MAG_FROM_LIMIT"},
    {"MAG_REF", "A_REF", "B_REF"},
    {"MAG_REF", "MAG", "SNR"},
    {"FLUX_RATIO", "MAG_REF", "MAG"},
    {"AMP", "SCALE"},
    {"DIFFSUMRN", "SNR"},
    {"L1", "GAUSS"},
    {"L1", "DIFFSUMRN"},
    {"N2SIG5SHIFT", "N2SIG3SHIFT"},
    {"N2SIG5", "N2SIG3"},
    {"N3SIG5", "N3SIG3"},
    {"N2SIG3SHIFT", "N2SIG3"},
}};

std::int32_t length_of(const std::vector<std::int64_t> &shape, std::size_t axis) {
    if (axis >= shape.size() || shape[axis] > (1 << 24)) throw Failure(S2V_BAD_MODEL, "a weight has another shape");
    return static_cast<std::int32_t>(shape[axis]);
}

Weights read_weights(const Safetensors &file, const std::string &name) {
    const std::vector<std::int64_t> shape = file.shape(name);
    return {file.tensor<std::int8_t>(name, {-1, -1}), length_of(shape, 0), length_of(shape, 1)};
}

Convolution read_convolution(const Safetensors &file, const std::string &name) {
    Convolution layer;
    const std::vector<std::int64_t> shape = file.shape(name + ".weight");
    layer.weights.values = file.tensor<std::int8_t>(name + ".weight", {-1, -1, 3, 3});
    layer.weights.outputs = length_of(shape, 0);
    layer.weights.inputs = 9 * length_of(shape, 1);
    layer.bias = file.tensor<std::int32_t>(name + ".bias", {-1});
    layer.shift = file.tensor<std::uint8_t>(name + ".shift", {-1});
    layer.multiplier = file.tensor<std::int16_t>(name + ".multiplier", {-1});
    return layer;
}

Columns read_columns(const Safetensors &file, const NetworkHeader &header) {
    Columns columns;
    const bool encoded = header.architecture == "tablenet";
    const std::string scale = encoded ? "scaled." : "scale.";
    columns.given = static_cast<std::int32_t>(header.columns.size());
    columns.median = file.tensor<float>(scale + "median", {-1});
    columns.spread = file.tensor<float>(scale + "spread", {-1});
    columns.mean = file.tensor<float>(scale + "mean", {-1});
    columns.deviation = file.tensor<float>(scale + "deviation", {-1});
    columns.lacking = file.tensor<float>(scale + "lacking", {-1});
    if (encoded) {
        columns.derived = derived_columns(header.columns);
        columns.bins = length_of(file.shape("encoded.low"), 1);
        const auto n = static_cast<std::int64_t>(columns.median.size());
        columns.low = file.tensor<float>("encoded.low", {n, columns.bins});
        columns.size = file.tensor<float>("encoded.size", {n, columns.bins});
    }
    return columns;
}

void read_bias(const Safetensors &file, const std::string &name, Hidden &layer) {
    layer.bias = file.tensor<std::int64_t>(name + ".bias", {-1});
    layer.shift = file.tensor<std::uint8_t>(name + ".shift", {1})[0];
}

Hidden read_first_hidden(const Safetensors &file, const Network &network) {
    const std::string name = "integer.hidden0";
    Hidden layer;
    if (network.planes > 0) layer.planes_multiplier = file.tensor<std::int32_t>(name + ".planes_multiplier", {-1});
    if (network.of_columns.outputs > 0)
        layer.columns_multiplier = file.tensor<std::int32_t>(name + ".features_multiplier", {-1});
    read_bias(file, name, layer);
    return layer;
}

// A layer on the activations of another.
Hidden read_later(const Safetensors &file, const std::string &name) {
    Hidden layer;
    layer.weights = read_weights(file, name + ".weight");
    layer.planes_multiplier = file.tensor<std::int32_t>(name + ".multiplier", {-1});
    read_bias(file, name, layer);
    return layer;
}

// How many tensors of integers a network has in its file.
std::size_t tensors_of(const Network &network) {
    const std::size_t of_planes = network.planes > 0 ? 3 + 4 * network.convolutions.size() : 0;
    const std::size_t of_columns = network.of_columns.outputs > 0 ? 2 : 0;
    return of_planes + of_columns + 4 * network.hidden.size() - 2 + (network.vector ? 4 : 3);
}

}  // namespace

std::vector<kernel::DerivedColumn> derived_columns(std::span<const std::string> names) {
    std::vector<kernel::DerivedColumn> derived;
    for (std::size_t rule = 0; rule < kDerivedOf.size(); ++rule) {
        kernel::DerivedColumn column{static_cast<std::int32_t>(rule), {}};
        bool there = true;
        for (std::size_t k = 0; k < 3 && !kDerivedOf[rule][k].empty(); ++k) {
            const auto at = std::find(names.begin(), names.end(), kDerivedOf[rule][k]);
            there = there && at != names.end();
            if (there) column.place[k] = static_cast<std::int32_t>(at - names.begin());
        }
        if (there) derived.push_back(column);
    }
    return derived;
}

Network read_network(const Safetensors &file, const NetworkHeader &header) {
    const bool of_table = header.architecture == "tablenet";
    if (!of_table && header.vector == 0 && header.architecture != "stampnet")
        throw Failure(S2V_BAD_MODEL, "a network " + printable(header.architecture) + " is none of integers");
    if (of_table && header.planes > 0) throw Failure(S2V_BAD_MODEL, "a tablenet takes no planes");
    if (file.has("integer.of_planes.weight") != (header.planes > 0) ||
        file.has("integer.of_features.weight") == header.columns.empty())
        throw Failure(S2V_BAD_MODEL, "its integers take something else than its header says");
    Network network;
    network.planes = header.planes;
    network.side = header.side;
    network.temperature = header.temperature;
    if (header.planes > 0) {
        network.plane_scale = file.tensor<float>("integer.planes.scale", {header.planes});
        for (std::size_t k = 0; k < kernel::kMostConvolutions; ++k) {
            const std::string name = "integer.conv" + std::to_string(k);
            if (!file.has(name + ".weight")) break;
            network.convolutions.push_back(read_convolution(file, name));
        }
        network.of_planes = read_weights(file, "integer.of_planes.weight");
    }
    if (!header.columns.empty()) {
        network.columns = read_columns(file, header);
        network.of_columns = read_weights(file, "integer.of_features.weight");
    }
    network.hidden.push_back(read_first_hidden(file, network));
    for (std::size_t k = 1; k < kernel::kMostHidden; ++k) {
        const std::string name = "integer.hidden" + std::to_string(k);
        if (!file.has(name + ".weight")) break;
        network.hidden.push_back(read_later(file, name));
    }
    if (header.vector > 0) {
        network.vector = read_later(file, "integer.vector");
        if (network.vector->weights.outputs != header.vector)
            throw Failure(S2V_BAD_MODEL, "its vectors have another length than its header says");
    } else {
        network.out = file.tensor<std::int8_t>("integer.out.weight", {-1});
        network.out_bias = file.tensor<std::int64_t>("integer.out.bias", {1})[0];
        network.out_scale = file.tensor<float>("integer.out.scale", {1})[0];
    }
    if (file.count(kIntegers) != tensors_of(network))
        throw Failure(S2V_BAD_MODEL, "it holds integers that are none of its network's");
    check_network(network);
    return network;
}

}  // namespace s2v
