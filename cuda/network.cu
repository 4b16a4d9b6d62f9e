// Integer networks on a device: a warp takes one row after another, an output of a layer a thread.
#include "checks.hpp"
#include "device_array.hpp"
#include "kernel/network.hpp"
#include "launch.cuh"
#include "model.hpp"
#include "space2vec/cuda.h"

#include <cstddef>
#include <memory>

struct s2v_cuda_network {
    int device;
    s2v::cuda::DeviceArray<unsigned char> weights;
    s2v::kernel::NetworkView view;       // of them
    s2v::cuda::DeviceArray<float> x, y;  // (knots) of the calibration, or empty
    int scratch;                         // bytes a warp
    std::int64_t pixels;                 // a row
};

namespace s2v::cuda {
namespace {

using Dot = kernel::PlainDot<1>;

__global__ void __launch_bounds__(threads_of(kMostWarps), 1)
    network_kernel(const __grid_constant__ kernel::NetworkView network, kernel::CalibrationView calibration, int bytes,
                   std::int64_t pixels, const float *planes, const float *columns, std::int64_t n, float *score) {
    kernel::NetworkScratch scratch{};
    kernel::divide_scratch<Dot>(network, 1, warp_memory(bytes), scratch);
    const kernel::WarpTeam team;
    each_row(n, [&](std::int64_t row) {
        bool finite = true;
        if (network.planes > 0) {
            const float *const own = planes + row * pixels;
            kernel::look_at_planes<Dot>(team, network, own, 0, scratch);
            finite = team.count(static_cast<int>(pixels), [&](int i) { return !kernel::is_finite(own[i]); }) == 0;
        }
        if (network.column.given > 0) {
            const float *const own = columns + row * network.column.given;
            team.for_each(network.column.given, [&](int i) { scratch.x[i] = own[i]; });
            kernel::look_at_columns(team, network, 0, scratch);
        }
        kernel::judge_rows<Dot>(team, network, 1, scratch, score + row);
        if (calibration.knots > 0)
            team.for_each(1, [&](int) { score[row] = kernel::calibrated(calibration, score[row]); });
        if (!finite) team.for_each(1, [&](int) { score[row] = kernel::quiet_nan(); });
    });
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" {

s2v_status s2v_cuda_network_create(int32_t device, const s2v_model *model, s2v_cuda_network **on_device) {
    return cuda::told([&] {
        require(on_device, "null pointer");
        *on_device = nullptr;
        require(model, "null model");
        if (!model->network) throw Failure(S2V_BAD_MODEL, "the model is no network in integers");
        const PackedNetwork packed(*model->network, cuda::Dot::kGroup);
        const cuda::OnDevice here(device);
        const auto *const bytes = reinterpret_cast<const unsigned char *>(packed.bytes().data());
        auto made = std::make_unique<s2v_cuda_network>(s2v_cuda_network{
            device,
            cuda::DeviceArray<unsigned char>(std::vector<unsigned char>(bytes, bytes + packed.bytes().size())),
            {},
            cuda::DeviceArray<float>(model->calibration.x),
            cuda::DeviceArray<float>(model->calibration.y),
            0,
            0});
        made->view = packed.view_at(reinterpret_cast<const std::byte *>(made->weights.get()));
        kernel::NetworkScratch scratch{};
        made->scratch = static_cast<int>(kernel::divide_scratch<cuda::Dot>(made->view, 1, nullptr, scratch));
        made->pixels = std::int64_t{made->view.planes} * made->view.side * made->view.side;
        *on_device = made.release();
    });
}

void s2v_cuda_network_free(s2v_cuda_network *network) {
    delete network;
}

s2v_status s2v_cuda_network_predict(const s2v_cuda_network *network, void *stream, const float *planes,
                                    const float *columns, int64_t n, float *score) {
    return cuda::told([&] {
        require(network && n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "network and n");
        if (n == 0) return;
        require(score && (planes || network->pixels == 0) && (columns || network->view.column.given == 0),
                "null pointer");
        const cuda::OnDevice here(network->device);
        const kernel::CalibrationView table = {network->x.get(), network->y.get(),
                                               static_cast<std::int32_t>(network->x.size())};
        cuda::launch_warps(cuda::network_kernel, network->scratch, n, stream, network->view, table, network->scratch,
                           network->pixels, planes, columns, n, score);
    });
}

}  // extern "C"
