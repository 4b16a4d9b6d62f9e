// The networks' part of the parity program: what the CPU gives for made rows, and the device.
#pragma once

#include "device_array.hpp"
#include "parity.hpp"
#include "report.hpp"
#include "space2vec/cuda.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace s2v::cuda::parity {

// Noise of many sizes, values that are missing or infinite, and some rows of nothing else.
inline std::vector<float> made_values(std::size_t n, std::size_t row_length, bool planes) {
    std::vector<float> values;
    std::uint64_t state = 12345;
    for (std::size_t i = 0; i < n * row_length; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double uniform = static_cast<double>(state >> 40) / 16777216.0 - 0.5;
        const std::size_t row = i / row_length;
        const double size = row % 11 == 3 ? 1e20 : std::pow(10.0, static_cast<double>(row % 7) - 3.0);
        const bool odd = planes ? row % 97 == 5 && i % 31 == 0 : (i * 7 + row) % 23 == 0;
        const bool infinite = !planes && (i * 5 + row) % 101 == 0;
        values.push_back(odd        ? std::numeric_limits<float>::quiet_NaN()
                         : infinite ? std::numeric_limits<float>::infinity()
                                    : static_cast<float>(size * uniform));
    }
    return values;
}

inline void compare_network(const std::filesystem::path &file, std::int64_t n, Report &report) {
    s2v_model *loaded = nullptr;
    require(s2v_model_load(file.string().c_str(), &loaded));
    const std::unique_ptr<s2v_model, decltype(&s2v_model_free)> model(loaded, &s2v_model_free);
    s2v_needs needs{};
    needs.size = sizeof needs;
    require(s2v_model_needs(loaded, &needs));
    s2v_cuda_network *made = nullptr;
    require(s2v_cuda_network_create(kDevice, loaded, &made));
    const std::unique_ptr<s2v_cuda_network, decltype(&s2v_cuda_network_free)> network(made, &s2v_cuda_network_free);
    const auto rows = static_cast<std::size_t>(n);
    const auto pixels = static_cast<std::size_t>(needs.shape[0] * needs.shape[1] * needs.shape[2]);
    const std::vector<float> planes = made_values(rows, pixels, true);
    const std::vector<float> columns = made_values(rows, static_cast<std::size_t>(needs.columns), false);
    std::vector<float> expected(rows);
    require(s2v_model_predict(loaded, planes.data(), columns.data(), n, expected.data(), 0));
    const DeviceArray<float> planes_there(planes);
    const DeviceArray<float> columns_there(columns);
    DeviceArray<float> score(rows);
    score.spoil();
    const double took = milliseconds([&] {
        require(s2v_cuda_network_predict(made, nullptr, planes_there.get(), columns_there.get(), n, score.get()));
    });
    const std::string name = "network " + file.stem().string();
    report.time(name, microseconds_each(took, n));
    report.compare(name, n, 1, 0, 1, expected.data(), score.to_host().data());
}

inline void compare_networks(const std::filesystem::path &folder, Report &report) {
    for (const char *const name : {"stampnet", "tablenet"})
        compare_network(folder / (std::string(name) + ".safetensors"), 4099, report);
}

}  // namespace s2v::cuda::parity
