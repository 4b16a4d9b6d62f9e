// Forests on a device: a thread takes a row, a block so many rows that the next level of the trees is still in the
// first cache when the next warp comes to it. The rows of a block are staged in shared memory, a column of theirs after
// the other, a multiple of 32 long, so that the threads of a warp, each at its own node, read from different banks:
// with an odd step three or four of them would share one at each of a thousand visits. They are written once, a warp
// four features of eight rows at a time, four threads to a bank.
//
// What limits it: a visit of a node reads 8 bytes from an address of its own, and a multiprocessor serves one such
// address a cycle. 100 trees of a depth of 12 are 1200 visits a row: on an H100 (132 multiprocessors, 1.7 GHz) at most
// 190 million rows/s from the first cache; from the second, at 32 bytes a visit and 5.5 TB/s, 140 million.
#include "checks.hpp"
#include "device_array.hpp"
#include "forest.hpp"
#include "space2vec/cuda.h"

#include <algorithm>
#include <memory>

struct s2v_cuda_forest {
    int device;
    s2v::cuda::DeviceArray<s2v::kernel::Node> nodes;
    s2v::cuda::DeviceArray<std::int64_t> tree_start;
    s2v::cuda::DeviceArray<float> fill;  // (features) or empty
    std::int32_t features;
};

namespace s2v::cuda {
namespace {

constexpr int kMostRows = 256;          // of a block
constexpr int kMostStaged = 48 * 1024;  // bytes of them; a block may have that on any device
constexpr int kRowsUnstaged = 128;      // of a block whose rows are too long to be staged

// A row whose features lie `step` apart.
struct StagedRow {
    const float *first;
    int step;
    __device__ float operator[](std::uint32_t feature) const {
        return first[feature * static_cast<unsigned>(step)];
    }
};

// A row in global memory.
struct LongRow {
    const float *row;
    const float *fill;
    __device__ float operator[](std::uint32_t feature) const {
        const float x = row[feature];
        return fill && x != x ? fill[feature] : x;
    }
};

__global__ void __launch_bounds__(kMostRows)
    forest_kernel(kernel::ForestView forest, const float *fill, const float *x, std::int64_t n, float *score) {
    extern __shared__ float staged[];
    const int rows = static_cast<int>(blockDim.x);
    const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * rows;
    const int there = static_cast<int>(n - begin < rows ? n - begin : rows);
    const float *const block = x + begin * forest.features;
    const int thread = static_cast<int>(threadIdx.x);
    for (int row = thread / 4; row < there; row += rows / 4)
#pragma unroll 4
        for (int feature = thread % 4; feature < forest.features; feature += 4) {
            const float given = block[row * forest.features + feature];
            staged[feature * rows + row] = fill && given != given ? fill[feature] : given;
        }
    __syncthreads();
    if (thread < there) score[begin + thread] = kernel::forest_row(forest, StagedRow{staged + thread, rows});
}

__global__ void __launch_bounds__(kRowsUnstaged)
    long_forest_kernel(kernel::ForestView forest, const float *fill, const float *x, std::int64_t n, float *score) {
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row < n) score[row] = kernel::forest_row(forest, LongRow{x + row * forest.features, fill});
}

// The rows of a block that are staged, a multiple of 32; 0: they are too long.
int staged_rows(std::int32_t features) {
    const int fit = kMostStaged / static_cast<int>(features * sizeof(float)) / 32 * 32;
    return std::min(fit, kMostRows);
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" {

s2v_status s2v_cuda_forest_create(int32_t device, const s2v_forest *forest, s2v_cuda_forest **on_device) {
    return cuda::told([&] {
        require(on_device, "null pointer");
        *on_device = nullptr;
        require(forest, "null forest");
        const cuda::OnDevice here(device);
        *on_device =
            std::make_unique<s2v_cuda_forest>(s2v_cuda_forest{device, cuda::DeviceArray<kernel::Node>(forest->nodes),
                                                              cuda::DeviceArray<std::int64_t>(forest->tree_start),
                                                              cuda::DeviceArray<float>(forest->fill), forest->features})
                .release();
    });
}

void s2v_cuda_forest_free(s2v_cuda_forest *forest) {
    delete forest;
}

s2v_status s2v_cuda_forest_predict(const s2v_cuda_forest *forest, void *stream, const float *x, int64_t n,
                                   float *score) {
    return cuda::told([&] {
        require(forest && n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "forest and n");
        if (n == 0) return;
        require(x && score, "null pointer");
        const cuda::OnDevice here(forest->device);
        const kernel::ForestView view = {forest->nodes.get(), forest->tree_start.get(),
                                         static_cast<std::int32_t>(forest->tree_start.size()), forest->features};
        const int staged = cuda::staged_rows(forest->features);
        const int rows = staged > 0 ? staged : cuda::kRowsUnstaged;
        const std::size_t bytes = static_cast<std::size_t>(staged) * forest->features * sizeof(float);
        const auto blocks = static_cast<unsigned>((n + rows - 1) / rows);
        const auto run = staged > 0 ? cuda::forest_kernel : cuda::long_forest_kernel;
        run<<<blocks, rows, bytes, static_cast<cudaStream_t>(stream)>>>(view, forest->fill.get(), x, n, score);
        cuda::check(cudaGetLastError(), "launch");
    });
}

}  // extern "C"
