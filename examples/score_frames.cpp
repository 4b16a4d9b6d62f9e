// Scores 1,000 detections in whole frames, as a pipeline holds them: int16 science with a mask, float32 beside it.
#include <space2vec/space2vec.hpp>

#include <cstdio>
#include <vector>

int main() try {
    constexpr std::int32_t height = 2048, width = 4096, n = 1000;
    std::vector<std::int16_t> science(std::size_t{height} * width);
    std::vector<float> reference(science.size()), difference(science.size());
    std::vector<std::uint8_t> mask(science.size());
    std::vector<double> x(n), y(n);
    for (std::size_t i = 0; i < science.size(); ++i) {  // a field of noise stands for what the pipeline has
        reference[i] = static_cast<float>(i * 2654435761U >> 12 & 31);
        difference[i] = static_cast<float>(i * 2246822519U >> 13 & 31);
        science[i] = static_cast<std::int16_t>(reference[i] + difference[i]);
    }
    for (std::size_t i = 0; i < n; ++i) x[i] = 4.093 * static_cast<double>(i), y[i] = 30.5 + 1.97 * x[i] / 4.093;

    const s2v::Model model = s2v::Model::load("default");
    s2v::Scorer scorer(model);
    const s2v::Frame one = s2v::Frame(std::span<const std::int16_t>(science), height, width)
                               .scaled(0.5, 100.0)
                               .masked(std::span<const std::uint8_t>(mask), 1, 2);
    const s2v::Frame two(std::span<const float>(reference), height, width);
    const s2v::Frame three(std::span<const float>(difference), height, width);
    std::vector<float> score(n);
    std::vector<std::uint32_t> flags(n);
    s2v::score_frames(scorer, {&one, &two, &three}, {x, y}, score, flags);
    for (std::size_t i = 0; i < n; ++i) std::printf("%.1f %.1f %.9g %u\n", x[i], y[i], score[i], flags[i]);
    return 0;
} catch (const s2v::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
