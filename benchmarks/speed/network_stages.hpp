// The stages of an integer network of stampnet's sizes, on synthetic inputs, on which their cost does not depend.
#pragma once

#include "kernel/host_team.hpp"
#include "kernel/network.hpp"
#include "synthetic_networks.hpp"

#include <memory>
#include <vector>

namespace bench {
namespace {

using namespace s2v::kernel;

// A synthetic network with its inputs and its scratch memory.
class NetworkSample {
public:
    // vector: numbers of a vector; 0: it gives a score.
    explicit NetworkSample(std::int32_t vector = 0)
        : network_(synthetic::network(sizes_of(vector), 3)),
          packed_(network_, HostDot::kGroup, HostDot::kPacked),
          view_(packed_.view()) {
        synthetic::Random random(4);
        planes_ = synthetic::planes_of(network_, 1, random);
        columns_ = synthetic::columns_of(network_, 1, random);
        NetworkScratch measured{};
        memory_.resize(divide_scratch<HostDot>(view_, 1, nullptr, measured) + 64);
        const auto at = reinterpret_cast<std::uintptr_t>(memory_.data());
        divide_scratch<HostDot>(view_, 1, memory_.data() + (64 - at % 64) % 64, scratch_);
        encode_planes();
        encode_row_columns();
    }

    double encode_planes() {
        s2v::kernel::encode_planes<HostDot>(HostTeam(), view_, planes_.data(), 0, scratch_);
        return static_cast<double>(scratch_.means[5]);
    }
    double encode_row_columns() {
        HostTeam().for_each(view_.column.given, [&](int i) { scratch_.x[i] = columns_[static_cast<std::size_t>(i)]; });
        s2v::kernel::encode_row_columns(HostTeam(), view_, 0, scratch_);
        return static_cast<double>(scratch_.codes[5]);
    }
    double score_rows() {
        float score = 0.0F;
        s2v::kernel::score_rows<HostDot>(HostTeam(), view_, 1, scratch_, &score);
        return static_cast<double>(score);
    }
    double embed_rows() {
        std::int8_t vectors[kMostNumbers] = {};
        s2v::kernel::embed_rows<HostDot>(HostTeam(), view_, 1, scratch_, vectors);
        return static_cast<double>(vectors[5]);
    }

private:
    static constexpr std::int32_t kMostNumbers = 64;
    static synthetic::NetworkSizes sizes_of(std::int32_t vector) {
        synthetic::NetworkSizes sizes;
        sizes.vector = vector;
        return sizes;
    }

    s2v::Network network_;
    s2v::PackedNetwork packed_;
    NetworkView view_;
    std::vector<float> planes_;
    std::vector<float> columns_;
    std::vector<unsigned char> memory_;
    NetworkScratch scratch_{};
};

}  // namespace
}  // namespace bench
