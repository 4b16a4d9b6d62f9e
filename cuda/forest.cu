// Forests on a device: a thread takes a row, a block so many rows that the next level of the trees is still in the
// first cache when the next warp comes to it. The rows of a block are staged in shared memory, a column of theirs after
// the other, a multiple of 32 long, so that the threads of a warp, each at its own node, read from different banks:
// with an odd step three or four of them would share one at each of a thousand visits. They are written once, a warp
// four features of eight rows at a time, four threads to a bank; what is not a feature of the forest is not read.
//
// What limits it: a visit of a node reads 8 bytes from an address of its own, and a multiprocessor serves one such
// address a cycle. 100 trees of a depth of 12 are 1200 visits a row: on an H100 (132 multiprocessors, 1.7 GHz) at most
// 190 million rows/s from the first cache; from the second, at 32 bytes a visit and 5.5 TB/s, 140 million.
#include "checks.hpp"
#include "device_array.hpp"
#include "forest.hpp"
#include "kernel/math.hpp"
#include "kernel/row_rule.hpp"
#include "space2vec/cuda.h"

#include <algorithm>
#include <memory>

struct s2v_cuda_forest {
    int device;
    s2v::cuda::DeviceArray<s2v::kernel::Node> nodes;
    s2v::cuda::DeviceArray<std::int64_t> tree_start;
    s2v::cuda::DeviceArray<float> fill;            // (features) or empty
    s2v::cuda::DeviceArray<std::int32_t> columns;  // (features) or empty
    s2v::cuda::DeviceArray<float> x, y;            // (knots) of the calibration, or empty
    std::int32_t features;
    std::int32_t widest;  // columns that a table has at least
};

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

// How the forest takes a table.
struct Columns {
    const std::int32_t *column;  // (features) or null: in order
    const float *fill;           // (features) or null
};

// What a row has at all: a value, and one in the columns beside the table, which are the catalogue's.
constexpr unsigned kValue = kernel::kAnyValue;
constexpr unsigned kValueBeside = kernel::kCatalogueValue;

// A row in global memory.
struct GivenRow {
    const float *row;
    const float *beside;  // or null
    int width;            // of the row
    Columns columns;

    __device__ GivenRow(const s2v_cuda_table &table, std::int64_t at, Columns how)
        : row(table.values + at * table.columns),
          beside(table.beside ? table.beside + at * table.beside_columns : nullptr),
          width(table.columns),
          columns(how) {}
    // The value that the forest sees; adds to `met` what it was.
    __device__ float value(std::uint32_t feature, unsigned &met) const {
        const int which = columns.column ? columns.column[feature] : static_cast<int>(feature);
        const bool within = which < width;
        const float x = within ? row[which] : beside ? beside[which - width] : kernel::quiet_nan();
        if (x == x) met |= within ? kValue : kValue | kValueBeside;
        return columns.fill && x != x ? columns.fill[feature] : x;
    }
    __device__ float operator[](std::uint32_t feature) const {
        unsigned met = 0;
        return value(feature, met);
    }
};

// What the forest gives for a row, by the calibration where there is one.
template <class Row>
__device__ float scored_row(const kernel::ForestView &forest, const kernel::CalibrationView &table, const Row &row) {
    const float score = kernel::forest_row(forest, row);
    return table.knots > 0 ? kernel::calibrated(table, score) : score;
}

// The flags of a row that the reader and the kernels have raised.
__device__ std::uint32_t flags_of(const s2v_cuda_table &table, std::int64_t row) {
    if (!table.raised) return table.flags[row];
    const std::int64_t *const offset = table.offset ? table.offset + 3 * row : nullptr;
    const bool absent = offset && (offset[0] < 0 || offset[1] < 0 || offset[2] < 0);
    return kernel::joined_flags(table.raised[row], table.flags[row], absent ? 1u : 0u);
}

// Whether a row is scored in which so much was met; writes its flags. Rows without flags always are.
__device__ bool judged(const s2v_cuda_table &table, std::int64_t row, unsigned met) {
    if (!table.flags) return true;
    const std::uint32_t flags = flags_of(table, row);
    const kernel::ModelNeeds needs = {0, 0, 0, true, table.beside_needed != 0};
    const kernel::Verdict verdict = kernel::judge_columns(needs, {flags, (flags & table.refusing) == 0}, met);
    table.flags[row] = verdict.flags;
    return verdict.scored;
}

