// Integer networks: the kernels of the active instruction set against a plain transcription, and what a reader refuses.
#include "check.hpp"
#include "error.hpp"
#include "isa.hpp"
#include "synthetic_networks.hpp"

#include <cstring>
#include <limits>
#include <new>

namespace {

std::vector<synthetic::NetworkSizes> all_sizes() {
    std::vector<synthetic::NetworkSizes> sizes(10);
    sizes[1] = {0, 0, {}, 38, 12, true, {256, 256}, false};         // as tablenet
    sizes[2] = {3, 33, {16, 32, 48}, 0, 0, false, {64}, false};     // planes alone
    sizes[3] = {1, 17, {8, 24}, 5, 0, false, {20, 12, 36}, false};  // no width is a multiple of 16
    sizes[4] = {2, 9, {33}, 1, 3, false, {16, 16}, false};
    sizes[5] = {5, 65, {16, 16, 32, 64}, 67, 0, false, {64, 64}, false};
    sizes[6].extreme = true;
    sizes[7] = {0, 0, {}, 38, 12, true, {250, 130}, true};
    sizes[8] = {7, 33, {64, 16, 80}, 11, 1, true, {96, 1}, false};
    sizes[9] = {32, 5, {16}, 0, 0, false, {16, 16, 16, 16, 16, 16, 16, 16}, false};
    return sizes;
}

std::vector<synthetic::NetworkSizes> sizes_of_vectors() {
    std::vector<synthetic::NetworkSizes> sizes(5);
    for (synthetic::NetworkSizes &one : sizes) one.vector = 64;
    sizes[1] = {3, 17, {8, 24}, 5, 0, false, {20, 12}, false, 5};  // no width is a multiple of 16
    sizes[2] = {2, 9, {16}, 0, 0, false, {16}, false, 1024};       // wider than any layer
    sizes[3] = {1, 33, {16, 32}, 67, 0, false, {64}, false, 33};
    sizes[4].extreme = true;
    return sizes;
}

// Scores of rows, or their vectors, in blocks of at most `most`: finish(view, columns, row, rows, scratch, most).
template <class Result, class Finish>
std::vector<Result> run_blocks(const s2v::PackedNetwork &packed, const s2v::Network &network,
                               const std::vector<float> &planes, const std::vector<float> &columns, int rows, int most,
                               std::size_t numbers, Finish finish) {
    const s2v_isa_table &isa = *s2v::active_isa();
    const s2v::kernel::NetworkView view = packed.view();
    const std::size_t bytes = isa.network_scratch(&view, most);
    void *const scratch = ::operator new(bytes, std::align_val_t{64});
    std::memset(scratch, 0xa5, bytes);
    std::vector<Result> out(static_cast<std::size_t>(rows) * numbers, static_cast<Result>(-1));
    const std::ptrdiff_t size = std::ptrdiff_t{network.planes} * network.side * network.side;
    for (int begin = 0; begin < rows; begin += most) {
        const int count = std::min(most, rows - begin);
        for (int row = 0; row < count && network.planes; ++row)
            isa.encode_planes(&view, planes.data() + (begin + row) * size, row, most, scratch);
        finish(view, columns.data() + std::ptrdiff_t{begin} * network.columns.given, count,
               out.data() + static_cast<std::size_t>(begin) * numbers, scratch);
    }
    ::operator delete(scratch, std::align_val_t{64});
    return out;
}

std::vector<float> run(const s2v::PackedNetwork &packed, const s2v::Network &network, const std::vector<float> &planes,
                       const std::vector<float> &columns, int rows, int most) {
    return run_blocks<float>(
        packed, network, planes, columns, rows, most, 1,
        [most](const s2v::kernel::NetworkView &view, const float *own, int count, float *score, void *scratch) {
            s2v::active_isa()->score_rows(&view, own, count, score, scratch, most);
        });
}

std::vector<std::int8_t> embed(const s2v::PackedNetwork &packed, const s2v::Network &network,
                               const std::vector<float> &planes, const std::vector<float> &columns, int rows,
                               int most) {
    const std::size_t numbers = network.vector->bias.size();
    return run_blocks<std::int8_t>(
        packed, network, planes, columns, rows, most, numbers,
        [most](const s2v::kernel::NetworkView &view, const float *own, int count, std::int8_t *vectors, void *scratch) {
            s2v::active_isa()->embed_rows(&view, own, count, vectors, scratch, most);
        });
}

void scores_are_those_of_the_transcription() {
    const s2v_isa_table &isa = *s2v::active_isa();
    std::uint64_t seed = 3;
    for (const synthetic::NetworkSizes &sizes : all_sizes()) {
        const s2v::Network network = synthetic::network(sizes, ++seed);
        s2v::check_network(network);
        const s2v::PackedNetwork packed(network, isa);
        synthetic::Random random(seed);
        constexpr int rows = 21;
        const std::vector<float> planes = synthetic::planes_of(network, rows, random);
        const std::vector<float> columns = synthetic::columns_of(network, rows, random);
        const synthetic::PlainNetwork plain(network);
        std::vector<float> expected;
        const std::ptrdiff_t size = std::ptrdiff_t{network.planes} * network.side * network.side;
        for (int row = 0; row < rows; ++row)
            expected.push_back(
                plain(planes.data() + row * size, columns.data() + std::ptrdiff_t{row} * network.columns.given));
        int distinct = 0;
        for (const float score : expected) distinct += score > 0.0F && score < 1.0F && score != expected[0];
        if (!sizes.extreme) CHECK(distinct > rows / 4);
        for (const int most : {1, 2, 7, 64}) {
            const std::vector<float> got = run(packed, network, planes, columns, rows, most);
            CHECK(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0);
        }
    }
}

void vectors_are_those_of_the_transcription() {
    std::uint64_t seed = 50;
    for (const synthetic::NetworkSizes &sizes : sizes_of_vectors()) {
        const s2v::Network network = synthetic::network(sizes, ++seed);
        s2v::check_network(network);
        const s2v::PackedNetwork packed(network, *s2v::active_isa());
        synthetic::Random random(seed);
        constexpr int rows = 21;
        const std::vector<float> planes = synthetic::planes_of(network, rows, random);
        const std::vector<float> columns = synthetic::columns_of(network, rows, random);
        const synthetic::PlainNetwork plain(network);
        std::vector<std::int8_t> expected;
        const std::ptrdiff_t size = std::ptrdiff_t{network.planes} * network.side * network.side;
        for (int row = 0; row < rows; ++row) {
            const std::vector<std::int8_t> one =
                plain.vector(planes.data() + row * size, columns.data() + std::ptrdiff_t{row} * network.columns.given);
            expected.insert(expected.end(), one.begin(), one.end());
        }
        std::size_t between = 0;
        std::size_t below = 0;
        for (const std::int8_t number : expected) {
            CHECK(number >= -127);
            between += number > -127 && number < 127 && number != 0 ? 1 : 0;
            below += number < 0 ? 1 : 0;
        }
        if (!sizes.extreme) CHECK(between > expected.size() / 4 && below > 0 && below < expected.size());
        for (const int most : {1, 2, 7, 64}) CHECK(embed(packed, network, planes, columns, rows, most) == expected);
    }
}

// A network that is changed in one place is refused, in words.
template <class Change>
void check_refused(const synthetic::NetworkSizes &sizes, Change change) {
    s2v::Network network = synthetic::network(sizes, 9);
    s2v::check_network(network);
    change(network);
    CHECK_THROWS(s2v::check_network(network), s2v::Failure,
                 caught.status() == S2V_BAD_MODEL && std::strlen(caught.what()) > 20);
}

void what_cannot_be_run_is_refused() {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    const synthetic::NetworkSizes both;
    const synthetic::NetworkSizes table = {0, 0, {}, 38, 12, true, {64, 64}, false};
    check_refused(both, [](s2v::Network &n) { n.plane_scale[2] = 0.0F; });
    check_refused(both, [](s2v::Network &n) { n.plane_scale.pop_back(); });
    check_refused(both, [](s2v::Network &n) { n.planes = 33; });
    check_refused(both, [](s2v::Network &n) { n.side = 32; });
    check_refused(both, [](s2v::Network &n) { n.side = 131; });
    check_refused(both, [](s2v::Network &n) { n.convolutions.clear(); });
    check_refused(both, [](s2v::Network &n) { n.convolutions[1].weights.inputs = 9; });
    check_refused(both, [](s2v::Network &n) { n.convolutions[1].weights.values.pop_back(); });
    check_refused(both, [](s2v::Network &n) { n.convolutions[0].shift[3] = 32; });
    check_refused(both, [](s2v::Network &n) { n.convolutions[0].multiplier[3] = 16383; });
    check_refused(both, [](s2v::Network &n) { n.convolutions[2].multiplier[3] = -20000; });
    check_refused(both, [](s2v::Network &n) { n.convolutions[0].bias[0] = std::numeric_limits<std::int32_t>::max(); });
    check_refused(both, [](s2v::Network &n) { n.convolutions[0].bias[0] = std::numeric_limits<std::int32_t>::min(); });
    check_refused(both, [](s2v::Network &n) { n.convolutions[2].bias.pop_back(); });
    check_refused(both, [](s2v::Network &n) { n.of_planes.inputs -= 1; });
    check_refused(both, [](s2v::Network &n) { n.of_columns.outputs = 32; });
    check_refused(both, [](s2v::Network &n) { n.columns.spread[4] = -1.0F; });
    check_refused(both, [](s2v::Network &n) { n.columns.median[4] = nan; });
    check_refused(both, [](s2v::Network &n) { n.columns.lacking[4] = 0.5F; });
    check_refused(both, [](s2v::Network &n) { n.columns.mean.pop_back(); });
    check_refused(both, [](s2v::Network &n) { n.hidden.clear(); });
    check_refused(both, [](s2v::Network &n) { n.hidden[0].shift = 63; });
    check_refused(both, [](s2v::Network &n) { n.hidden[1].shift = -1; });
    check_refused(both, [](s2v::Network &n) { n.hidden[0].planes_multiplier.clear(); });
    check_refused(both, [](s2v::Network &n) { n.hidden[1].columns_multiplier.resize(64); });
    check_refused(both, [](s2v::Network &n) { n.hidden[0].bias[5] = std::numeric_limits<std::int64_t>::max(); });
    check_refused(both, [](s2v::Network &n) { n.hidden[1].weights.inputs = 65; });
    check_refused(both, [](s2v::Network &n) { n.out.pop_back(); });
    check_refused(both, [](s2v::Network &n) { n.out_bias = std::numeric_limits<std::int64_t>::min(); });
    check_refused(both, [](s2v::Network &n) { n.out_scale = nan; });
    check_refused(both, [](s2v::Network &n) { n.temperature = 0.0F; });
    synthetic::NetworkSizes vectors;
    vectors.vector = 64;
    check_refused(vectors, [](s2v::Network &n) { n.vector->weights.inputs = 65; });
    check_refused(vectors, [](s2v::Network &n) { n.vector->weights.values[9] = -128; });
    check_refused(vectors, [](s2v::Network &n) { n.vector->weights.values.pop_back(); });
    check_refused(vectors, [](s2v::Network &n) { n.vector->planes_multiplier[5] = -1; });
    check_refused(vectors, [](s2v::Network &n) { n.vector->planes_multiplier.pop_back(); });
    check_refused(vectors, [](s2v::Network &n) { n.vector->columns_multiplier.resize(64); });
    check_refused(vectors, [](s2v::Network &n) { n.vector->bias.push_back(0); });
    check_refused(vectors, [](s2v::Network &n) { n.vector->bias[5] = std::numeric_limits<std::int64_t>::min(); });
    check_refused(vectors, [](s2v::Network &n) { n.vector->shift = 63; });
    check_refused(table, [](s2v::Network &n) { n.columns.size[7] = 0.0F; });
    check_refused(table, [](s2v::Network &n) { n.columns.low[7] = nan; });
    check_refused(table, [](s2v::Network &n) { n.columns.bins = 11; });
    check_refused(table, [](s2v::Network &n) { n.of_columns = {}; });
    // 1024 inputs of 15 bits times 127 exceed 32 bits.
    synthetic::NetworkSizes wide = {0, 0, {}, 4, 0, false, {1024, 8}, false};
    wide.extreme = true;
    CHECK_THROWS(s2v::check_network(synthetic::network(wide, 2)), s2v::Failure, caught.status() == S2V_BAD_MODEL);
}

// The 32 bits of a sum, used to their end: an output whose weights and inputs are all the largest, and its negative.
void sums_reach_their_limits() {
    synthetic::NetworkSizes sizes = {4, 5, {16}, 0, 0, false, {16}, false};
    s2v::Network network = synthetic::network(sizes, 5);
    for (std::int8_t &w : network.convolutions[0].weights.values) w = 127;
    for (std::size_t o = 0; o < 16; ++o) {
        network.convolutions[0].shift[o] = static_cast<std::uint8_t>(o % 2 ? 0 : 12);
        network.convolutions[0].bias[o] = std::numeric_limits<std::int32_t>::max() - 36 * 127 * 255;
        if (o % 4 == 3) network.convolutions[0].bias[o] = -network.convolutions[0].bias[o];
    }
    s2v::check_network(network);
    const s2v::PackedNetwork packed(network, *s2v::active_isa());
    const std::vector<float> planes(100, 1e30F);
    const std::vector<float> got = run(packed, network, planes, {}, 1, 1);
    CHECK(got[0] == synthetic::PlainNetwork(network)(planes.data(), nullptr));
}

}  // namespace

int main() {
    if (!s2v::active_isa()) {
        std::printf("this processor does not have the instruction set that SPACE2VEC_ISA names\n");
        return 77;
    }
    scores_are_those_of_the_transcription();
    vectors_are_those_of_the_transcription();
    what_cannot_be_run_is_refused();
    sums_reach_their_limits();
    return check::report();
}
