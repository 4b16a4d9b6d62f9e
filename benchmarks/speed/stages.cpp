// Runs one stage of the kernels over and over, compiled as the library compiles it for one instruction set.
//
//     bench_stages_ISA --list              the stages
//     bench_stages_ISA --compiler          what compiled it
//     bench_stages_ISA STAGE N [FILE]      runs it N times over every triplet; microseconds a triplet, a checksum, and
//                                          how many triplets there are
//     bench_stages_ISA STAGE N [FILE] -    says "ready", and for each line of input how many microseconds it took
//
// FILE: triplets of 51x51 pixels, float32 (science, template, difference); without it, those of synthetic_triplets.hpp.
// What a stage reads is made before, once: N and 2 N runs differ by the stage alone.
#include "kernel/host_team.hpp"
#include "kernel/moment_features.hpp"
#include "kernel/recipe.hpp"
#include "kernel/shape_features.hpp"
#include "kernel/stamp_features.hpp"
#include "kernel/steps.hpp"
#include "kernel/views.hpp"
#include "network_stages.hpp"
#include "synthetic_triplets.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace s2v::kernel;

// What the stages of one triplet read.
struct Sample {
    synthetic::SyntheticTriplet planes;
    Triplet triplet;
    alignas(64) float window[3][kWindowPixels];
    alignas(64) float masked[3][kWindowPixels];  // windows, NaN where masked
    alignas(64) float core[3][kCorePixels];
    alignas(64) float b[kWindowPixels];
    alignas(64) float filled[kWindowPixels];  // b, kAbsent where masked
    int valid;
    PlaneNoise noise[3];
    MeasuredDifference difference;
    Peak peak;
    double flux;  // in a circle of 3 px
};

struct Scratch {
    alignas(64) float plane[kWindowPixels];
    WindowMemory memory;
    alignas(64) float core[kCorePixels];
    alignas(64) float rows[kLikenessPixels];
    double value[kStampFeatures];
    union {
        alignas(64) FeatureScratch features;
        alignas(64) AutoscanScratch autoscan;
        alignas(64) RecipeScratch recipe;
        alignas(64) ShapeScratch shape;
        alignas(64) MomentScratch moments;
        alignas(64) StepScratch steps;
    };
    float out[3 * kLargestSide * kLargestSide];
};

// A run on one triplet; what it returns goes into the checksum.
using Run = std::function<double(const Sample &, Scratch &)>;

struct Stage {
    std::string name;
    Run run;
};

const HostTeam team;

// For stages that work in place. As a loop: of memmove, valgrind may count the bytes.
void copy_window(const float *from, float *to) {
    team.for_each(kWindowPixels, [&](int i) { to[i] = from[i] + 0.0F; });
}

std::unique_ptr<Sample> make_sample(synthetic::SyntheticTriplet planes) {
    auto sample = std::make_unique<Sample>();
    sample->planes = std::move(planes);
    sample->triplet = sample->planes.view();
    std::uint32_t flags = 0;
    for (int k = 0; k < 3; ++k) {
        float *const masked = sample->masked[k];
        cut_window(team, sample->triplet.plane[k], sample->triplet.row, sample->triplet.column, sample->window[k],
                   flags);
        std::copy_n(sample->window[k], kWindowPixels, masked);
        mask_nulls(team, masked);
        const PlaneNoise noise = measure_noise(team, masked, measure_level(team, masked));
        const float sign = k == kDifference ? measure_polarity(team, masked, noise) : 1.0F;
        cut_core(team, masked, noise, sign, kWindow / 2, kWindow / 2, sample->core[k]);
        sample->noise[k] = noise;
        if (k == kDifference) sample->difference = {noise, masked, sample->core[k], sign};
    }
    sample->peak = brightest_in_box(team, sample->core[kDifference]);
    sample->flux = sum_circle<3>(team, sample->core[kDifference], kCoreRow, kCoreColumn).flux;
    std::copy_n(sample->window[kDifference], kWindowPixels, sample->b);
    sample->valid = normalise_b(team, sample->b).level.valid;
    std::copy_n(sample->b, kWindowPixels, sample->filled);
    fill_absent(team, sample->filled);
    return sample;
}

