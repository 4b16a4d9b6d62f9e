// space2vec_parity: does the device give the bits of the CPU?
//
//     space2vec_parity DIR [--json FILE]
//
// DIR holds the suite that tests/parity/suite.py exports. Exit status: 0 every bit is equal; 1 some differ; 2 the suite
// cannot be read or a CUDA call failed; 77 there is no device here.
#include "device_array.hpp"
#include "kernel/feature_sets.hpp"
#include "space2vec/cuda.h"
#include "suite.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>

namespace {

using namespace s2v;
using cuda::check;
using cuda::DeviceArray;

constexpr int kEqual = 0;
constexpr int kDiffers = 1;
constexpr int kFailed = 2;
constexpr int kNoDevice = 77;

// Of the device that the suite runs on.
constexpr int kDevice = 0;

void require(s2v_status status) {
    if (status != S2V_OK) throw Failure(status, s2v_cuda_message());
}

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
    int finish() const {
        std::printf("%lld passed, %lld failed\n", static_cast<long long>(results_.size()) - failed(), failed());
        return failed() == 0 && !results_.empty() ? kEqual : kDiffers;
    }
    void write(const char *path, const s2v_cuda_properties &device) const {
        std::FILE *const file = std::fopen(path, "w");
        if (!file) throw cuda::SuiteError(std::string(path) + ": cannot be written");
        int driver = 0;
        int runtime = 0;
        require(s2v_cuda_versions(&runtime, &driver));
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
        const bool written = std::fprintf(file, "}}\n") > 0;
        if (std::fclose(file) != 0 || !written) throw cuda::SuiteError(std::string(path) + ": cannot be written");
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

// Milliseconds that a launch takes, the second time.
template <class Launch>
double milliseconds(Launch launch) {
    struct Event {
        Event() {
            check(cudaEventCreate(&event), "cudaEventCreate");
        }
        ~Event() {
            cudaEventDestroy(event);
        }
        cudaEvent_t event;
    };
    launch();
    check(cudaDeviceSynchronize(), "kernel");
    const Event begin;
    const Event end;
    check(cudaEventRecord(begin.event), "cudaEventRecord");
    launch();
    check(cudaEventRecord(end.event), "cudaEventRecord");
    check(cudaEventSynchronize(end.event), "kernel");
    float took = 0.0f;
    check(cudaEventElapsedTime(&took, begin.event, end.event), "cudaEventElapsedTime");
    return static_cast<double>(took);
}

// By s2v_feature_set.
const char *const kSetNames[] = {"", " set autoscan", " set s2v", " both sets"};

void compare_stamps(const std::filesystem::path &folder, Report &report) {
    const cuda::SuiteStamps suite = cuda::read_stamps(folder);
    const DeviceArray<float> pixels(suite.pixels);
    const DeviceArray<std::int64_t> offset(suite.offset);
    const DeviceArray<std::int32_t> shape(suite.shape);
    const DeviceArray<std::int32_t> centre(suite.centre);
    const s2v_stamps stamps = {pixels.get(),    static_cast<std::int64_t>(suite.pixels.size()),
                               offset.get(),    shape.get(),
                               centre.get(),    suite.n,
                               suite.saturation};
    DeviceArray<std::uint32_t> flags(static_cast<std::size_t>(suite.n));
    const auto each = [&](double total) {
        return 1e3 * total / static_cast<double>(std::max<std::int64_t>(1, suite.n));
    };

    for (const bool paper : {false, true}) {
        const std::string name = paper ? "paper" : "code";
        constexpr int both = S2V_SET_AUTOSCAN | S2V_SET_S2V;
        constexpr int k = kernel::set_columns(both);
        const auto expected = cuda::read_features(folder / ("features_" + name + ".bin"), suite.n, k);
        const auto convention = paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE;
        DeviceArray<float> values(static_cast<std::size_t>(suite.n) * k);
        const auto run = [&](int sets) {
            values.spoil();
            flags.spoil();
            report.time(
                name + kSetNames[sets], each(milliseconds([&] {
                    require(s2v_cuda_features(kDevice, nullptr, &stamps, sets, convention, values.get(), flags.get()));
                })));
            return values.to_host();
        };
        for (const int set : {S2V_SET_AUTOSCAN, S2V_SET_S2V}) {
            const int columns = kernel::set_columns(set);
            std::vector<float> wanted;
            for (std::int64_t row = 0; row < suite.n; ++row) {
                const auto first = expected.values.begin() + row * k + kernel::set_start(set);
                wanted.insert(wanted.end(), first, first + columns);
            }
            const std::vector<float> got = run(set);
            report.compare(name + kSetNames[set], suite.n, columns, 0, columns, wanted.data(), got.data());
        }
        const std::vector<float> got = run(both);
        for (int i = 0; i < k; ++i)
            report.compare(name + " " + kernel::kStampFeatureNames[i], suite.n, k, i, 1, expected.values.data(),
                           got.data());
        report.compare(name + " flags", suite.n, 1, 0, 1, expected.flags.data(), flags.to_host().data());
    }
    for (int which = 0; which < kernel::kRecipes; ++which) {
        const std::string name = kernel::kRecipeNames[which];
        const kernel::RecipeShape size = kernel::recipe_shape(which);
        const auto expected =
            cuda::read_planes(folder / ("recipe_" + std::to_string(which) + ".bin"), suite.n, size.height, size.width);
        DeviceArray<float> planes(expected.values.size());
        planes.spoil();
        flags.spoil();
        report.time(name, each(milliseconds([&] {
                        require(s2v_cuda_prepare(kDevice, nullptr, &stamps, name.c_str(), planes.get(), flags.get()));
                    })));
        report.compare(name, suite.n, expected.columns, 0, expected.columns, expected.values.data(),
                       planes.to_host().data());
        report.compare(name + " flags", suite.n, 1, 0, 1, expected.flags.data(), flags.to_host().data());
    }
}

// A normaliser with the parameters of its definition.
s2v_step default_step(int kind) {
    s2v_step step{};
    require(s2v_step_init(kernel::kNormaliserEntries[kind].name, &step));
    return step;
}

void compare_normalisers(const std::filesystem::path &folder, Report &report) {
    const cuda::SuiteSquares suite = cuda::read_squares(folder);
    const DeviceArray<float> pixels(suite.planes);
    const DeviceArray<std::uint8_t> mask(suite.mask);
    const s2v_planes planes = {pixels.get(),
                               mask.get(),
                               suite.n,
                               static_cast<std::int32_t>(suite.height),
                               static_cast<std::int32_t>(suite.width),
                               0,
                               0};
    std::vector<s2v_step> all;
    for (int kind = 0; kind < kernel::kNormalisers; ++kind) all.push_back(default_step(kind));
    DeviceArray<float> out(suite.planes.size());
    DeviceArray<std::uint32_t> flags(static_cast<std::size_t>(suite.n));
    for (int which = 0; which <= kernel::kNormalisers; ++which) {
        const bool one = which < kernel::kNormalisers;
        const std::string name = std::string("normaliser ") + (one ? kernel::kNormaliserEntries[which].name : "all");
        const s2v_step *const steps = one ? &all[static_cast<std::size_t>(which)] : all.data();
        const int count = one ? 1 : kernel::kNormalisers;
        const auto expected = cuda::read_normalised(folder / ("normaliser_" + std::to_string(which) + ".bin"), suite);
        out.spoil();
        flags.spoil();
        const float fill = std::numeric_limits<float>::quiet_NaN();
        const double took = milliseconds([&] {
            require(s2v_cuda_normalise(kDevice, nullptr, &planes, steps, count, fill, out.get(), flags.get()));
        });
        report.time(name, 1e3 * took / static_cast<double>(std::max<std::int64_t>(1, suite.n)));
        report.compare(name, suite.n, expected.columns, 0, expected.columns, expected.values.data(),
                       out.to_host().data());
        report.compare(name + " flags", suite.n, 1, 0, 1, expected.flags.data(), flags.to_host().data());
    }
}

void compare_forest(const std::filesystem::path &folder, Report &report) {
    const cuda::SuiteForest suite = cuda::read_forest(folder);
    s2v_forest *made = nullptr;
    require(s2v_forest_create(static_cast<std::int32_t>(suite.tree_start.size() - 1), suite.tree_start.data(),
                              suite.left.data(), suite.right.data(), suite.feature.data(), suite.threshold.data(),
                              suite.missing_left.data(), suite.value.data(), static_cast<std::int32_t>(suite.features),
                              suite.fill.data(), &made));
    const std::unique_ptr<s2v_forest, decltype(&s2v_forest_free)> on_host(made, &s2v_forest_free);
    s2v_cuda_forest *copied = nullptr;
    require(s2v_cuda_forest_create(kDevice, on_host.get(), &copied));
    const std::unique_ptr<s2v_cuda_forest, decltype(&s2v_cuda_forest_free)> forest(copied, &s2v_cuda_forest_free);
    const DeviceArray<float> x(suite.x);
    DeviceArray<float> score(static_cast<std::size_t>(suite.rows));
    score.spoil();
    const double took = milliseconds(
        [&] { require(s2v_cuda_forest_predict(forest.get(), nullptr, x.get(), suite.rows, score.get())); });
    report.time("forest", 1e3 * took / static_cast<double>(std::max<std::int64_t>(1, suite.rows)));
    report.compare("forest", suite.rows, 1, 0, 1, suite.score.data(), score.to_host().data());
}

// The device in use; nothing, and the reason in words, where there is none.
std::optional<s2v_cuda_properties> find_device() {
    const char *why = "";
    if (s2v_cuda_devices(&why) == 0) {
        std::printf("not run: %s\n", why);
        return std::nullopt;
    }
    s2v_cuda_properties device{};
    require(s2v_cuda_device_properties(kDevice, &device));
    std::printf("%s, compute capability %d.%d\n", device.name, device.compute_capability_major,
                device.compute_capability_minor);
    return device;
}

}  // namespace

int main(int count, char **argument) {
    const bool with_json = count == 4 && std::strcmp(argument[2], "--json") == 0;
    if (count != 2 && !with_json) {
        std::fprintf(stderr, "usage: space2vec_parity DIR [--json FILE]\n");
        return kFailed;
    }
    try {
        const std::optional<s2v_cuda_properties> device = find_device();
        if (!device) return kNoDevice;
        Report report;
        compare_stamps(argument[1], report);
        compare_normalisers(argument[1], report);
        compare_forest(argument[1], report);
        if (with_json) report.write(argument[3], *device);
        return report.finish();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "space2vec_parity: %s\n", error.what());
        return kFailed;
    }
}
