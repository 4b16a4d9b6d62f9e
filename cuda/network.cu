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

// Encodes what is given of a row, which is number `taken` of its group. False: it has no score.
__device__ __forceinline__ bool encode_row(const kernel::NetworkView &network, const RowInputs &given, std::int64_t row,
                                           int taken, const kernel::NetworkScratch &scratch) {
    const kernel::WarpTeam team;
    const int columns = network.column.given;
    if (given.scored && !given.scored[row]) return false;
    if (network.planes > 0) {
        if (!map_planes(network, given, row, scratch.map[0])) return false;
        kernel::encode_map<Dot>(team, network, taken, scratch);
    }
    if (columns > 0) {
        const float *const from = given.columns + row * columns;
        team.for_each(columns, [&](int i) { scratch.x[i] = from[i]; });
        kernel::encode_row_columns(team, network, taken, scratch);
    }
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
    each_row((given.n + together - 1) / together, [&](std::int64_t group) {
        const std::int64_t begin = group * together;
        const int rows = static_cast<int>(given.n - begin < together ? given.n - begin : together);
        unsigned scored = 0;  // bits
        int taken = 0;
        for (int row = 0; row < rows; ++row) {
            if (!encode_row(network, given, begin + row, taken, scratch)) continue;
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

// A row's vector by its means and codes. A function of its own, or the kernel spills for sm_120.
__device__ __noinline__ void embed_row(const kernel::NetworkView &network, const kernel::NetworkScratch &scratch,
                                       std::int8_t *vector) {
    const kernel::WarpTeam team;
    kernel::embed_rows<Dot>(team, network, 1, scratch, vector);
}

// The vectors of rows, one row at a time: a network of vectors takes planes.
__global__ void __launch_bounds__(threads_of(kNetworkWarps), 1)
    vector_kernel(const __grid_constant__ kernel::NetworkView network, NetworkShare share,
                  const __grid_constant__ RowInputs given, std::int8_t *vectors) {
    kernel::NetworkScratch scratch{};
    kernel::divide_scratch<Dot>(network, 1, warp_memory(share.bytes, share.near), scratch, true);
    scratch.nearer = bring_near(network, share.near);
    const kernel::WarpTeam team;
    each_row(given.n, [&](std::int64_t row) {
        std::int8_t *const to = vectors + row * network.vector;
        if (encode_row(network, given, row, 0, scratch))
            embed_row(network, scratch, to);
        else
            team.for_each(network.vector, [&](int k) { to[k] = 0; });
    });
}

// How a kernel's rows are spread. Where a multiprocessor has little shared memory, its warps need it more than the
// weights.
template <class Kernel>
NetworkShare share_of(Kernel of, const kernel::NetworkView &view, std::int64_t n) {
    NetworkShare share = network_share(view, n);
    const auto warps = [&](int near) {
        const Spread spread = spread_of(of, {share.bytes, near});
        return spread.warps * spread.resident;
    };
    if (share.near > 0 && warps(share.near) < warps(0)) share.near = 0;
    return share;
}

}  // namespace

void embed_network(void *stream, const DeviceNetwork &network, const RowInputs &given, std::int8_t *vectors) {
    const NetworkShare share = share_of(vector_kernel, network.view, given.n);
    launch_warps(vector_kernel, {share.bytes, share.near}, given.n, stream, network.view, share, given, vectors);
}

void score_network(void *stream, const DeviceNetwork &network, const kernel::CalibrationView &calibration,
                   const RowInputs &given, float *score) {
    const NetworkShare share = share_of(network_kernel, network.view, given.n);
    launch_warps(network_kernel, {share.bytes, share.near}, (given.n + share.together - 1) / share.together, stream,
                 network.view, calibration, share, given, score);
}

}  // namespace s2v::cuda