Stage whole_set(const char *name, int sets) {
    return {name, [sets](const Sample &sample, Scratch &s) {
                stamp_features(team, sample.triplet, measure_all(sets), Convention::kCode, s.out, s.features);
                return static_cast<double>(s.out[set_columns(sets) / 2]);
            }};
}

Stage whole_recipe(int which) {
    return {std::string("prepare-") + kRecipeNames[which], [which](const Sample &sample, Scratch &s) {
                const std::uint32_t flags = prepare(team, sample.triplet, which, false, s.out, s.recipe);
                return static_cast<double>(s.out[recipe_shape(which).width * 3 / 2]) + flags;
            }};
}

// What stampnet takes of a triplet: its columns, then the planes of two chains, and the flags of both.
Stage inputs_of_stampnet() {
    const ViewRecipe how = {33,
                            3,
                            {kScience, kTemplate, kDifference},
                            2,
                            {{2, {{normaliser::median_mad, {}}, {normaliser::asinh, {1.0}}}},
                             {2, {{normaliser::l2, {}}, {normaliser::asinh, {1.0 / 63.0}}}}}};
    ModelNeeds needs{};
    needs.planes = needs.recipe = kEveryPlane;
    needs.columns = true;
    needs.flags_measured = covers_flags(kEveryPlane, needs.recipe);
    constexpr Measuring what = {kAutoscanSet | kS2vSet, kDifferenceMomentsPart, kEveryPlane};
    return {"stampnet-inputs", [how, needs, what](const Sample &sample, Scratch &s) {
                const std::uint32_t measured =
                    stamp_features(team, sample.triplet, what, Convention::kCode, s.out, s.features);
                const double column = s.out[set_columns(what.sets) / 2];
                const std::uint32_t prepared = prepare_views(team, sample.triplet, how, needs, s.out, s.steps);
                return column + static_cast<double>(s.out[how.side * how.side / 2]) + (measured | prepared);
            }};
}

// A plane as the normalisers leave it; masked pixels stay NaN.
Stage whole_chain(std::string name, const Chain &chain) {
    return {std::move(name), [chain](const Sample &sample, Scratch &s) {
                const Plane &plane = sample.triplet.plane[kDifference];
                const MaskedPlane whole = {plane.pixels, nullptr, plane.height, plane.width, plane.width};
                const std::uint32_t flags = normalise_plane(team, whole, chain, quiet_nan(), s.out, s.steps);
                return static_cast<double>(s.out[0]) + flags;
            }};
}

// Every normaliser alone, with the parameters that it has by default.
std::vector<Stage> normaliser_stages() {
    std::vector<Stage> stages;
    for (int kind = 0; kind < kNormalisers; ++kind) {
        const NormaliserEntry &entry = kNormaliserEntries[kind];
        Chain chain{};
        chain.count = 1;
        chain.step[0].kind = kind;
        for (int k = 0; k < entry.parameters; ++k) chain.step[0].parameter[k] = entry.parameter[k].otherwise;
        stages.push_back(whole_chain(std::string("normalise-") + entry.name, chain));
    }
    return stages;
}

// The parts of the set autoscan.
std::vector<Stage> autoscan_stages() {
    return {
        {"stamp-flags",
         [](const Sample &sample, Scratch &) { return static_cast<double>(flag_stamp(team, sample.triplet, 7U)); }},
        {"cut-window",
         [](const Sample &sample, Scratch &s) {
             std::uint32_t flags = 0;
             cut_window(team, sample.triplet.plane[kDifference], sample.triplet.row, sample.triplet.column, s.plane,
                        flags);
             return static_cast<double>(s.plane[0]) + flags;
         }},
        {"normalise-b",
         [](const Sample &sample, Scratch &s) {
             copy_window(sample.window[kDifference], s.plane);
             return static_cast<double>(normalise_b(team, s.plane).level.median);
         }},
        {"normalise-r",
         [](const Sample &sample, Scratch &s) {
             return normalise_r(team, sample.window[kDifference], s.plane) ? static_cast<double>(s.plane[0]) : 0.0;
         }},
        {"noise",
         [](const Sample &sample, Scratch &) {
             return static_cast<double>(
                 measure_noise(team, sample.masked[kDifference], measure_level(team, sample.masked[kDifference]))
                     .sigma);
         }},
        {"column-medians",
         [](const Sample &sample, Scratch &s) {
             return static_cast<double>(largest_column_median(team, sample.b, s.autoscan.columns));
         }},
        {"lacosmic",
         [](const Sample &sample, Scratch &s) {
             copy_window(sample.b, s.memory.window());
             fill_absent(team, s.memory.window());
             return static_cast<double>(largest_fine_structure(team, s.memory.window(), s.autoscan.lacosmic));
         }},
        {"gaussian-fit",
         [](const Sample &sample, Scratch &s) {
             return static_cast<double>(fit_gaussian(team, sample.filled, sample.valid, s.autoscan.fit).scale);
         }},
        {"aperture", [](const Sample &sample, Scratch &) { return aperture_flux(team, sample.window[kDifference]); }},
    };
}

