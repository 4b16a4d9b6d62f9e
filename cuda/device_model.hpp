// A model on a device, and the steps that its work is made of. Each step is begun on a stream of the current device.
#pragma once

#include "device_array.hpp"
#include "kernel/staged_views.hpp"
#include "model.hpp"
#include "space2vec/cuda.h"

#include <cstdint>
#include <memory>

namespace s2v::cuda {

// The trees of a model, or nothing.
struct DeviceForest {
    DeviceArray<kernel::Node> nodes;
    DeviceArray<std::int64_t> tree_start;
    DeviceArray<float> fill;  // (features) or empty
    std::int32_t features = 0;

    kernel::ForestView view() const {
        return {nodes.get(), tree_start.get(), static_cast<std::int32_t>(tree_start.size()), features};
    }
};

// The integers of a model's network, or nothing.
struct DeviceNetwork {
    DeviceArray<unsigned char> weights;
    kernel::NetworkView view{};  // of them
};

// How the columns of a model are found in a table: the stamp features of its sets, then the catalogue's.
struct ColumnPlaces {
    const std::int32_t *place;  // (columns)
    std::int32_t columns;
    std::int32_t measured;  // stamp features of the sets
};

// What a model is given of n rows.
struct RowInputs {
    const float *planes;         // (n, pixels), or null
    const std::uint32_t *bytes;  // (n, planes, plane_words): the planes as bytes, where they are not given as floats
    const float *columns;        // (n, columns), or null
    const std::uint8_t *scored;  // (n), or null: every row is scored
    std::int64_t n;
};

// Stamp features, (n, columns of the sets).
void measure_stamps(void *stream, const s2v_stamps &stamps, const kernel::Measuring &what, s2v_convention convention,
                    float *values, std::uint32_t *flags);

// Whether the planes of a recipe can be had as the bytes of an integer network.
bool gives_bytes(const ModelRecipe &recipe);

// The planes of a recipe, (n, planes, height, width), as floats or as bytes.
void prepare_stamps(void *stream, const s2v_stamps &stamps, const ModelRecipe &recipe, const kernel::ModelNeeds &needs,
                    const kernel::PlaneTarget &to, std::uint32_t *flags);

// P(real) (n) of rows, NaN where one is not scored.
void score_forest(void *stream, const DeviceForest &forest, const kernel::CalibrationView &calibration,
                  const RowInputs &rows, float *score);
void score_network(void *stream, const DeviceNetwork &network, const kernel::CalibrationView &calibration,
                   const RowInputs &rows, float *score);

// Their vectors (n, numbers) by a network of vectors, zeros where a row is not scored.
void embed_network(void *stream, const DeviceNetwork &network, const RowInputs &rows, std::int8_t *vectors);

}  // namespace s2v::cuda

struct s2v_cuda_model {
    int device = 0;
    s2v::kernel::ModelNeeds needs{};
    s2v::kernel::Measuring measuring{};
    s2v_convention convention = S2V_CONVENTION_CODE;
    std::optional<s2v::ModelRecipe> recipe;
    std::int64_t pixels = 0;  // of the planes of a row
    std::int32_t vector = 0;  // numbers of the vector that it gives; 0: it gives a score
    bool foreign = false;     // it takes columns that neither stamps nor the catalogue give
    s2v::cuda::DeviceArray<std::int32_t> place;
    s2v::cuda::DeviceArray<float> x, y;  // (knots) of the calibration, or empty
    std::optional<s2v::cuda::DeviceForest> forest;
    std::optional<s2v::cuda::DeviceNetwork> network;  // neither: a network of floats alone
    std::unique_ptr<s2v_cuda_model> first;            // of a cascade
    s2v::kernel::Doubt doubt{};
};

namespace s2v::cuda {

// Copies a model to a device: allocates there and waits for the copy.
std::unique_ptr<s2v_cuda_model> copy_model(int device, const s2v_model &model);

}  // namespace s2v::cuda
