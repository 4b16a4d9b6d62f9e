// A stage of a pipeline: whole images of a field and the detections in them to scores. A field is made up here.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

// What the stages before hand over: images of one pixel grid, in the types that they come in.
struct Field {
    std::int32_t height = 2048, width = 4096;
    std::vector<std::int16_t> science;  // value: 0.5 * stored + 100
    std::vector<float> reference, difference;
    std::vector<std::uint8_t> mask;  // of the science image: 1 bad, 2 saturated
    std::vector<double> x, y;        // detections
};

// [stage]
#include <space2vec/space2vec.hpp>

class RealBogus {
public:
    explicit RealBogus(const std::string &model) : model_(s2v::Model::load(model)), scorer_(model_) {}

    // P(real) of each detection, NaN where a flag says why there is none. Throws s2v::Error.
    void run(const Field &field, std::vector<float> &score, std::vector<std::uint32_t> &flags) {
        const auto [height, width] = std::pair(field.height, field.width);
        const s2v::Frame science =
            s2v::Frame(std::span(field.science), height, width).scaled(0.5, 100.0).masked(std::span(field.mask), 1, 2);
        const s2v::Frame reference(std::span(field.reference), height, width);
        const s2v::Frame difference(std::span(field.difference), height, width);
        score.resize(field.x.size());
        flags.resize(field.x.size());
        s2v::score_frames(scorer_, {&science, &reference, &difference}, {field.x, field.y}, score, flags);
    }

private:
    s2v::Model model_;  // may be shared; a scorer is one thread's
    s2v::Scorer scorer_;
};
// [/stage]

// 1,000 detections, of which every second one is a star in the science and the difference image. Whole numbers alone.
static Field made_field() {
    Field field;
    const auto width = static_cast<std::size_t>(field.width), pixels = width * static_cast<std::size_t>(field.height);
    std::vector<std::uint32_t> light(pixels);
    for (std::uint32_t k = 0; k < 1000; ++k) {
        const std::uint32_t column = k * 4, row = 30 + k * 1987 % 2000;
        field.x.push_back(column + 0.3);
        field.y.push_back(row - 0.2);
        for (std::uint32_t i = 0; k % 2 == 0 && i < 17 * 17; ++i) {
            const std::uint32_t dy = i / 17, dx = i % 17, r2 = (dx - 8) * (dx - 8) + (dy - 8) * (dy - 8);
            if (column + dx >= 8 && column + dx < width + 8)
                light[(row + dy - 8) * width + column + dx - 8] += (400 + k) * 16 / (16 + r2 * r2);
        }
    }
    for (std::size_t i = 0; i < pixels; ++i) {
        const std::uint32_t a = static_cast<std::uint32_t>(i) * 2654435761U,
                            b = static_cast<std::uint32_t>(i) * 2246822519U;
        const std::uint32_t reference = (a >> 12 & 15) + (a >> 20 & 15), difference = (b >> 13 & 15) + (b >> 21 & 15);
        field.reference.push_back(static_cast<float>(reference));
        field.difference.push_back(static_cast<float>(difference + light[i]));
        field.science.push_back(static_cast<std::int16_t>(2 * (reference + difference + light[i])));
        field.mask.push_back(i % 99991 == 0 ? 1 : light[i] > 1300 ? 2 : 0);
    }
    return field;
}

int main() try {
    const Field field = made_field();
    // [use]
    std::vector<float> score;
    std::vector<std::uint32_t> flags;
    RealBogus("default").run(field, score, flags);
    // [/use]
    for (std::size_t i = 0; i < score.size(); ++i)
        std::printf("%.1f %.1f %.9g %u\n", field.x[i], field.y[i], static_cast<double>(score[i]), flags[i]);
    return 0;
} catch (const s2v::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
