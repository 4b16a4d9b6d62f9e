// Chains of normalisers on a device. A plane that fits is staged in shared memory: whatever the steps, global memory is
// read once and written once.
//
// What limits them, on paper (nothing of it has been measured): 8 bytes a pixel, at 3 TB/s of copy bandwidth 375 G
// pixels/s on an H100. Its lanes do 29 T instructions/s (132 x 128 x 1.7 GHz): 77 a pixel. l2 and min-max take 20 and
// 30, a third of them in double, at half the rate; asinh takes some 80 and is limited by them as much as by memory. A
// median is found in about 20 passes of 4, so median and MAD take 200: 30 to 40 % of the copy bandwidth. Of planes of
// 51x51, a multiprocessor has 16 at a time; with 8 loads of 128 to 512 bytes each, more is under way than the 14
// kB that 3 TB/s need at 600 ns.
#include "alignment.hpp"
#include "checks.hpp"
#include "launch.cuh"
#include "plane_steps.hpp"
#include "space2vec/cuda.h"
#include "staging.cuh"

namespace s2v::cuda {
namespace {

// Two blocks a multiprocessor: loads under way are what counts here.
__global__ void __launch_bounds__(threads_of(kMostWarps), 2)
    normalise_kernel(s2v_planes planes, kernel::Chain chain, float fill, StepMemory memory, float *out,
                     std::uint32_t *flags) {
    unsigned char *const own = warp_memory(memory.total);
    auto &scratch = *reinterpret_cast<kernel::StepScratch *>(own + memory.plane);
    const kernel::WarpTeam team;
    const std::int64_t size = static_cast<std::int64_t>(planes.height) * planes.width;
    each_row(planes.n, [&](std::int64_t row) {
        kernel::MaskedPlane plane = kernel::plane_of(planes, row);
        float *const target = out + row * size;
        float *x = target;
        if (memory.plane > 0) {
            x = reinterpret_cast<float *>(own) + phase_of(target);
            team.sync();  // the plane before may still be read
            copy_plane(plane.pixels, plane.stride, plane.height, plane.width, x);
            team.sync();
            plane.pixels = x;
            plane.stride = plane.width;
        }
        const std::uint32_t met = kernel::normalise_plane(team, plane, chain, fill, x, scratch);
        if (threadIdx.x % kernel::kLanes == 0) flags[row] = met;
        if (memory.plane > 0) {
            team.sync();
            copy_row(x, target, static_cast<int>(size));
        }
    });
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" s2v_status s2v_cuda_normalise(int32_t device, void *stream, const s2v_planes *planes, const s2v_step *steps,
                                         int32_t step_count, float fill, float *out, uint32_t *flags) {
    return cuda::guarded_call([&] {
        check_steps(steps, step_count);
        check_planes(planes, out, flags);
        cuda::require_aligned(planes->pixels, out, flags);
        const cuda::OnDevice here(device);
        const kernel::Chain chain = kernel::chain_of(steps, step_count);
        const std::int64_t pixels = static_cast<std::int64_t>(planes->height) * planes->width;
        const cuda::StepMemory memory = cuda::step_memory(pixels, chain);
        cuda::launch_warps(cuda::normalise_kernel, memory.total, planes->n, stream, *planes, chain, fill, memory, out,
                           flags);
    });
}