__global__ void __launch_bounds__(kMostRows)
    forest_kernel(kernel::ForestView forest, kernel::CalibrationView calibration, Columns columns, s2v_cuda_table table,
                  float *score) {
    extern __shared__ float staged[];
    const int rows = static_cast<int>(blockDim.x);
    const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * rows;
    const int there = static_cast<int>(table.n - begin < rows ? table.n - begin : rows);
    // What each thread met in its share of a row: four bytes a row, behind the features.
    auto *const shares = reinterpret_cast<unsigned char *>(staged + forest.features * rows);
    const int thread = static_cast<int>(threadIdx.x);
    for (int row = thread / kSharing; row < there; row += rows / kSharing) {
        const GivenRow given(table, begin + row, columns);
        unsigned met = 0;
#pragma unroll 4
        for (int feature = thread % kSharing; feature < forest.features; feature += kSharing)
            staged[feature * rows + row] = given.value(feature, met);
        shares[row * kSharing + thread % kSharing] = static_cast<unsigned char>(met);
    }
    __syncthreads();
    if (thread >= there) return;
    unsigned met = 0;
    for (int i = 0; i < kSharing; ++i) met |= shares[thread * kSharing + i];
    const bool scored = judged(table, begin + thread, met);
    score[begin + thread] =
        scored ? scored_row(forest, calibration, StagedRow{staged + thread, rows}) : kernel::quiet_nan();
}

__global__ void __launch_bounds__(kRowsUnstaged)
    long_forest_kernel(kernel::ForestView forest, kernel::CalibrationView calibration, Columns columns,
                       s2v_cuda_table table, float *score) {
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= table.n) return;
    const GivenRow given(table, row, columns);
    const unsigned wanted = table.beside_needed ? kValue | kValueBeside : kValue;
    unsigned met = table.flags ? 0 : wanted;  // else nobody asks
    for (int feature = 0; feature < forest.features && (met & wanted) != wanted; ++feature) given.value(feature, met);
    score[row] = judged(table, row, met) ? scored_row(forest, calibration, given) : kernel::quiet_nan();
}

// The rows of a block that are staged, a multiple of 32; 0: they are too long.
int staged_rows(std::int32_t row_bytes) {
    return std::min(kMostStaged / row_bytes / 32 * 32, kMostRows);
}

void launch(const s2v_cuda_forest &forest, Columns columns, const s2v_cuda_table &table, void *stream, float *score) {
    const OnDevice here(forest.device);
    const kernel::ForestView view = {forest.nodes.get(), forest.tree_start.get(),
                                     static_cast<std::int32_t>(forest.tree_start.size()), forest.features};
    const kernel::CalibrationView calibration = {forest.x.get(), forest.y.get(),
                                                 static_cast<std::int32_t>(forest.x.size())};
    const auto row_bytes = static_cast<std::int32_t>(forest.features * sizeof(float) + kSharing);
    const int staged = staged_rows(row_bytes);
    const int rows = staged > 0 ? staged : kRowsUnstaged;
    const auto blocks = static_cast<unsigned>((table.n + rows - 1) / rows);
    const auto bytes = static_cast<std::size_t>(staged) * static_cast<std::size_t>(row_bytes);
    const auto run = staged > 0 ? forest_kernel : long_forest_kernel;
    run<<<blocks, rows, bytes, static_cast<cudaStream_t>(stream)>>>(view, calibration, columns, table, score);
    check(cudaGetLastError(), "launch");
}

}  // namespace
}  // namespace s2v::cuda

using namespace s2v;

extern "C" {

s2v_status s2v_cuda_forest_create(int32_t device, const s2v_forest *forest, const int32_t *columns,
                                  s2v_cuda_forest **on_device) {
    return cuda::told([&] {
        require(on_device, "null pointer");
        *on_device = nullptr;
        require(forest, "null forest");
        std::vector<std::int32_t> own;
        if (columns) own.assign(columns, columns + forest->features);
        std::int32_t widest = columns ? 0 : forest->features;
        for (const std::int32_t column : own) {
            require(column >= 0 && column < std::numeric_limits<std::int32_t>::max(), "column of a feature");
            widest = std::max(widest, column + 1);
        }
        const cuda::OnDevice here(device);
        *on_device = std::make_unique<s2v_cuda_forest>(
                         s2v_cuda_forest{device, cuda::DeviceArray<kernel::Node>(forest->nodes),
                                         cuda::DeviceArray<std::int64_t>(forest->tree_start),
                                         cuda::DeviceArray<float>(forest->fill), cuda::DeviceArray<std::int32_t>(own),
                                         cuda::DeviceArray<float>(forest->calibration.x),
                                         cuda::DeviceArray<float>(forest->calibration.y), forest->features, widest})
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
        const s2v_cuda_table rows = {x, forest->features, n, nullptr, nullptr, nullptr, 0, nullptr, 0, 0};
        cuda::launch(*forest, {nullptr, forest->fill.get()}, rows, stream, score);
    });
}

s2v_status s2v_cuda_forest_score(const s2v_cuda_forest *forest, void *stream, const s2v_cuda_table *table,
                                 float *score) {
    return cuda::told([&] {
        require(forest && table && table->n >= 0 && table->n <= std::numeric_limits<std::int32_t>::max(),
                "forest, table and n");
        require(table->columns >= 0 && table->beside_columns >= 0 &&
                    std::int64_t{table->columns} + table->beside_columns >= forest->widest,
                "the table has too few columns for the forest");
        if (table->n == 0) return;
        require(table->values && table->flags && score, "null pointer");
        cuda::launch(*forest, {forest->columns.get(), forest->fill.get()}, *table, stream, score);
    });
}

}  // extern "C"