// The parts of the set s2v.
std::vector<Stage> s2v_stages() {
    return {
        {"moments",
         [](const Sample &sample, Scratch &s) {
             const MomentState at = adaptive_moments(team, sample.core[kDifference], s.moments).at;
             return at.m.xx + at.m.yy;
         }},
        {"moment-features",
         [](const Sample &sample, Scratch &s) {
             const ScienceSource science =
                 measure_science(team, sample.masked[kScience], sample.noise[kScience], sample.triplet.saturation,
                                 kEveryPart, s.core, s.rows, s.moments);
             const std::uint32_t flags =
                 moment_features(team, sample.core[kDifference], science, kEveryPart, s.moments, s.value);
             return s.value[feature::science_likeness] + flags;
         }},
        {"circles",
         [](const Sample &sample, Scratch &) {
             const Circles circles = sum_circles(team, sample.core[kDifference]);
             return circles.of_2.flux + circles.of_3.flux + circles.of_5.flux + circles.of_8.flux;
         }},
        {"peak", [](const Sample &sample,
                    Scratch &) { return static_cast<double>(brightest_in_box(team, sample.core[kDifference]).value); }},
        {"lobes",
         [](const Sample &sample, Scratch &s) {
             lobe_features(team, sample.core[kDifference], s.shape.lobes, s.value);
             return s.value[feature::positive_snr];
         }},
        {"nearby-source",
         [](const Sample &sample, Scratch &s) {
             const NearbySource nearby = measure_nearby(team, sample.core[kTemplate], sample.noise[kTemplate]);
             nearby_source_features(nearby, sample.flux, sample.flux, s.value);
             return s.value[feature::template_snr];
         }},
        {"daofind",
         [](const Sample &sample, Scratch &s) {
             daofind_features(team, sample.core[kDifference], sample.peak, s.shape.daofind, s.value);
             return s.value[feature::sharpness];
         }},
        {"hot-pixel",
         [](const Sample &sample, Scratch &s) {
             hot_pixel_features(team, sample.core[kDifference], sample.peak, s.value);
             return s.value[feature::hot_pixel_likeness];
         }},
        {"asymmetry",
         [](const Sample &sample, Scratch &) { return asymmetry(team, sample.core[kDifference], sample.peak); }},
        {"lines",
         [](const Sample &sample, Scratch &s) {
             line_features(team, sample.difference, sample.peak, s.shape.line, s.value);
             return s.value[feature::row_median];
         }},
    };
}

// The parts of a network of stampnet's sizes, for one row.
std::vector<Stage> network_stages() {
    const auto network = std::make_shared<bench::NetworkSample>();
    const auto embedder = std::make_shared<bench::NetworkSample>(64);
    return {
        {"network-planes", [network](const Sample &, Scratch &) { return network->encode_planes(); }},
        {"network-columns", [network](const Sample &, Scratch &) { return network->encode_row_columns(); }},
        {"network-layers", [network](const Sample &, Scratch &) { return network->score_rows(); }},
        {"vector-layers", [embedder](const Sample &, Scratch &) { return embedder->embed_rows(); }},
    };
}

