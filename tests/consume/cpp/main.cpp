// Features, a recipe and the score of one made candidate, from C++, with the installed library.
#include <space2vec/space2vec.hpp>

#include <cmath>
#include <iostream>

int main() {
    constexpr int side = 63;
    std::vector<float> pixels;
    for (int c = 0; c < S2V_CHANNELS; ++c)
        for (int i = 0; i < side * side; ++i) {
            const int y = i / side - 31;
            const int x = i % side - 31;
            const double source = c == S2V_TEMPLATE ? 0.0 : 1000.0 * std::exp(-(x * x + y * y) / 8.0);
            pixels.push_back(static_cast<float>(source + (i * 7 + c) % 11));
        }
    const std::vector<std::int64_t> offset{0, side * side, 2 * side * side};
    const std::vector<std::int32_t> shape(6, side);
    const s2v::Stamps stamps{pixels, offset, shape, {}};

    constexpr std::int32_t sets = S2V_SET_AUTOSCAN | S2V_SET_S2V;
    std::vector<float> values(static_cast<std::size_t>(s2v_stamp_feature_count(sets)));
    std::vector<std::uint32_t> flags(1);
    s2v::features(stamps, sets, values, flags);
    std::cout << "space2vec " << s2v::version() << ", " << s2v_isa() << ", flags " << flags[0] << '\n';
    for (std::int32_t i = 0; i < s2v_stamp_feature_count(sets); ++i)
        std::cout << s2v_stamp_feature_name(sets, i) << ' ' << values[static_cast<std::size_t>(i)] << '\n';

    const auto [channels, height, width] = s2v::recipe_shape("braai");
    std::vector<float> planes(static_cast<std::size_t>(channels * height * width));
    s2v::prepare(stamps, "braai", planes, flags);

    const s2v::Model model = s2v::Model::load("forest");
    float score = 0;
    std::vector<std::uint32_t> score_flags(1);
    s2v::Scorer(model).score(stamps, {&score, 1}, score_flags);
    std::cout << model.name() << " of " << model.columns().size() << " columns: " << score << '\n';
    s2v::Reader nothing(std::vector<std::string>{});
    if (nothing.next() || !nothing.take_pixels().values().empty()) return 1;
    try {
        (void)s2v::Reader({"no such night.avro"}).next();
        return 1;
    } catch (const s2v::Error &error) {
        std::cout << error.what() << '\n';
        if (error.status() != S2V_IO_ERROR) return 1;
    }
    try {
        s2v::prepare(stamps, "no-such-recipe", planes, flags);
    } catch (const s2v::Error &error) {
        std::cout << error.what() << '\n';
        return score > 0 && score < 1 && planes[31 * 63 + 31] > 0.1F ? 0 : 1;
    }
    return 1;
}
