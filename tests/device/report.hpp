// What the parity program has compared and timed: told as it comes, and written as JSON.
#pragma once

#include "space2vec/cuda.h"
#include "spread.hpp"
#include "suite.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace s2v::cuda {

struct Result {
    std::string name;
    std::int64_t rows;
    std::int64_t differing;
};

class Report {
public:
    // Compares a column of k values a row, bit by bit.
    void compare(const std::string &name, std::int64_t rows, std::int64_t stride, std::int64_t begin, std::int64_t k,
                 const void *expected, const void *got) {
        std::int64_t differing = 0;
        std::int64_t first = -1;
        for (std::int64_t row = 0; row < rows; ++row) {
            const std::int64_t at = (row * stride + begin) * 4;
            if (std::memcmp(static_cast<const char *>(expected) + at, static_cast<const char *>(got) + at,
                            static_cast<std::size_t>(k) * 4) == 0)
                continue;
            ++differing;
            if (first < 0) first = row;
        }
        std::printf("%-32s %8lld rows %8lld differing\n", name.c_str(), static_cast<long long>(rows),
                    static_cast<long long>(differing));
        if (first >= 0) show(first, first * stride + begin, k, expected, got);
        results_.push_back({name, rows, differing});
    }
    void time(const std::string &name, double microseconds) {
        std::printf("%-32s %.3f us a row\n", name.c_str(), microseconds);
        times_.emplace_back(name, microseconds);
    }
    // Whether all is equal.
    bool finish() const {
        std::printf("%lld passed, %lld failed\n", static_cast<long long>(results_.size()) - failed(), failed());
        return failed() == 0 && !results_.empty();
    }
    void write(const char *path, const s2v_cuda_properties &device, int runtime, int driver) const {
        std::FILE *const file = std::fopen(path, "w");
        if (!file) throw SuiteError(std::string(path) + ": cannot be written");
        std::fprintf(file, "{\"device\": \"%s\", \"compute_capability\": \"%d.%d\", \"cuda_driver\": %d, ", device.name,
                     device.compute_capability_major, device.compute_capability_minor, driver);
        std::fprintf(file, "\"cuda_runtime\": %d, \"space2vec\": \"%s\", ", runtime, S2V_VERSION);
        std::fprintf(file, "\"passed\": %lld, \"failed\": %lld,\n \"results\": [",
                     static_cast<long long>(results_.size()) - failed(), failed());
        for (std::size_t i = 0; i < results_.size(); ++i)
            std::fprintf(file, "%s\n  {\"name\": \"%s\", \"rows\": %lld, \"differing\": %lld}", i ? "," : "",
                         results_[i].name.c_str(), static_cast<long long>(results_[i].rows),
                         static_cast<long long>(results_[i].differing));
        std::fprintf(file, "],\n \"microseconds_a_row\": {");
        for (std::size_t i = 0; i < times_.size(); ++i)
            std::fprintf(file, "%s\"%s\": %.4f", i ? ", " : "", times_[i].first.c_str(), times_[i].second);
        std::fprintf(file, "},\n \"spread\": [");
        const std::vector<NotedSpread> spreads = noted_spreads().all();
        for (std::size_t i = 0; i < spreads.size(); ++i) {
            const NotedSpread &of = spreads[i];
            std::fprintf(file,
                         "%s\n  {\"kernel\": \"%s\", \"bytes_a_warp\": %d, \"shared_size_bytes\": %zu, "
                         "\"registers\": %d, \"local_bytes\": %zu, \"warps_a_block\": %d, "
                         "\"blocks_a_multiprocessor\": %d, \"multiprocessors\": %d, \"available_bytes\": %d}",
                         i ? "," : "", of.kernel.c_str(), of.bytes, of.own.sharedSizeBytes, of.own.numRegs,
                         of.own.localSizeBytes, of.spread.warps, of.spread.resident, of.spread.multiprocessors,
                         of.spread.available);
        }
        const bool written = std::fprintf(file, "]}\n") > 0;
        if (std::fclose(file) != 0 || !written) throw SuiteError(std::string(path) + ": cannot be written");
    }

private:
    long long failed() const {
        return std::count_if(results_.begin(), results_.end(), [](const Result &r) { return r.differing > 0; });
    }
    static void show(std::int64_t row, std::int64_t begin, std::int64_t k, const void *expected, const void *got) {
        for (std::int64_t i = begin; i < begin + k; ++i) {
            std::uint32_t bits[2];
            std::memcpy(&bits[0], static_cast<const char *>(expected) + i * 4, 4);
            std::memcpy(&bits[1], static_cast<const char *>(got) + i * 4, 4);
            if (bits[0] == bits[1]) continue;
            float value[2];
            std::memcpy(value, bits, sizeof value);
            std::printf("    row %lld, value %lld: expected %08x (%.9g), got %08x (%.9g)\n",
                        static_cast<long long>(row), static_cast<long long>(i - begin), bits[0],
                        static_cast<double>(value[0]), bits[1], static_cast<double>(value[1]));
            return;
        }
    }

    std::vector<Result> results_;
    std::vector<std::pair<std::string, double>> times_;
};

}  // namespace s2v::cuda