std::vector<Stage> every_stage() {
    std::vector<Stage> stages = autoscan_stages();
    for (const Stage &stage : s2v_stages()) stages.push_back(stage);
    stages.push_back(whole_set("autoscan", kAutoscanSet));
    stages.push_back(whole_set("s2v", kS2vSet));
    stages.push_back(whole_set("both-sets", kAutoscanSet | kS2vSet));
    for (const Stage &stage : normaliser_stages()) stages.push_back(stage);
    for (int which = 0; which < kRecipes; ++which) stages.push_back(whole_recipe(which));
    stages.push_back(inputs_of_stampnet());
    for (const Stage &stage : network_stages()) stages.push_back(stage);
    return stages;
}

std::vector<synthetic::SyntheticTriplet> read_triplets(const char *path) {
    std::vector<synthetic::SyntheticTriplet> triplets;
    std::ifstream file(path, std::ios::binary);
    for (;;) {
        synthetic::SyntheticTriplet triplet{kWindow, {}};
        for (auto &plane : triplet.planes) {
            plane.resize(kWindow * kWindow);
            file.read(reinterpret_cast<char *>(plane.data()), static_cast<std::streamsize>(4 * plane.size()));
        }
        if (!file) return triplets;
        triplets.push_back(std::move(triplet));
    }
}

struct Spent {
    double microseconds;  // a triplet
    std::uint64_t checksum;
};

Spent run_all(const Run &run, const std::vector<std::unique_ptr<Sample>> &samples, Scratch &scratch, long n) {
    std::uint64_t checksum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (long k = 0; k < n; ++k)
        for (const auto &sample : samples) {
            const double value = run(*sample, scratch);
            checksum = (std::rotl(checksum, 7) ^ __builtin_bit_cast(std::uint64_t, value)) * 0x9e3779b97f4a7c15u;
        }
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    return {spent.count() / static_cast<double>(n) / static_cast<double>(samples.size()), checksum};
}

}  // namespace

int main(int count, char **arguments) {
    const std::vector<std::string_view> given(arguments + 1, arguments + count);
    const std::vector<Stage> stages = every_stage();
    if (given.size() == 1 && given[0] == "--list") {
        for (const Stage &stage : stages) std::puts(stage.name.c_str());
        return 0;
    }
    if (given.size() == 1 && given[0] == "--compiler") {
#if defined(__clang__)
        std::puts(__VERSION__);
#else
        std::puts("GNU " __VERSION__);
#endif
        return 0;
    }
    const bool waits = given.size() > 2 && given.back() == "-";
    const std::size_t words = given.size() - (waits ? 1 : 0);
    const auto stage = std::find_if(stages.begin(), stages.end(),
                                    [&](const Stage &known) { return !given.empty() && known.name == given[0]; });
    const long n = words > 1 ? std::strtol(arguments[2], nullptr, 10) : 0;
    if (n < 1 || words > 3) {
        std::fputs("bench_stages --list | --compiler | STAGE N [FILE] [-]\n", stderr);
        return 2;
    }
    if (stage == stages.end()) {
        std::fprintf(stderr, "no stage %s\n", arguments[1]);
        return 2;
    }
    std::vector<std::unique_ptr<Sample>> samples;
    for (synthetic::SyntheticTriplet &triplet : words > 2 ? read_triplets(arguments[3]) : synthetic::every_scene())
        samples.push_back(make_sample(std::move(triplet)));
    if (samples.empty()) {
        std::fputs("no triplets\n", stderr);
        return 2;
    }
    const auto scratch = std::make_unique<Scratch>();
    if (!waits) {
        const Spent spent = run_all(stage->run, samples, *scratch, n);
        // In integers: to print a double takes as many instructions as its value wants, which would be counted.
        const long nanoseconds = static_cast<long>(1e3 * spent.microseconds);
        std::printf("%ld.%03ld %016llx %zu\n", nanoseconds / 1000, nanoseconds % 1000,
                    static_cast<unsigned long long>(spent.checksum), samples.size());
        return 0;
    }
    run_all(stage->run, samples, *scratch, 1);
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);)
        std::cout << run_all(stage->run, samples, *scratch, n).microseconds << std::endl;
    return 0;
}
