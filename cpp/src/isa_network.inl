// The kernels of integer networks for one instruction set.
#include "isa.hpp"
#include "isa_symbol.hpp"
#include "kernel/host_team.hpp"
#include "kernel/network.hpp"

namespace {

using namespace s2v::kernel;

NetworkScratch scratch_in(const NetworkView &network, int rows, void *memory) {
    NetworkScratch scratch{};
    divide_scratch<HostDot>(network, rows, static_cast<unsigned char *>(memory), scratch);
    return scratch;
}

std::size_t bytes(const NetworkView *network, int32_t rows) {
    NetworkScratch scratch{};
    return divide_scratch<HostDot>(*network, rows, nullptr, scratch);
}

void encode_row(const NetworkView *network, const float *planes, int32_t row, int32_t rows, void *memory) {
    encode_planes<HostDot>(HostTeam(), *network, planes, row, scratch_in(*network, rows, memory));
}

void encode_block_columns(const NetworkView *network, const float *columns, int32_t rows,
                          const NetworkScratch &scratch) {
    const int given = network->column.given;
    const HostTeam team;
    for (int row = 0; row < rows && given > 0; ++row) {
        const float *const from = columns + static_cast<int64_t>(row) * given;
        team.for_each(given, [&](int i) { scratch.x[i] = from[i]; });
        encode_row_columns(team, *network, row, scratch);
    }
}

void score_block(const NetworkView *network, const float *columns, int32_t rows, float *score, void *memory,
                 int32_t most) {
    const NetworkScratch scratch = scratch_in(*network, most, memory);
    encode_block_columns(network, columns, rows, scratch);
    score_rows<HostDot>(HostTeam(), *network, rows, scratch, score);
}

void embed_block(const NetworkView *network, const float *columns, int32_t rows, int8_t *vectors, void *memory,
                 int32_t most) {
    const NetworkScratch scratch = scratch_in(*network, most, memory);
    encode_block_columns(network, columns, rows, scratch);
    embed_rows<HostDot>(HostTeam(), *network, rows, scratch, vectors);
}

}  // namespace

extern "C" const s2v_network_kernels S2V_ISA_SYMBOL(network) = {HostDot::kGroup, HostDot::kPacked, bytes,
                                                                encode_row,      score_block,      embed_block};
