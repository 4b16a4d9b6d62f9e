// The stamp features on a device.
//
// What limits them, on paper (nothing of it has been measured): a triplet of 51x51 is 31 kB to read, which an H100
// (3.3 TB/s) could do 107 million times a second; it is instructions that count. The eighteen take some 100,000 of a
// warp's, half of them the fit, both sets some 190,000. 132 multiprocessors that issue 4 a clock of 1.7 GHz could do 9
// and 4.7 million triplets/s, were an instruction issued every time. But 8 warps, which is what 28 kB of scratch each
// and two warps a register file allow, are two for each scheduler to choose from, and most instructions wait for the
// one before: a third to a half of that is to be expected. Of a GPU with few units for double, the sums in double are
// the limit.
#include "checks.hpp"
#include "kernel/stamp_features.hpp"
#include "launch.cuh"
#include "space2vec/cuda.h"

namespace s2v::cuda {
namespace {

__global__ void __launch_bounds__(kMostThreads, 1)
    features_kernel(s2v_stamps stamps, int sets, kernel::Convention convention, float *values, std::uint32_t *flags) {
    auto &scratch = warp_scratch<kernel::FeatureScratch>(static_cast<int>(kernel::feature_scratch(sets)));
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met = kernel::stamp_features(kernel::WarpTeam(), triplet, sets, convention,
                                                         values + row * kernel::set_columns(sets), scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" s2v_status s2v_cuda_features(int32_t device, void *stream, const s2v_stamps *stamps, int32_t sets,
                                        int32_t convention, float *values, uint32_t *flags) {
    return cuda::told([&] {
        require(kernel::set_columns(sets) > 0, "sets");
        require(convention == S2V_CONVENTION_CODE || convention == S2V_CONVENTION_PAPER, "convention");
        check_batch(stamps, values, flags);
        const cuda::OnDevice here(device);
        const auto how = convention == S2V_CONVENTION_PAPER ? kernel::Convention::kPaper : kernel::Convention::kCode;
        cuda::launch_warps(cuda::features_kernel, static_cast<int>(kernel::feature_scratch(sets)), stamps->n, stream,
                           *stamps, sets, how, values, flags);
    });
}
