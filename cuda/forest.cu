// Forests on a device: a thread takes a row, a block so many rows that the next level of the trees is still in the
// first cache when the next warp comes to it. The rows of a block are staged in shared memory, a column of theirs after
// the other, a multiple of 32 long, so that the threads of a warp, each at its own node, read from different banks:
// with an odd step three or four of them would share one at each of a thousand visits. They are written once, a warp
// four features of eight rows at a time, four threads to a bank.
//
// What limits it: a visit of a node reads 8 bytes from an address of its own, and a multiprocessor serves one such
// address a cycle. 100 trees of a depth of 12 are 1200 visits a row: on an H100 (132 multiprocessors, 1.7 GHz) at most
// 190 million rows/s from the first cache; from the second, at 32 bytes a visit and 5.5 TB/s, 140 million.
#include "device_model.hpp"
#include "kernel/math.hpp"

#include <algorithm>

namespace s2v::cuda {
namespace {

constexpr int kMostRows = 256;          // of a block
constexpr int kMostStaged = 48 * 1024;  // bytes of them; a block may have that on any device
constexpr int kRowsUnstaged = 128;      // of a block whose rows are too long to be staged
constexpr int kSharing = 4;             // threads that stage a row

// A row whose features lie `step` apart.
struct StagedRow {
    const float *first;
    int step;
    __device__ float operator[](std::uint32_t feature) const {
        return first[feature * static_cast<unsigned>(step)];
    }
};

// A row in global memory, as the forest sees it.
struct FilledRow {
    const float *row;
    const float *fill;  // (features) or null
    __device__ float operator[](std::uint32_t feature) const {
        const float x = row[feature];
        return fill && x != x ? fill[feature] : x;
    }
};

// What the forest gives for a row, by the calibration where there is one.
template <class Row>
__device__ float scored_row(const kernel::ForestView &forest, const kernel::CalibrationView &table, const Row &row) {
    const float score = kernel::forest_row(forest, row);
    return table.knots > 0 ? kernel::apply_calibration(table, score) : score;
}

__device__ bool is_scored(const RowInputs &rows, std::int64_t row) {
    return !rows.scored || rows.scored[row];
}

__global__ void __launch_bounds__(kMostRows)
    forest_kernel(kernel::ForestView forest, kernel::CalibrationView calibration, const float *fill, RowInputs given,
                  float *score) {
    extern __shared__ float staged[];
    const int rows = static_cast<int>(blockDim.x);
    const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * rows;
    const int there = static_cast<int>(given.n - begin < rows ? given.n - begin : rows);
    const int thread = static_cast<int>(threadIdx.x);
    for (int row = thread / kSharing; row < there; row += rows / kSharing) {
        const FilledRow from{given.columns + (begin + row) * forest.features, fill};
#pragma unroll 4
        for (int feature = thread % kSharing; feature < forest.features; feature += kSharing)
            staged[feature * rows + row] = from[feature];
    }
    __syncthreads();
    if (thread >= there) return;
    score[begin + thread] = is_scored(given, begin + thread)
                                ? scored_row(forest, calibration, StagedRow{staged + thread, rows})
                                : kernel::quiet_nan();
}

__global__ void __launch_bounds__(kRowsUnstaged)
    long_forest_kernel(kernel::ForestView forest, kernel::CalibrationView calibration, const float *fill,
                       RowInputs given, float *score) {
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= given.n) return;
    const FilledRow from{given.columns + row * forest.features, fill};
    score[row] = is_scored(given, row) ? scored_row(forest, calibration, from) : kernel::quiet_nan();
}

// The rows of a block that are staged, a multiple of 32; 0: they are too long.
int staged_rows(std::int32_t row_bytes) {
    return std::min(kMostStaged / row_bytes / 32 * 32, kMostRows);
}

}  // namespace

void score_forest(void *stream, const DeviceForest &forest, const kernel::CalibrationView &calibration,
                  const RowInputs &given, float *score) {
    if (given.n == 0) return;
    const auto row_bytes = static_cast<std::int32_t>(forest.features * sizeof(float));
    const int staged = staged_rows(row_bytes);
    const int rows = staged > 0 ? staged : kRowsUnstaged;
    const auto blocks = static_cast<unsigned>((given.n + rows - 1) / rows);
    const auto bytes = static_cast<std::size_t>(staged) * static_cast<std::size_t>(row_bytes);
    const auto run = staged > 0 ? forest_kernel : long_forest_kernel;
    run<<<blocks, rows, bytes, static_cast<cudaStream_t>(stream)>>>(forest.view(), calibration, forest.fill.get(),
                                                                    given, score);
    check(cudaGetLastError(), "launch");
}

}  // namespace s2v::cuda
