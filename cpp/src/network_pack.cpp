// From the tensors of a network to what a Dot reads: words of weights, an output beside the next.
#include "network.hpp"

#include "kernel/matrix_tiles.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <type_traits>

namespace s2v {

using kernel::kChannelBlock;

namespace {

std::int32_t padded(std::int32_t n) {
    return (n + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
}

template <class T, class U>
std::vector<T> widened(const std::vector<U> &values, std::int32_t n) {
    std::vector<T> out(static_cast<std::size_t>(n));
    std::copy(values.begin(), values.end(), out.begin());
    return out;
}

// A layer's inputs in the order in which a Dot takes them: input[word * group + j] is a column of the weights, -1 where
// a word is not full.
std::vector<std::uint32_t> words_of(const Weights &weights, const std::vector<std::int32_t> &input, int group,
                                    std::int32_t outputs) {
    const int bits = 32 / group;
    const std::uint32_t mask = bits == 8 ? 0xffU : 0xffffU;
    const std::size_t words = input.size() / static_cast<std::size_t>(group);
    std::vector<std::uint32_t> out(words * static_cast<std::size_t>(outputs));
    for (std::size_t word = 0; word < words; ++word)
        for (std::int32_t o = 0; o < weights.outputs; ++o) {
            std::uint32_t packed = 0;
            for (int j = 0; j < group; ++j) {
                const std::int32_t i = input[word * static_cast<std::size_t>(group) + static_cast<std::size_t>(j)];
                if (i < 0) continue;
                const std::size_t at = static_cast<std::size_t>(o) * static_cast<std::size_t>(weights.inputs) +
                                       static_cast<std::size_t>(i);
                packed |= (static_cast<std::uint32_t>(std::int32_t{weights.values[at]}) & mask) << (j * bits);
            }
            out[word * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(o)] = packed;
        }
    return out;
}

std::vector<std::int32_t> in_order(std::int32_t inputs, std::int32_t room) {
    std::vector<std::int32_t> input(static_cast<std::size_t>(room), -1);
    for (std::int32_t i = 0; i < inputs; ++i) input[static_cast<std::size_t>(i)] = i;
    return input;
}

// The biases of a convolution whose inputs are multiplied less 128. Sums wrap: what comes out of the last step is in
// the range of what `check_network` allows.
std::vector<std::int32_t> centred_bias(const Convolution &layer) {
    std::vector<std::int32_t> bias = layer.bias;
    const auto inputs = static_cast<std::size_t>(layer.weights.inputs);
    for (std::size_t o = 0; o < bias.size(); ++o) {
        const std::int8_t *const weights = layer.weights.values.data() + o * inputs;
        const std::int32_t sum = std::accumulate(weights, weights + inputs, std::int32_t{0});
        bias[o] =
            static_cast<std::int32_t>(static_cast<std::uint32_t>(bias[o]) + (static_cast<std::uint32_t>(sum) << 7));
    }
    return bias;
}

// Words (words, channels) of a convolution in pairs: of a channel two words, beside them those of the next channel.
std::vector<std::uint32_t> in_pairs(const std::vector<std::uint32_t> &words, std::int32_t channels) {
    std::vector<std::uint32_t> out;
    const auto next = static_cast<std::size_t>(channels);
    for (std::size_t word = 0; word < words.size(); word += 2 * next)
        for (std::size_t channel = word; channel < word + next; ++channel) {
            out.push_back(words[channel]);
            out.push_back(words[channel + next]);
        }
    return out;
}

// Words (words, channels) of a convolution as lanes load them.
std::vector<std::uint32_t> for_lanes(const std::vector<std::uint32_t> &words, std::int32_t channels) {
    std::vector<std::uint32_t> out(words.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto at = static_cast<std::int32_t>(i);
        out[static_cast<std::size_t>(kernel::lane_place(at / channels, at % channels, channels))] = words[i];
    }
    return out;
}

}  // namespace

// Puts arrays one after another, and notes which pointer of the view leads to each.
class PackedNetwork::Packer {
public:
    Packer(PackedNetwork &packed, int group, PackedFor user)
        : packed_(packed), group_(group), user_(user), lanes_(user == PackedFor::kLanes) {}

    template <class T>
    void put(const T *&member, const std::vector<T> &values) {
        const std::size_t at = (bytes_.size() + 63) / 64 * 64;
        bytes_.resize(at + values.size() * sizeof(T));
        if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size() * sizeof(T));
        const auto *const begin = reinterpret_cast<const std::byte *>(&packed_.view_);
        packed_.places_.push_back({static_cast<std::size_t>(reinterpret_cast<const std::byte *>(&member) - begin), at});
    }

