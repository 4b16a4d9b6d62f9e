// Integer networks on a device: a warp takes some rows. Convolutions are products of matrices of bytes
// (kernel/matrix_tiles.hpp), whose weights each block has in its shared memory; of the layers behind them a thread has
// an output. docs/device-kernels.md says what limits it on paper; nothing of it has been measured.
#include "checks.hpp"
#include "device_model.hpp"
#include "launch.cuh"
#include "network_scratch.hpp"

namespace s2v::cuda {
namespace {

using Dot = DeviceDot;

// Copies the tensors of the convolutions to the block's memory; returns how far that is.
__device__ std::ptrdiff_t bring_near(const kernel::NetworkView &network, int bytes) {
    if (bytes == 0) return 0;
    extern __shared__ __align__(64) unsigned char memory[];
    const auto *const from = reinterpret_cast<const uint4 *>(network.convolution[0].weights);
    auto *const to = reinterpret_cast<uint4 *>(memory);
#pragma unroll 8
    for (int i = static_cast<int>(threadIdx.x); i < bytes / static_cast<int>(sizeof(uint4)); i += blockDim.x)
        to[i] = from[i];
    __syncthreads();
    return reinterpret_cast<std::intptr_t>(to) - reinterpret_cast<std::intptr_t>(from);
}

// The first map of a row. False: its planes, floats of the caller's, are not finite throughout. A function of its own,
// or the kernel spills for sm_100.
__device__ __noinline__ bool map_planes(const kernel::NetworkView &network, const RowInputs &given, std::int64_t row,
                                        std::uint32_t *map) {
    const kernel::WarpTeam team;
    const int pixels = network.side * network.side;
    if (given.bytes) {
        kernel::spread_bytes(team, network, given.bytes + row * network.planes * kernel::plane_words(pixels), map);
        return true;
    }
    const float *const planes = given.planes + row * network.planes * pixels;
    if (team.count(network.planes * pixels, [&](int i) { return !kernel::is_finite(planes[i]); }) > 0) return false;
    kernel::quantise_planes<Dot>(team, network, planes, map);
    return true;
}

__global__ void __launch_bounds__(threads_of(kNetworkWarps), 1)
    network_kernel(const __grid_constant__ kernel::NetworkView network,
                   const __grid_constant__ kernel::CalibrationView calibration, NetworkShare share,
                   const __grid_constant__ RowInputs given, float *score) {
    const int together = share.together;
    kernel::NetworkScratch scratch{};
    unsigned char *const own = warp_memory(share.bytes, share.near);
    kernel::divide_scratch<Dot>(network, together, own, scratch, together == 1);
    scratch.nearer = bring_near(network, share.near);
    auto *const made = reinterpret_cast<float *>(own + share.bytes - kScoreBytes);
    const kernel::WarpTeam team;
    const int columns = network.column.given;
    each_row((given.n + together - 1) / together, [&](std::int64_t group) {
        const std::int64_t begin = group * together;
        const int rows = static_cast<int>(given.n - begin < together ? given.n - begin : together);
        unsigned scored = 0;  // bits
        int taken = 0;
        for (int row = 0; row < rows; ++row) {
            if (given.scored && !given.scored[begin + row]) continue;
            if (network.planes > 0) {
                if (!map_planes(network, given, begin + row, scratch.map[0])) continue;
                kernel::encode_map<Dot>(team, network, taken, scratch);
            }
            if (columns > 0) {
                const float *const from = given.columns + (begin + row) * columns;
                team.for_each(columns, [&](int i) { scratch.x[i] = from[i]; });
                kernel::encode_row_columns(team, network, taken, scratch);
            }
            scored |= 1u << row;
            ++taken;
        }
        if (taken > 0) kernel::score_rows<Dot>(team, network, taken, scratch, made);
        team.for_each(rows, [&](int row) {
            float value = kernel::quiet_nan();
            if (scored >> row & 1u) value = made[__popc(scored & ((1u << row) - 1))];
            score[begin + row] = calibration.knots > 0 ? kernel::apply_calibration(calibration, value) : value;
        });
    });
}

}  // namespace

void score_network(void *stream, const DeviceNetwork &network, const kernel::CalibrationView &calibration,
                   const RowInputs &given, float *score) {
    NetworkShare share = network_share(network.view, given.n);
    // Where a multiprocessor has little shared memory, its warps need it more than the weights.
    const auto warps = [&](int near) {
        const Spread spread = spread_of(network_kernel, {share.bytes, near});
        return spread.warps * spread.resident;
    };
    if (share.near > 0 && warps(share.near) < warps(0)) share.near = 0;
    launch_warps(network_kernel, {share.bytes, share.near}, (given.n + share.together - 1) / share.together, stream,
                 network.view, calibration, share, given, score);
}

}  // namespace s2v::cuda
