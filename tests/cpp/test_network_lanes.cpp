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

// What rows give: a score each, or the numbers of a vector.
struct Results {
    std::vector<float> score;
    std::vector<std::int8_t> vectors;

    explicit Results(const NetworkView &view)
        : score(view.vector ? 0 : kRows, -1.0F), vectors(static_cast<std::size_t>(kRows * view.vector), 99) {}
    bool operator==(const Results &other) const {
        return vectors == other.vectors && score.size() == other.score.size() &&
               (score.empty() || std::memcmp(score.data(), other.score.data(), score.size() * sizeof(float)) == 0);
    }
};

// Scores rows from `row` on, or turns them into vectors.
template <class Dot, class Team>
void finish_rows(const Team &team, const NetworkView &view, int row, int rows, const NetworkScratch &s, Results &out) {
    if (view.vector)
        embed_rows<Dot>(team, view, rows, s, out.vectors.data() + row * view.vector);
    else
        score_rows<Dot>(team, view, rows, s, out.score.data() + row);
}

// All rows as one block, on any team and Dot.
template <class Dot, class Team>
void run_rows(const Team &team, const NetworkView &view, const Given &given, unsigned char *memory, Results &out) {
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
    finish_rows<Dot>(team, view, 0, kRows, s, out);
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
Results on_host(const Given &given) {
    const s2v::PackedNetwork packed(given.network, Dot::kGroup, Dot::kPacked);
    Results out(packed.view());
    auto memory = memory_for<Dot>(packed.view());
    run_rows<Dot>(HostTeam(), packed.view(), given, aligned(memory), out);
    return out;
}

Results on_fibers(const Given &given, bool ascending) {
    using Dot = PlainDot<1>;
    const s2v::PackedNetwork packed(given.network, Dot::kGroup, s2v::PackedFor::kLanes);
    const NetworkView view = packed.view();
    Results out(view);
    auto memory = memory_for<Dot>(view);
    FiberWarp warp;
    CHECK(warp.run(ascending, [&](FiberWarp::Lanes lane) {
        run_rows<Dot>(WarpOfFibers(lane), view, given, aligned(memory), out);
    }));
    return out;
}

// Row by row, of planes as bytes, in a scratch whose parts share memory and with a copy of the convolutions' tensors.
Results by_bytes(const Given &given, bool ascending) {
    using Dot = PlainDot<1>;
    const s2v::PackedNetwork packed(given.network, Dot::kGroup, s2v::PackedFor::kLanes);
    const NetworkView view = packed.view();
    const int pixels = view.side * view.side;
    const int words = plane_words(pixels);
    Results out(view);
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
            finish_rows<Dot>(team, view, row, 1, own, out);
        }
    }));
    return out;
}

void check_network_of(const synthetic::NetworkSizes &sizes, std::uint64_t seed) {
    const s2v::Network network = synthetic::network(sizes, seed);
    s2v::check_network(network);
    synthetic::Random random(seed);
    Given given = {network, {}, {}};
    given.planes = synthetic::planes_of(network, kRows, random);
    given.columns = synthetic::columns_of(network, kRows, random);
    const synthetic::PlainNetwork plain(network);
    Results expected{NetworkView{}};
    expected.score.clear();
    for (int row = 0; row < kRows; ++row) {
        const float *const planes = given.planes.data() + row * network.planes * network.side * network.side;
        const float *const columns = given.columns.data() + row * network.columns.given;
        if (network.vector) {
            const std::vector<std::int8_t> one = plain.vector(planes, columns);
            expected.vectors.insert(expected.vectors.end(), one.begin(), one.end());
        } else {
            expected.score.push_back(plain(planes, columns));
        }
    }
    const auto same = [&](const Results &got) { return got == expected; };
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
    stampnet.vector = 64;
    check_network_of(stampnet, 26);
    stampnet.extreme = false;
    check_network_of(stampnet, 27);
    check_network_of({2, 17, {16}, 3, 0, false, {20}, false, 41}, 28);
    check_network_of({0, 0, {}, 38, 12, true, {64, 48}, false}, 23);
    check_network_of({3, 17, {8, 40}, 5, 1, false, {20, 12}, false}, 24);
    check_network_of({2, 9, {16}, 0, 0, false, {16}, true}, 25);
    return check::report();
}