    void convolution(const Convolution &layer, std::int32_t planes, std::int32_t channels_in, std::int32_t side,
                     kernel::ConvolutionView &to) {
        const int group = group_;
        to.channels = padded(layer.weights.outputs);
        to.in_side = side;
        to.out_side = (side + 1) / 2;
        const bool first = planes > 0;  // maps are planes of packs; of others, packs of a pixel lie together
        const std::int32_t packs = first ? (planes + group - 1) / group : channels_in / group;
        const std::int32_t real = layer.weights.inputs / 9;
        const std::int32_t pitch = side + 2;
        to.step = first ? 2 : 2 * packs;
        to.row_step = pitch * to.step;
        const bool pairs = user_ == PackedFor::kPairs && !first;
        std::vector<std::int32_t> offset;
        std::vector<std::int32_t> input;
        for (std::int32_t word = 0; word < 9 * packs; ++word) {
            const std::int32_t pack = pairs ? word % packs : word / 9;  // in pairs, words of a pixel follow each other
            const std::int32_t place = pairs ? word / packs : word % 9;
            const std::int32_t y = place / 3;
            const std::int32_t x = place % 3;
            offset.push_back(first ? (pack * pitch + y) * pitch + x : (y * pitch + x) * packs + pack);
            for (std::int32_t j = 0; j < group; ++j) {
                const std::int32_t channel = pack * group + j;
                input.push_back(channel < real ? channel * 9 + place : -1);
            }
        }
        while (lanes_ && offset.size() % kernel::kMatrixWords != 0) {
            offset.push_back(0);
            input.insert(input.end(), static_cast<std::size_t>(group), -1);
        }
        to.words = static_cast<std::int32_t>(offset.size());
        const std::vector<std::uint32_t> words = words_of(layer.weights, input, group, to.channels);
        put(to.weights, lanes_ ? for_lanes(words, to.channels) : pairs ? in_pairs(words, to.channels) : words);
        put(to.offset, offset);
        put(to.bias,
            widened<std::int32_t>(user_ == PackedFor::kCentredDot ? centred_bias(layer) : layer.bias, to.channels));
        put(to.shift, widened<std::int32_t>(layer.shift, to.channels));
        put(to.multiplier, widened<std::int16_t>(layer.multiplier, to.channels));
    }

    // Two inputs a word; weights of two, or for lanes of four.
    void linear(const Weights &weights, std::vector<std::int32_t> input, kernel::LinearView &to) {
        const int group = lanes_ ? 4 : 2;
        to.outputs = padded(weights.outputs);
        to.words = static_cast<std::int32_t>(input.size()) / 2;
        while (input.size() % static_cast<std::size_t>(group) != 0) input.push_back(-1);
        put(to.weights, words_of(weights, input, group, to.outputs));
    }

    void hidden(const Hidden &layer, kernel::HiddenView &to) {
        const std::int32_t n = padded(static_cast<std::int32_t>(layer.bias.size()));
        put(to.multiplier[0], widened<std::int32_t>(layer.planes_multiplier, n));
        put(to.multiplier[1], widened<std::int32_t>(layer.columns_multiplier, n));
        put(to.bias, widened<std::int64_t>(layer.bias, n));
        to.shift = layer.shift;
    }

    void columns(const Columns &from, kernel::ColumnsView &to) {
        to.given = from.given;
        to.columns = from.given + static_cast<std::int32_t>(from.derived.size());
        to.bins = from.bins;
        put(to.median, in_runs(from.median, 0.0F));
        put(to.spread, in_runs(from.spread, 1.0F));
        put(to.mean, in_runs(from.mean, 0.0F));
        put(to.deviation, in_runs(from.deviation, 1.0F));
        std::vector<std::int16_t> mark;
        for (const float lacking : from.lacking) mark.push_back(lacking != 0.0F ? 3276 : 0);
        put(to.mark, mark);
        put(to.low, by_bins(from.low, to.columns, to.bins));
        put(to.size, by_bins(from.size, to.columns, to.bins));
        put(to.derived, from.derived);
    }

