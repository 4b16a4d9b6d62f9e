// The stamp features on a device.
//
// What limits them, on paper (nothing of it has been measured): a triplet of 51x51 is 31 kB to read, which an H100
// (3.3 TB/s) could do 107 million times a second; it is instructions that count. The eighteen take some 100,000 of a
// warp's, a third of them the fit and a third LACOSMIC, both sets some 200,000. 132 multiprocessors that issue 4 a
// clock of 1.7 GHz could do 9 and 4.5 million triplets/s, were an instruction issued every time; a quarter goes to
// shared memory and between the threads, which at one a clock sets the same limit. But most instructions wait for the
// one before: with the 8 warps for which there are registers, a scheduler has two to choose from; of the set autoscan,
// whose code takes fewer, 12 warps have room, three a scheduler. A third to a half of the limit is to be expected, of
// autoscan a half: 4.5 and 1.6 to 2.4 million triplets/s. Of a GPU with few units for double, the sums in double are
// the limit.
#include "alignment.hpp"
#include "checks.hpp"
#include "device_model.hpp"
#include "kernel/stamp_features.hpp"
#include "launch.cuh"
#include "space2vec/cuda.h"

namespace s2v::cuda {
namespace {

// The scratch of twelve warps of the set autoscan fits into the shared memory of an H100, and what they do into 168
// registers.
constexpr int feature_warps(int sets) {
    return sets == kernel::kAutoscanSet ? kernel::kMostLeanWarps : kMostWarps;
}

template <int Sets>
__global__ void __launch_bounds__(threads_of(feature_warps(Sets)), 1)
    features_kernel(s2v_stamps stamps, kernel::Measuring what, kernel::Convention convention, float *values,
                    std::uint32_t *flags) {
    what.sets = Sets;  // known to the compiler
    auto &scratch = warp_scratch<kernel::FeatureScratch>(static_cast<int>(kernel::feature_scratch(Sets)));
    each_row(stamps.n, [&](std::int64_t row) {
        const kernel::Triplet triplet = triplet_within(stamps, row, kLargestStampSide);
        const std::uint32_t met = kernel::stamp_features(kernel::WarpTeam(), triplet, what, convention,
                                                         values + row * kernel::set_columns(Sets), scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
    });
}

template <int Sets>
void launch_features(void *stream, const s2v_stamps &stamps, const kernel::Measuring &what,
                     kernel::Convention convention, float *values, std::uint32_t *flags) {
    launch_warps(features_kernel<Sets>, static_cast<int>(kernel::feature_scratch(Sets)), stamps.n, stream, stamps, what,
                 convention, values, flags);
}

}  // namespace

void measure_stamps(void *stream, const s2v_stamps &stamps, const kernel::Measuring &what, s2v_convention convention,
                    float *values, std::uint32_t *flags) {
    const auto how = convention == S2V_CONVENTION_PAPER ? kernel::Convention::kPaper : kernel::Convention::kCode;
    const auto launch = what.sets == kernel::kAutoscanSet ? launch_features<kernel::kAutoscanSet>
                        : what.sets == kernel::kS2vSet    ? launch_features<kernel::kS2vSet>
                                                          : launch_features<kernel::kAutoscanSet | kernel::kS2vSet>;
    launch(stream, stamps, what, how, values, flags);
}

}  // namespace s2v::cuda

using namespace s2v;

extern "C" s2v_status s2v_cuda_features(int32_t device, void *stream, const s2v_stamps *stamps, int32_t sets,
                                        int32_t convention, float *values, uint32_t *flags) {
    return cuda::guarded_call([&] {
        require(kernel::set_columns(sets) > 0, "sets");
        require(convention == S2V_CONVENTION_CODE || convention == S2V_CONVENTION_PAPER, "convention");
        check_batch(stamps, values, flags);
        cuda::require_aligned(*stamps, values, flags);
        const cuda::OnDevice here(device);
        cuda::measure_stamps(stream, *stamps, kernel::measure_all(sets), static_cast<s2v_convention>(convention),
                             values, flags);
    });
}
