// The integer network that a host owns: its tensors as a file has them, and packed as an instruction set wants them.
#pragma once

#include "isa.hpp"
#include "kernel/network_view.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace s2v {

// Weights of 8 bits, an output a row.
struct Weights {
    std::vector<std::int8_t> values;  // (outputs, inputs)
    std::int32_t outputs = 0;
    std::int32_t inputs = 0;
};

struct Convolution {
    Weights weights;  // inputs: (channels, 3, 3)
    std::vector<std::int32_t> bias;
    std::vector<std::uint8_t> shift;
    std::vector<std::int16_t> multiplier;
};

struct Hidden {
    Weights weights;                              // of layer i >= 1, or of a vector
    std::vector<std::int32_t> planes_multiplier;  // of the first layer; of others, that of the layer before
    std::vector<std::int32_t> columns_multiplier;
    std::vector<std::int64_t> bias;
    std::int32_t shift = 0;
};

// What scales the columns; columns counts the derived ones too.
struct Columns {
    std::vector<float> median, spread, mean, deviation, lacking;
    std::vector<float> low, size;  // (columns, bins)
    std::vector<kernel::DerivedColumn> derived;
    std::int32_t given = 0;
    std::int32_t bins = 0;
};

// A network whose sizes, ranges and sums were checked by check_network.
struct Network {
    std::int32_t planes = 0;  // 0: it takes none
    std::int32_t side = 0;
    std::vector<float> plane_scale;
    std::vector<Convolution> convolutions;
    Weights of_planes;
    Columns columns;
    Weights of_columns;
    std::vector<Hidden> hidden;
    std::optional<Hidden> vector;  // of a network of vectors, its last layer; else:
    std::vector<std::int8_t> out;
    std::int64_t out_bias = 0;
    float out_scale = 0.0F;
    float temperature = 1.0F;
};

// The columns that are derived of some, in order.
std::vector<kernel::DerivedColumn> derived_columns(std::span<const std::string> names);

// Throws Failure (S2V_BAD_MODEL) where a tensor has another size than the others ask for, a number is out of its range,
// or a sum could overflow.
void check_network(const Network &network);

using kernel::PackedFor;

// A network packed with `group` inputs a word, in one piece of memory.
class PackedNetwork {
public:
    PackedNetwork(const Network &network, int group, PackedFor user);
    // For the kernels of an instruction set.
    PackedNetwork(const Network &network, const s2v_network_kernels &isa);

    // Its view where its memory lies here, or where a copy of it begins elsewhere.
    [[nodiscard]] kernel::NetworkView view() const noexcept {
        return view_at(memory_.get());
    }
    [[nodiscard]] kernel::NetworkView view_at(const std::byte *memory) const noexcept;
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {memory_.get(), size_};
    }

private:
    class Packer;
    struct Place {
        std::size_t member;  // of the view, a pointer
        std::size_t offset;  // in the memory
    };
    struct Release {
        void operator()(std::byte *memory) const noexcept {
            ::operator delete(memory, std::align_val_t{64});
        }
    };
    kernel::NetworkView view_{};
    std::vector<Place> places_;
    std::unique_ptr<std::byte, Release> memory_;
    std::size_t size_ = 0;
};

}  // namespace s2v