    void finish() {
        const std::size_t size = (bytes_.size() + 63) / 64 * 64;
        packed_.memory_.reset(static_cast<std::byte *>(::operator new(size, std::align_val_t{64})));
        std::memset(packed_.memory_.get(), 0, size);
        std::memcpy(packed_.memory_.get(), bytes_.data(), bytes_.size());
        packed_.size_ = size;
    }

private:
    static std::vector<float> in_runs(std::vector<float> values, float idle) {
        values.resize(static_cast<std::size_t>(padded(static_cast<std::int32_t>(values.size()))), idle);
        return values;
    }

    // (columns, bins) to (bins, columns).
    static std::vector<float> by_bins(const std::vector<float> &values, std::int32_t columns, std::int32_t bins) {
        std::vector<float> out(values.size());
        for (std::int32_t k = 0; k < columns; ++k)
            for (std::int32_t bin = 0; bin < bins; ++bin)
                out[static_cast<std::size_t>(bin * columns + k)] = values[static_cast<std::size_t>(k * bins + bin)];
        return out;
    }

    PackedNetwork &packed_;
    const int group_;
    const PackedFor user_;
    const bool lanes_;
    std::vector<std::byte> bytes_;
};

PackedNetwork::PackedNetwork(const Network &network, const s2v_network_kernels &isa)
    : PackedNetwork(network, isa.network_group, isa.network_packing) {}

PackedNetwork::PackedNetwork(const Network &network, int group, PackedFor user) {
    static_assert(std::is_trivially_copyable_v<kernel::NetworkView>);
    Packer packer(*this, group, user);
    kernel::NetworkView &view = view_;
    if (network.planes > 0) {
        view.planes = network.planes;
        view.side = network.side;
        view.convolutions = static_cast<std::int32_t>(network.convolutions.size());
        packer.put(view.plane_scale, network.plane_scale);
        std::int32_t side = network.side;
        std::int32_t channels = 0;
        for (std::size_t k = 0; k < network.convolutions.size(); ++k) {
            kernel::ConvolutionView &layer = view.convolution[k];
            packer.convolution(network.convolutions[k], k == 0 ? network.planes : 0, channels, side, layer);
            side = layer.out_side;
            channels = layer.channels;
        }
        const std::int32_t half = side / 2 + 1;
        view.rings = half * (half + 1) / 2;
        const std::int32_t real = network.convolutions.back().weights.outputs;
        std::vector<std::int32_t> input;
        for (std::int32_t ring = 0; ring < view.rings; ++ring)
            for (std::int32_t channel = 0; channel < channels; ++channel)
                input.push_back(channel < real ? channel * view.rings + ring : -1);
        packer.linear(network.of_planes, input, view.of_planes);
    }
    if (network.of_columns.outputs > 0) {
        packer.columns(network.columns, view.column);
        const std::int32_t n = view.column.columns;
        std::vector<std::int32_t> input = in_order(2 * n, 2 * n);
        for (std::int32_t bin = 0; bin < view.column.bins; ++bin)
            for (std::int32_t k = 0; k < n; ++k) input.push_back(2 * n + k * view.column.bins + bin);
        if (input.size() % 2) input.push_back(-1);
        packer.linear(network.of_columns, input, view.of_columns);
    }
    view.layers = static_cast<std::int32_t>(network.hidden.size());
    std::int32_t inputs = network.planes > 0 ? network.of_planes.outputs : network.of_columns.outputs;
    view.widest = padded(inputs);
    for (std::size_t k = 0; k < network.hidden.size(); ++k) {
        const Hidden &layer = network.hidden[k];
        packer.hidden(layer, view.hidden[k]);
        if (k > 0) {
            packer.linear(layer.weights, in_order(inputs, padded(inputs)), view.linear[k - 1]);
            inputs = layer.weights.outputs;
            view.widest = std::max(view.widest, padded(inputs));
        }
    }
    const Weights out = network.vector ? network.vector->weights : Weights{network.out, 1, inputs};
    packer.linear(out, in_order(inputs, padded(inputs)), view.linear[view.layers - 1]);
    view.widest = std::max(view.widest, padded(out.outputs));
    if (network.vector) {
        packer.hidden(*network.vector, view.numbers);
        view.vector = out.outputs;
    }
    view.out_bias = network.out_bias;
    view.out_scale = network.out_scale;
    view.temperature = network.temperature;
    packer.finish();
}

kernel::NetworkView PackedNetwork::view_at(const std::byte *memory) const noexcept {
    kernel::NetworkView view = view_;
    for (const Place &place : places_) {
        const std::byte *const at = memory + place.offset;
        std::memcpy(reinterpret_cast<std::byte *>(&view) + place.member, &at, sizeof at);
    }
    return view;
}

}  // namespace s2v
