// Synthetic stamps for the C++ tests: a source on noise, and what can be wrong with it. The same on every machine.
#pragma once

#include "space2vec/space2vec.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace synthetic {

inline constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

// Numbers in [0, 1) and noise that do not depend on the standard library.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
    std::uint32_t bits() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>(state_ >> 33);
    }
    double uniform() {
        return bits() / 2147483648.0;
    }
    double normal() {
        double sum = -6.0;
        for (int i = 0; i < 12; ++i) sum += uniform();
        return sum;
    }

private:
    std::uint64_t state_;
};

// Before kCount, what everything() has; kFolded: every plane has the same range, kSigns: the mean square 1.
enum class Fault { kNone, kDead, kNull, kConstant, kMasked, kMissing, kHuge, kTies, kCount, kFolded, kSigns };

// A batch that grows; view() holds as long as the batch is not changed.
struct Batch {
    std::vector<float> pixels;
    std::vector<std::int64_t> offset;
    std::vector<std::int32_t> shape;
    std::vector<std::int32_t> centre;

    [[nodiscard]] std::size_t size() const {
        return offset.size() / S2V_CHANNELS;
    }
    [[nodiscard]] s2v::Stamps view() const {
        return {pixels, offset, shape, centre};
    }
    [[nodiscard]] float *plane(std::size_t row, int channel) {
        return pixels.data() + offset[3 * row + static_cast<std::size_t>(channel)];
    }

    void add(int height, int width, int row, int column, Fault fault, Random &random) {
        const double amplitude = std::pow(10.0, 3.0 * random.uniform());
        const double sigma = 0.8 + 2.0 * random.uniform();
        for (int c = 0; c < S2V_CHANNELS; ++c) {
            const bool gone = fault == Fault::kMissing && c == S2V_TEMPLATE;
            offset.push_back(gone ? -1 : static_cast<std::int64_t>(pixels.size()));
            shape.insert(shape.end(), {height, width});
            if (gone) continue;
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; ++x) {
                    const double d2 = (y - row) * (y - row) + (x - column) * (x - column);
                    const double source = c == S2V_TEMPLATE ? 0.0 : amplitude * std::exp(-0.5 * d2 / (sigma * sigma));
                    pixels.push_back(
                        damaged(source + 3.0 * random.normal() + 100.0 * (c != S2V_DIFFERENCE), fault, random));
                }
        }
        centre.insert(centre.end(), {row, column});
    }

private:
    static float damaged(double x, Fault fault, Random &random) {
        const double chance = random.uniform();
        switch (fault) {
            case Fault::kDead:
                return chance < 0.02 ? nan_value : chance < 0.03 ? HUGE_VALF : static_cast<float>(x);
            case Fault::kNull:
                return chance < 0.05 ? 1e-30F : static_cast<float>(x);
            case Fault::kConstant:
                return 7.0F;
            case Fault::kMasked:
                return nan_value;
            case Fault::kHuge:
                return static_cast<float>(x * 1e36);
            case Fault::kTies:
                return static_cast<float>(std::floor(x / 4.0));
            case Fault::kFolded:
                return static_cast<float>(std::floor(8.0 * (x - std::floor(x))));
            case Fault::kSigns:
                return chance < 0.5 ? -1.0F : static_cast<float>(1.0 + 1e-6 * x);
            default:
                return static_cast<float>(x);
        }
    }
};

// Every fault at every size, candidates in the middle and at edges.
inline Batch everything(int repeats = 1) {
    constexpr int sizes[][4] = {{51, 51, 25, 25}, {63, 63, 31, 31}, {63, 40, 31, 8}, {21, 30, 2, 29}, {80, 90, 70, 10}};
    Batch batch;
    Random random(11);
    for (int repeat = 0; repeat < repeats; ++repeat)
        for (const auto &size : sizes)
            for (int fault = 0; fault < static_cast<int>(Fault::kCount); ++fault)
                batch.add(size[0], size[1], size[2], size[3], static_cast<Fault>(fault), random);
    return batch;
}

}  // namespace synthetic
