// A model file: the input is parsed, and what loads must predict probabilities, a forest or a network, or vectors.
#include "error.hpp"
#include "fuzz.hpp"
#include "model.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kPrefix = 8;  // the length of the JSON header

void predict_some(const s2v_model &model) {
    if (!model.forest && !model.packed) return;
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kValues[] = {0.0F, kNan, 1.5F, -kInfinity, 1e-40F, kInfinity, -2.0F};
    constexpr std::int64_t kRows = 5;
    const std::size_t columns = model.columns.size();
    std::vector<float> x(static_cast<std::size_t>(kRows) * columns);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i < columns ? kNan : kValues[i % std::size(kValues)];
    std::vector<float> planes;
    if (model.recipe) {
        const auto side = static_cast<std::size_t>(model.recipe->height);
        planes.resize(static_cast<std::size_t>(kRows * model.recipe->planes) * side * side, 3.5F);
        for (std::size_t i = 0; i < planes.size(); i += 3) planes[i] = i % 2 ? 1e30F : -1e-3F;
    }
    if (model.vector > 0) {
        std::vector<std::int8_t> vectors(static_cast<std::size_t>(kRows) * static_cast<std::size_t>(model.vector),
                                         -128);
        s2v::predict_vectors(model, planes.data(), x.data(), kRows, vectors.data(), 1);
        for (const std::int8_t number : vectors) fuzz::require(number != -128, "a vector of numbers from -127 to 127");
        return;
    }
    float score[kRows] = {};
    s2v::predict(model, planes.data(), x.data(), kRows, score, 1);
    for (const float value : score) fuzz::require(value >= 0.0F && value <= 1.0F, "a score from 0 to 1");
}

std::size_t header_length(const std::uint8_t *data, std::size_t size) {
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < kPrefix; ++i) length |= static_cast<std::uint64_t>(data[i]) << (8 * i);
    return static_cast<std::size_t>(std::min<std::uint64_t>(length, size - kPrefix));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    try {
        predict_some(s2v::parse_model({reinterpret_cast<const char *>(data), size}));
    } catch (const s2v::Failure &failure) {
        fuzz::require(failure.status() == S2V_BAD_MODEL, "a file that is refused is a bad model");
    }
    return 0;
}

// The JSON header changes its length together with the number that tells it; otherwise all would be cut at random.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t *data, std::size_t size, std::size_t room, unsigned seed) {
    if (size < kPrefix || seed % 8 == 0) return LLVMFuzzerMutate(data, size, room);
    const std::size_t length = header_length(data, size);
    std::uint8_t *tensors = data + kPrefix + length;
    if (seed % 2 == 0)
        return kPrefix + length + LLVMFuzzerMutate(tensors, size - kPrefix - length, room - kPrefix - length);
    const std::vector<std::uint8_t> tail(tensors, data + size);
    const std::size_t changed = LLVMFuzzerMutate(data + kPrefix, length, room - kPrefix - tail.size());
    for (std::size_t i = 0; i < kPrefix; ++i)
        data[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(changed) >> (8 * i));
    std::copy(tail.begin(), tail.end(), data + kPrefix + changed);
    return kPrefix + changed + tail.size();
}
