// Pixels that came over the link in 16 bits: widened where they are, six bytes of memory each.
#include "alignment.hpp"
#include "errors.hpp"
#include "packing.hpp"
#include "space2vec/cuda.h"

#include <algorithm>

namespace s2v::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMostBlocks = 1 << 16;

// Two pixels of a word a thread, where both arrays allow it.
__global__ void __launch_bounds__(kThreads)
    widen_kernel(kernel::Packing how, const std::uint16_t *packed, std::int64_t n, bool in_pairs, float *pixels) {
    const std::int64_t first = blockIdx.x * std::int64_t{kThreads} + threadIdx.x;
    const std::int64_t step = gridDim.x * std::int64_t{kThreads};
    const std::int64_t pairs = in_pairs ? n / 2 : 0;
    for (std::int64_t i = first; i < pairs; i += step) {
        const ushort2 two = reinterpret_cast<const ushort2 *>(packed)[i];
        reinterpret_cast<float2 *>(pixels)[i] = {kernel::widened_pixel(two.x, how), kernel::widened_pixel(two.y, how)};
    }
    for (std::int64_t i = 2 * pairs + first; i < n; i += step) pixels[i] = kernel::widened_pixel(packed[i], how);
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" s2v_status s2v_cuda_widen_pixels(int32_t device, void *stream, const s2v_packing *how,
                                            const uint16_t *packed, int64_t n, float *pixels) {
    return cuda::guarded_call([&] {
        const kernel::Packing checked = packing_of(how);
        require(n >= 0, "n");
        require(n == 0 || (packed && pixels), "null pointer");
        cuda::require_aligned(packed, pixels);
        if (n == 0) return;
        const cuda::OnDevice here(device);
        const bool in_pairs = reinterpret_cast<std::uintptr_t>(packed) % sizeof(ushort2) == 0 &&
                              reinterpret_cast<std::uintptr_t>(pixels) % sizeof(float2) == 0;
        const std::int64_t blocks = std::min((n + cuda::kThreads - 1) / cuda::kThreads, cuda::kMostBlocks);
        cuda::widen_kernel<<<static_cast<unsigned>(blocks), cuda::kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
            checked, packed, n, in_pairs, pixels);
        cuda::check(cudaGetLastError(), "launch");
    });
}
