// Synthetic model files for the C++ tests: a header and tensors as safetensors.
#pragma once

#include "synthetic_networks.hpp"

#include <cstring>
#include <string>

namespace synthetic {

// Collects tensors; bytes() is the file.
class ModelFile {
public:
    std::string header;  // JSON, that of the model
    std::string prefix;  // of the tensors that are added

    template <class T>
    void add(const std::string &name, const char *dtype, const std::vector<std::int64_t> &shape,
             const std::vector<T> &values) {
        std::string text;
        for (const std::int64_t length : shape) text += (text.empty() ? "" : ", ") + std::to_string(length);
        const std::size_t begin = data_.size();
        const auto *const first = reinterpret_cast<const char *>(values.data());
        data_.append(first, values.size() * sizeof(T));
        entries_ += ", \"" + prefix + name + "\": {\"dtype\": \"" + dtype + "\", \"shape\": [" + text +
                    "], \"data_offsets\": [" + std::to_string(begin) + ", " + std::to_string(data_.size()) + "]}";
    }

    [[nodiscard]] std::string bytes() const {
        std::string quoted;
        for (const char c : header) quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
        const std::string json = "{\"__metadata__\": {\"space2vec\": \"" + quoted + "\"}" + entries_ + "}";
        const auto length = static_cast<std::uint64_t>(json.size());
        std::string out(sizeof length, '\0');
        std::memcpy(out.data(), &length, sizeof length);
        return out + json + data_;
    }

private:
    std::string entries_;
    std::string data_;
};

inline std::string quoted_list(const std::vector<std::string> &names) {
    std::string out;
    for (const std::string &name : names) out += (out.empty() ? "\"" : ", \"") + name + "\"";
    return "[" + out + "]";
}

inline std::string model_header(const std::string &kind, const std::vector<std::string> &columns,
                                const std::string &more) {
    return R"({"format": 1, "kind": ")" + kind + R"(", "name": "made", "convention": "code", "imputation": "none",)" +
           R"( "training": {}, "metrics": {}, "library": "0", "features": {"set": "stamp", "version": 1, "names": )" +
           quoted_list(columns) + "}" + more + "}";
}

inline void add_linear(ModelFile &file, const std::string &name, const s2v::Weights &weights) {
    file.add(name, "I8", {weights.outputs, weights.inputs}, weights.values);
}

// The tensors of a network of 1 or more columns; tablenet's where it has bins.
inline void add_network(ModelFile &file, const s2v::Network &n) {
    const auto length = [](const auto &values) { return static_cast<std::int64_t>(values.size()); };
    if (n.planes > 0) {
        file.add("integer.planes.scale", "F32", {n.planes}, n.plane_scale);
        for (std::size_t k = 0; k < n.convolutions.size(); ++k) {
            const s2v::Convolution &layer = n.convolutions[k];
            const std::string name = "integer.conv" + std::to_string(k);
            file.add(name + ".weight", "I8", {layer.weights.outputs, layer.weights.inputs / 9, 3, 3},
                     layer.weights.values);
            file.add(name + ".bias", "I32", {length(layer.bias)}, layer.bias);
            file.add(name + ".shift", "U8", {length(layer.shift)}, layer.shift);
            file.add(name + ".multiplier", "I16", {length(layer.multiplier)}, layer.multiplier);
        }
        add_linear(file, "integer.of_planes.weight", n.of_planes);
    }
    if (n.of_columns.outputs > 0) {
        const s2v::Columns &c = n.columns;
        const std::string scale = c.bins > 0 ? "scaled." : "scale.";
        file.add(scale + "median", "F32", {length(c.median)}, c.median);
        file.add(scale + "spread", "F32", {length(c.spread)}, c.spread);
        file.add(scale + "mean", "F32", {length(c.mean)}, c.mean);
        file.add(scale + "deviation", "F32", {length(c.deviation)}, c.deviation);
        file.add(scale + "lacking", "F32", {length(c.lacking)}, c.lacking);
        if (c.bins > 0) {
            file.add("encoded.low", "F32", {length(c.median), c.bins}, c.low);
            file.add("encoded.size", "F32", {length(c.median), c.bins}, c.size);
        }
        add_linear(file, "integer.of_features.weight", n.of_columns);
    }
    for (std::size_t k = 0; k < n.hidden.size(); ++k) {
        const s2v::Hidden &layer = n.hidden[k];
        const std::string name = "integer.hidden" + std::to_string(k);
        if (k > 0) {
            add_linear(file, name + ".weight", layer.weights);
            file.add(name + ".multiplier", "I32", {length(layer.planes_multiplier)}, layer.planes_multiplier);
        } else {
            if (n.planes > 0)
                file.add(name + ".planes_multiplier", "I32", {length(layer.planes_multiplier)},
                         layer.planes_multiplier);
            if (n.of_columns.outputs > 0)
                file.add(name + ".features_multiplier", "I32", {length(layer.columns_multiplier)},
                         layer.columns_multiplier);
        }
        file.add(name + ".bias", "I64", {length(layer.bias)}, layer.bias);
        file.add(name + ".shift", "U8", {1}, std::vector<std::uint8_t>{static_cast<std::uint8_t>(layer.shift)});
    }
    if (n.vector) {
        const s2v::Hidden &layer = *n.vector;
        add_linear(file, "integer.vector.weight", layer.weights);
        file.add("integer.vector.multiplier", "I32", {length(layer.planes_multiplier)}, layer.planes_multiplier);
        file.add("integer.vector.bias", "I64", {length(layer.bias)}, layer.bias);
        file.add("integer.vector.shift", "U8", {1}, std::vector<std::uint8_t>{static_cast<std::uint8_t>(layer.shift)});
        return;
    }
    file.add("integer.out.weight", "I8", {length(n.out)}, n.out);
    file.add("integer.out.bias", "I64", {1}, std::vector<std::int64_t>{n.out_bias});
    file.add("integer.out.scale", "F32", {1}, std::vector<float>{n.out_scale});
}

}  // namespace synthetic
