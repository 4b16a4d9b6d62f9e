// Triplets for benchmarks, the same on every machine: no function of the C library takes part.
#pragma once

#include "kernel/stamp.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace synthetic {

enum class Scene { kNoise, kFaint, kBright, kFaded, kMasked, kStar, kCosmicRay, kDipole, kCount };

// One candidate in the middle of three planes of `side` x `side` pixels.
struct SyntheticTriplet {
    int side;
    std::array<std::vector<float>, S2V_CHANNELS> planes;

    [[nodiscard]] s2v::kernel::Triplet view() const {
        s2v::kernel::Triplet triplet{};
        for (std::size_t c = 0; c < planes.size(); ++c) triplet.plane[c] = {planes[c].data(), side, side};
        triplet.row = triplet.column = side / 2;
        triplet.saturation = 60000.0F;
        return triplet;
    }
};

// Adds a round Gaussian at (row, column) to a plane.
inline void add_source(std::vector<float> &plane, int side, double row, double column, double peak, double sigma) {
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
            const double square = (y - row) * (y - row) + (x - column) * (x - column);
            const float shape = s2v::kernel::exp_nonpositive(static_cast<float>(-0.5 * square / (sigma * sigma)));
            plane[static_cast<std::size_t>(y * side + x)] += static_cast<float>(peak) * shape;
        }
}

inline SyntheticTriplet make_triplet(Scene scene, int side, Random &random) {
    SyntheticTriplet triplet{side, {}};
    for (auto &plane : triplet.planes) plane.resize(static_cast<std::size_t>(side * side));
    auto &[science, reference, difference] = triplet.planes;
    const double noise = 10.0;
    for (std::size_t i = 0; i < science.size(); ++i) {
        science[i] = static_cast<float>(200.0 + noise * random.normal());
        reference[i] = static_cast<float>(200.0 + 0.5 * noise * random.normal());
    }
    const double row = side / 2 + random.uniform() - 0.5;
    const double column = side / 2 + random.uniform() - 0.5;
    const double sigma = 1.0 + random.uniform();
    add_source(science, side, row + 12.0, column - 9.0, 40.0 * noise, sigma);  // a star nearby
    add_source(reference, side, row + 12.0, column - 9.0, 40.0 * noise, sigma);
    switch (scene) {
        case Scene::kFaint:
            add_source(science, side, row, column, 6.0 * noise, sigma);
            break;
        case Scene::kBright:
        case Scene::kMasked:
            add_source(science, side, row, column, 100.0 * noise, sigma);
            break;
        case Scene::kFaded:
            add_source(reference, side, row, column, 30.0 * noise, sigma);
            break;
        case Scene::kStar:
            add_source(science, side, row, column, 9000.0 * noise, 1.5 * sigma);
            add_source(reference, side, row, column, 8800.0 * noise, 1.5 * sigma);
            for (auto *const plane : {&science, &reference})
                for (float &pixel : *plane) pixel = std::min(pixel, 65535.0F);
            break;
        case Scene::kCosmicRay:
            for (int step = -3; step <= 4; ++step)
                science[static_cast<std::size_t>((side / 2 + step / 2) * side + side / 2 + step)] +=
                    static_cast<float>(300.0 * noise * (0.3 + 0.7 * random.uniform()));
            break;
        case Scene::kDipole:
            add_source(science, side, row, column, 200.0 * noise, sigma);
            add_source(reference, side, row + 0.4, column - 0.2, 200.0 * noise, sigma);
            break;
        default:
            break;
    }
    for (std::size_t i = 0; i < science.size(); ++i) difference[i] = science[i] - reference[i];
    if (scene == Scene::kMasked)
        for (auto &plane : triplet.planes)
            for (float &pixel : plane) {
                const double chance = random.uniform();
                if (chance < 0.03) pixel = chance < 0.02 ? nan_value : s2v::kernel::kNull;
            }
    return triplet;
}

// Every scene at 51x51 and at 63x63.
inline std::vector<SyntheticTriplet> every_scene() {
    std::vector<SyntheticTriplet> triplets;
    Random random(4);
    for (const int side : {51, 63})
        for (int scene = 0; scene < static_cast<int>(Scene::kCount); ++scene)
            triplets.push_back(make_triplet(static_cast<Scene>(scene), side, random));
    return triplets;
}

}  // namespace synthetic
