// Integer networks on a device: a warp takes some rows. Convolutions are products of matrices of bytes
// (kernel/matrix_tiles.hpp), of the layers behind them a thread has an output.
//
// What limits it, on paper (nothing of it has been measured): a stamp of stampnet takes 384 products of matrices, of
// which a multiprocessor of an H100 does one in one or two cycles; to make bytes of its pixels, to load what is
// multiplied and to requantise what comes out takes many times as many instructions. The weights of the linear layers
// are read once for kTogether rows.
#include "checks.hpp"
#include "device_model.hpp"
#include "launch.cuh"
#include "network_scratch.hpp"

namespace s2v::cuda {
namespace {

using Dot = DeviceDot;

__global__ void __launch_bounds__(threads_of(kMostWarps), 1)
    network_kernel(const __grid_constant__ kernel::NetworkView network, kernel::CalibrationView calibration, int bytes,
                   int together, RowInputs given, float *score) {
    kernel::NetworkScratch scratch{};
    unsigned char *const own = warp_memory(bytes);
    kernel::divide_scratch<Dot>(network, together, own, scratch);
    auto *const made = reinterpret_cast<float *>(own + bytes - kScoreBytes);
    const kernel::WarpTeam team;
    const int pixels = network.planes * network.side * network.side;
    const int columns = network.column.given;
    each_row((given.n + together - 1) / together, [&](std::int64_t group) {
        const std::int64_t begin = group * together;
        const int rows = static_cast<int>(given.n - begin < together ? given.n - begin : together);
        unsigned scored = 0;  // bits
        int taken = 0;
        for (int row = 0; row < rows; ++row) {
            if (given.scored && !given.scored[begin + row]) continue;
            if (pixels > 0) {
                const float *const planes = given.planes + (begin + row) * pixels;
                if (team.count(pixels, [&](int i) { return !kernel::is_finite(planes[i]); }) > 0) continue;
                kernel::look_at_planes<Dot>(team, network, planes, taken, scratch);
            }
            if (columns > 0) {
                const float *const from = given.columns + (begin + row) * columns;
                team.for_each(columns, [&](int i) { scratch.x[i] = from[i]; });
                kernel::look_at_columns(team, network, taken, scratch);
            }
            scored |= 1u << row;
            ++taken;
        }
        if (taken > 0) kernel::judge_rows<Dot>(team, network, taken, scratch, made);
        team.for_each(rows, [&](int row) {
            float value = kernel::quiet_nan();
            if (scored >> row & 1u) value = made[__popc(scored & ((1u << row) - 1))];
            score[begin + row] = calibration.knots > 0 ? kernel::calibrated(calibration, value) : value;
        });
    });
}

}  // namespace

void score_network(void *stream, const DeviceNetwork &network, const kernel::CalibrationView &calibration,
                   const RowInputs &given, float *score) {
    const NetworkShare share = network_share(network.view, given.n);
    launch_warps(network_kernel, share.bytes, (given.n + share.together - 1) / share.together, stream, network.view,
                 calibration, share.bytes, share.together, given, score);
}

}  // namespace s2v::cuda
