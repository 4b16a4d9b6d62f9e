// Integer networks on a warp of 32 fibers, of planes as floats and as bytes: the bits of the transcription and of
// HostTeam, and no race (built with the thread sanitizer).
#include "check.hpp"
#include "fiber_lanes.hpp"
#include "kernel/host_team.hpp"
#include "kernel/network.hpp"
#include "synthetic_networks.hpp"

#include <cstdio>

namespace {

using namespace s2v::kernel;
using WarpOfFibers = LaneTeam<FiberWarp::Lanes>;

constexpr int kRows = 6;

struct Given {
    const s2v::Network &network;
    std::vector<float> planes;
    std::vector<float> columns;
};

// Scores of all rows as one block, on any team and Dot.
template <class Dot, class Team>
void score_some_rows(const Team &team, const NetworkView &view, const Given &given, unsigned char *memory,
                     float *score) {
    NetworkScratch s{};
    divide_scratch<Dot>(view, kRows, memory, s);
    const int size = view.planes * view.side * view.side;
    for (int row = 0; row < kRows; ++row) {
        if (view.planes) encode_planes<Dot>(team, view, given.planes.data() + row * size, row, s);
        if (view.column.given == 0) continue;
        const float *const from = given.columns.data() + row * view.column.given;
        team.for_each(view.column.given, [&](int i) { s.x[i] = from[i]; });
        encode_row_columns(team, view, row, s);
    }
    score_rows<Dot>(team, view, kRows, s, score);
}

template <class Dot>
std::vector<unsigned char> memory_for(const NetworkView &view) {
    NetworkScratch s{};
    return std::vector<unsigned char>(divide_scratch<Dot>(view, kRows, nullptr, s) + 64, 0x5a);
}

unsigned char *aligned(std::vector<unsigned char> &memory) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory.data());
    return memory.data() + (64 - at % 64) % 64;
}

template <class Dot>
std::vector<float> on_host(const Given &given) {
    const s2v::PackedNetwork packed(given.network, Dot::kGroup, Dot::kPacked);
    std::vector<float> score(kRows, -1.0F);
    auto memory = memory_for<Dot>(packed.view());
    score_some_rows<Dot>(HostTeam(), packed.view(), given, aligned(memory), score.data());
    return score;
}

std::vector<float> on_fibers(const Given &given, bool ascending) {
    using Dot = PlainDot<1>;
    const s2v::PackedNetwork packed(given.network, Dot::kGroup, s2v::PackedFor::kLanes);
    const NetworkView view = packed.view();
    std::vector<float> score(kRows, -1.0F);
    auto memory = memory_for<Dot>(view);
    FiberWarp warp;
    CHECK(warp.run(ascending, [&](FiberWarp::Lanes lane) {
        score_some_rows<Dot>(WarpOfFibers(lane), view, given, aligned(memory), score.data());
    }));
    return score;
}

// Row by row, of planes as bytes, in a scratch whose parts share memory and with a copy of the convolutions' tensors.
std::vector<float> by_bytes(const Given &given, bool ascending) {
    using Dot = PlainDot<1>;
    const s2v::PackedNetwork packed(given.network, Dot::kGroup, s2v::PackedFor::kLanes);
    const NetworkView view = packed.view();
    const int pixels = view.side * view.side;
    const int words = plane_words(pixels);
    std::vector<float> score(kRows, -1.0F);
    NetworkScratch s{};
    std::vector<unsigned char> memory(divide_scratch<Dot>(view, 1, nullptr, s, true) + 64, 0x5a);
    const std::size_t tensors = convolution_bytes(view);
    std::vector<unsigned char> copy(tensors + 64);
    std::vector<unsigned char> stage(static_cast<std::size_t>(4 * words) * sizeof(float) + 64, 0x5a);
    std::vector<std::uint32_t> bytes(static_cast<std::size_t>(view.planes * words), 0x5a5a5a5au);
    unsigned char *const near = aligned(copy);
    if (tensors > 0) std::memcpy(near, view.convolution[0].weights, tensors);
    auto *const plane = reinterpret_cast<float *>(aligned(stage));
    FiberWarp warp;
    CHECK(warp.run(ascending, [&](FiberWarp::Lanes lane) {
        const WarpOfFibers team(lane);
        NetworkScratch own{};
        divide_scratch<Dot>(view, 1, aligned(memory), own, true);
        own.nearer =
            reinterpret_cast<std::intptr_t>(near) - reinterpret_cast<std::intptr_t>(view.convolution[0].weights);
        for (int row = 0; row < kRows; ++row) {
            for (int k = 0; k < view.planes; ++k) {
                const float *const from = given.planes.data() + (row * view.planes + k) * pixels;
                team.sync();
                team.for_each(pixels, [&](int i) { plane[i] = from[i]; });
                team.sync();
                write_bytes(team, plane, pixels, view.plane_scale[k], bytes.data() + k * words);
            }
            if (view.planes) {
                spread_bytes(team, view, bytes.data(), own.map[0]);
                encode_map<Dot>(team, view, 0, own);
            }
            if (view.column.given > 0) {
                const float *const from = given.columns.data() + row * view.column.given;
                team.for_each(view.column.given, [&](int i) { own.x[i] = from[i]; });
                encode_row_columns(team, view, 0, own);
            }
            score_rows<Dot>(team, view, 1, own, score.data() + row);
        }
    }));
    return score;
}

void check_network_of(const synthetic::NetworkSizes &sizes, std::uint64_t seed) {
    const s2v::Network network = synthetic::network(sizes, seed);
    s2v::check_network(network);
    synthetic::Random random(seed);
    Given given = {network, {}, {}};
    given.planes = synthetic::planes_of(network, kRows, random);
    given.columns = synthetic::columns_of(network, kRows, random);
    const synthetic::PlainNetwork plain(network);
    std::vector<float> expected;
    for (int row = 0; row < kRows; ++row)
        expected.push_back(plain(given.planes.data() + row * network.planes * network.side * network.side,
                                 given.columns.data() + row * network.columns.given));
    const auto same = [&](const std::vector<float> &got) {
        return std::memcmp(got.data(), expected.data(), kRows * sizeof(float)) == 0;
    };
    CHECK(same(on_host<HostDot>(given)));
    CHECK(same(on_host<PlainDot<1>>(given)));
    CHECK(same(on_host<PlainDot<16>>(given)));
    for (const bool ascending : {true, false}) {
        CHECK(same(on_fibers(given, ascending)));
        CHECK(same(by_bytes(given, ascending)));
    }
}

}  // namespace

int main() {
    synthetic::NetworkSizes stampnet;
    check_network_of(stampnet, 21);
    stampnet.extreme = true;
    check_network_of(stampnet, 22);
    check_network_of({0, 0, {}, 38, 12, true, {64, 48}, false}, 23);
    check_network_of({3, 17, {8, 40}, 5, 1, false, {20, 12}, false}, 24);
    check_network_of({2, 9, {16}, 0, 0, false, {16}, true}, 25);
    return check::report();
}
