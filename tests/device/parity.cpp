// space2vec_parity: does the device give the bits of the CPU?
//
//     space2vec_parity DIR [--json FILE]
//
// DIR holds the suite that tests/parity/suite.py exports. Exit status: 0 every bit is equal; 1 some differ; 2 the suite
// cannot be read or a CUDA call failed; 77 there is no device here. What the suite has no file for (models, a
// composition, planes without a mask, with gaps or too large to be staged) is held against the library on the CPU.
#include "parity.hpp"
#include "device_array.hpp"
#include "kernel/feature_sets.hpp"
#include "model_parity.hpp"
#include "report.hpp"
#include "space2vec/cuda.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <optional>

namespace {

using namespace s2v;
using namespace s2v::cuda::parity;
using cuda::DeviceArray;
using cuda::Report;

constexpr int kEqual = 0;
constexpr int kDiffers = 1;
constexpr int kFailed = 2;
constexpr int kNoDevice = 77;

// A normaliser with the parameters of its definition.
s2v_step default_step(int kind) {
    s2v_step step{};
    require(s2v_step_init(kernel::kNormaliserEntries[kind].name, &step));
    return step;
}

// All of them, one after the other.
std::vector<s2v_step> every_step() {
    std::vector<s2v_step> steps;
    for (int kind = 0; kind < kernel::kNormalisers; ++kind) steps.push_back(default_step(kind));
    return steps;
}

// By s2v_feature_set.
const char *const kSetNames[] = {"", " set autoscan", " set s2v", " both sets"};

// A recipe that is not of the registry.
void compare_composition(const cuda::SuiteStamps &suite, const s2v_stamps &stamps, Report &report) {
    s2v_stamps on_host = stamps;
    on_host.pixels = suite.pixels.data();
    on_host.offset = suite.offset.data();
    on_host.shape = suite.shape.data();
    on_host.centre = suite.centre.data();
    std::vector<s2v_step> steps = every_step();
    std::reverse(steps.begin(), steps.end());
    const s2v_composition how = {sizeof(s2v_composition),
                                 41,
                                 2,
                                 {S2V_DIFFERENCE, S2V_SCIENCE},
                                 static_cast<std::int32_t>(steps.size()),
                                 steps.data()};
    const std::int64_t size = std::int64_t{how.channel_count} * how.side * how.side;
    std::vector<float> expected(static_cast<std::size_t>(suite.n * size));
    std::vector<std::uint32_t> expected_flags(static_cast<std::size_t>(suite.n));
    require(s2v_compose(&on_host, &how, expected.data(), expected_flags.data(), 0));
    DeviceArray<float> planes(expected.size());
    DeviceArray<std::uint32_t> flags(expected_flags.size());
    planes.poison();
    flags.poison();
    const double took =
        milliseconds([&] { require(s2v_cuda_compose(kDevice, nullptr, &stamps, &how, 1, planes.get(), flags.get())); });
    report.time("composition", microseconds_each(took, suite.n));
    report.compare("composition", suite.n, size, 0, size, expected.data(), planes.to_host().data());
    report.compare("composition flags", suite.n, 1, 0, 1, expected_flags.data(), flags.to_host().data());
}

void compare_stamps(const std::filesystem::path &folder, const cuda::SuiteStamps &suite, Report &report) {
    const DeviceArray<float> pixels(suite.pixels);
    const DeviceArray<std::int64_t> offset(suite.offset);
    const DeviceArray<std::int32_t> shape(suite.shape);
    const DeviceArray<std::int32_t> centre(suite.centre);
    const s2v_stamps stamps = {sizeof(s2v_stamps),
                               pixels.get(),
                               static_cast<std::int64_t>(suite.pixels.size()),
                               offset.get(),
                               shape.get(),
                               centre.get(),
                               suite.n,
                               suite.saturation};
    DeviceArray<std::uint32_t> flags(static_cast<std::size_t>(suite.n));
    const auto each = [&](double took) { return microseconds_each(took, suite.n); };

    for (const bool paper : {false, true}) {
        const std::string name = paper ? "paper" : "code";
        constexpr int both = S2V_SET_AUTOSCAN | S2V_SET_S2V;
        constexpr int k = kernel::set_columns(both);
        const auto expected = cuda::read_features(folder / ("features_" + name + ".bin"), suite.n, k);
        const auto convention = paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE;
        DeviceArray<float> values(static_cast<std::size_t>(suite.n) * k);
        const auto run = [&](int sets) {
            values.poison();
            flags.poison();
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
        planes.poison();
        flags.poison();
        report.time(name, each(milliseconds([&] {
                        require(s2v_cuda_prepare(kDevice, nullptr, &stamps, name.c_str(), planes.get(), flags.get()));
                    })));
        report.compare(name, suite.n, expected.columns, 0, expected.columns, expected.values.data(),
                       planes.to_host().data());
        report.compare(name + " flags", suite.n, 1, 0, 1, expected.flags.data(), flags.to_host().data());
    }
    compare_composition(suite, stamps, report);
}

// Planes of a shape in `pixels` from `first` on, by a chain of steps.
void compare_planes(const std::string &name, const std::vector<float> &pixels, std::int64_t first,
                    const std::vector<std::uint8_t> &mask, const s2v_planes &shape, const std::vector<s2v_step> &steps,
                    Report &report) {
    const DeviceArray<float> pixels_there(pixels);
    const DeviceArray<std::uint8_t> mask_there(mask);
    s2v_planes here = shape;
    here.pixels = pixels.data() + first;
    here.mask = mask.empty() ? nullptr : mask.data();
    s2v_planes there = shape;
    there.pixels = pixels_there.get() + first;
    there.mask = mask_there.get();
    constexpr float fill = 0.5f;
    const std::int64_t size = std::int64_t{shape.height} * shape.width;
    const auto count = static_cast<std::int32_t>(steps.size());
    std::vector<float> expected(static_cast<std::size_t>(shape.n * size));
    std::vector<std::uint32_t> expected_flags(static_cast<std::size_t>(shape.n));
    require(s2v_normalise(&here, steps.data(), count, fill, expected.data(), expected_flags.data(), 0));
    DeviceArray<float> out(expected.size());
    DeviceArray<std::uint32_t> flags(expected_flags.size());
    out.poison();
    flags.poison();
    const double took = milliseconds([&] {
        require(s2v_cuda_normalise(kDevice, nullptr, &there, steps.data(), count, fill, out.get(), flags.get()));
    });
    report.time(name, microseconds_each(took, shape.n));
    report.compare(name, shape.n, size, 0, size, expected.data(), out.to_host().data());
    report.compare(name + " flags", shape.n, 1, 0, 1, expected_flags.data(), flags.to_host().data());
}

// The squares of the suite as planes that lie otherwise.
void compare_layouts(const cuda::SuiteSquares &suite, Report &report) {
    const auto height = static_cast<std::int32_t>(suite.height);
    const auto width = static_cast<std::int32_t>(suite.width);
    const std::vector<s2v_step> all = every_step();
    const s2v_planes whole = {sizeof(s2v_planes), nullptr, nullptr, suite.n, height, width, 0, 0};
    compare_planes("planes without mask", suite.planes, 0, {}, whole, all, report);
    const s2v_planes inner = {sizeof(s2v_planes),         nullptr, nullptr, suite.n, height - 5, width - 6,
                              suite.height * suite.width, width};
    compare_planes("planes with gaps", suite.planes, 2 * suite.width + 3, {}, inner, all, report);
    compare_planes("planes with gaps and mask", suite.planes, 2 * suite.width + 3, suite.mask, inner, all, report);
    // More than a warp may stage.
    s2v_planes large = {sizeof(s2v_planes), nullptr, nullptr, 0, 97, 89, 0, 0};
    large.n = static_cast<std::int64_t>(suite.planes.size()) / (large.height * large.width);
    compare_planes("planes not staged", suite.planes, 0, {}, large, all, report);
    compare_planes("planes not staged, with mask", suite.planes, 0, suite.mask, large, all, report);
    compare_planes("planes not staged, l2", suite.planes, 0, {}, large, {default_step(S2V_L2)}, report);
}

void compare_normalisers(const std::filesystem::path &folder, Report &report) {
    const cuda::SuiteSquares suite = cuda::read_squares(folder);
    const DeviceArray<float> pixels(suite.planes);
    const DeviceArray<std::uint8_t> mask(suite.mask);
    const s2v_planes planes = {sizeof(s2v_planes),
                               pixels.get(),
                               mask.get(),
                               suite.n,
                               static_cast<std::int32_t>(suite.height),
                               static_cast<std::int32_t>(suite.width),
                               0,
                               0};
    const std::vector<s2v_step> all = every_step();
    DeviceArray<float> out(suite.planes.size());
    DeviceArray<std::uint32_t> flags(static_cast<std::size_t>(suite.n));
    for (int which = 0; which <= kernel::kNormalisers; ++which) {
        const bool one = which < kernel::kNormalisers;
        const std::string name = std::string("normaliser ") + (one ? kernel::kNormaliserEntries[which].name : "all");
        const s2v_step *const steps = one ? &all[static_cast<std::size_t>(which)] : all.data();
        const int count = one ? 1 : kernel::kNormalisers;
        const auto expected = cuda::read_normalised(folder / ("normaliser_" + std::to_string(which) + ".bin"), suite);
        out.poison();
        flags.poison();
        const float fill = std::numeric_limits<float>::quiet_NaN();
        const double took = milliseconds([&] {
            require(s2v_cuda_normalise(kDevice, nullptr, &planes, steps, count, fill, out.get(), flags.get()));
        });
        report.time(name, microseconds_each(took, suite.n));
        report.compare(name, suite.n, expected.columns, 0, expected.columns, expected.values.data(),
                       out.to_host().data());
        report.compare(name + " flags", suite.n, 1, 0, 1, expected.flags.data(), flags.to_host().data());
    }
    compare_layouts(suite, report);
}

// The device in use; nothing, and the reason in words, where there is none.
std::optional<s2v_cuda_properties> find_device() {
    const char *why = "";
    if (s2v_cuda_devices(&why) == 0) {
        std::printf("not run: %s\n", why);
        return std::nullopt;
    }
    s2v_cuda_properties device{};
    device.size = sizeof device;
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
        const cuda::SuiteStamps stamps = cuda::read_stamps(argument[1]);
        compare_stamps(argument[1], stamps, report);
        compare_normalisers(argument[1], report);
        compare_models(argument[1], stamps, report);
        if (with_json) {
            int driver = 0;
            int runtime = 0;
            require(s2v_cuda_versions(&runtime, &driver));
            report.write(argument[3], *device, runtime, driver);
        }
        return report.finish() ? kEqual : kDiffers;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "space2vec_parity: %s\n", error.what());
        return kFailed;
    }
}
