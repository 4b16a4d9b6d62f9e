// Whole frames and positions in them through the C ABI. The input says what three frames claim of themselves (types,
// byte orders, sizes, strides, masks, variance, offsets), where detections are, and what is asked of them; its rest are
// the bytes of the images. What cannot be is refused, a square that is cut has the pixels that a plain loop finds, and
// a row does not depend on those beside it.
#include "fuzz.hpp"
#include "plain_frame.hpp"
#include "space2vec/space2vec.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kMostDetections = 4;
constexpr const char *kModels[] = {"autoscan", "forest", "stampnet-fast", "stampnet"};
constexpr const char *kRecipes[] = {"braai", "btsbot",     "alerce-stamp", "transinet",
                                    "ayyar", "autoscan-r", "robust-asinh", "zscale"};

enum class Call : std::uint8_t { kCut, kScore, kMeasure, kPrepare };

// A call with its results: values of a row one after another, and its flags.
struct Results {
    s2v_status status;
    std::size_t columns;
    std::vector<float> values;
    std::vector<std::uint32_t> flags;
};

struct Request {
    Call call;
    std::uint8_t option;
    const s2v_frame *frame[S2V_CHANNELS];
    std::vector<double> x;
    std::vector<double> y;
};

s2v_scorer *scorer_of(std::size_t number) {
    static const std::vector<s2v::Model> models = [] {
        std::vector<s2v::Model> loaded;
        for (const char *name : kModels)
            loaded.push_back(s2v::Model::load(std::string(S2V_FUZZ_MODELS) + "/" + name + ".safetensors"));
        return loaded;
    }();
    static s2v_scorer *scorers[std::size(kModels)] = {};
    s2v_scorer *&scorer = scorers[number % std::size(kModels)];
    if (scorer == nullptr)
        fuzz::require(s2v_scorer_create(models[number % std::size(kModels)].c(), nullptr, &scorer) == S2V_OK, "scorer");
    return scorer;
}

// Runs the call for detections [begin, end).
Results run(const Request &request, std::size_t begin, std::size_t end) {
    const std::size_t n = end - begin;
    const double *const x = request.x.data() + begin;
    const double *const y = request.y.data() + begin;
    const auto count = static_cast<std::int64_t>(n);
    const auto &[science, reference, difference] = request.frame;
    Results results{S2V_OK, 1, {}, std::vector<std::uint32_t>(n, ~0U)};
    const auto make_room = [&](std::size_t columns) {
        results.columns = columns;
        results.values.assign(n * columns, -7.0F);
        return results.values.data();
    };
    switch (request.call) {
        case Call::kCut: {
            const std::int32_t side = 1 + request.option % 70;
            float *const out = make_room(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
            results.status = s2v_cut(science, count, x, y, side, out, results.flags.data());
            break;
        }
        case Call::kScore:
            results.status = s2v_score_frames(scorer_of(request.option), science, reference, difference, count, x, y,
                                              nullptr, make_room(1), results.flags.data());
            break;
        case Call::kMeasure: {
            const std::int32_t sets = 1 + request.option % 3;
            float *const out = make_room(static_cast<std::size_t>(s2v_stamp_feature_count(sets)));
            results.status = s2v_measure_frames(science, reference, difference, count, x, y, sets,
                                                request.option >> 2 & 1, out, results.flags.data(), 1);
            break;
        }
        case Call::kPrepare: {
            const char *const recipe = kRecipes[request.option % std::size(kRecipes)];
            std::int32_t shape[3] = {};
            fuzz::require(s2v_recipe_shape(recipe, shape) == S2V_OK, "a recipe");
            float *const out = make_room(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
            results.status =
                s2v_prepare_frames(science, reference, difference, count, x, y, recipe, out, results.flags.data(), 1);
            break;
        }
    }
    return results;
}

bool same(float a, float b) {
    return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    fuzz::Cursor cursor({data, size});
    Request request{};
    request.call = static_cast<Call>(cursor.take<std::uint8_t>() % 4);
    request.option = cursor.take<std::uint8_t>();
    const std::size_t n = cursor.take<std::uint8_t>() % (kMostDetections + 1);
    // Positions are doubles, or twice as many sixteenths of a pixel.
    const bool sixteenths = cursor.take<std::uint8_t>() % 2 == 0;
    const auto position = [&] { return sixteenths ? cursor.take<std::int16_t>() / 16.0 : cursor.take<double>(); };
    for (std::size_t i = 0; i < n; ++i) {
        request.x.push_back(position());
        request.y.push_back(position());
    }
    fuzz::PlainFrame frames[S2V_CHANNELS] = {fuzz::PlainFrame(cursor), fuzz::PlainFrame(cursor),
                                             fuzz::PlainFrame(cursor)};
    const std::size_t used = request.call == Call::kCut ? 1 : S2V_CHANNELS;
    bool holds = true, any = false;
    for (std::size_t c = 0; c < used; ++c) {
        frames[c].store(cursor.rest());
        request.frame[c] = frames[c].c();
        holds = holds && frames[c].holds();
        any = any || request.frame[c] != nullptr;
    }

    const Results all = run(request, 0, n);
    fuzz::require(all.status == (holds && any ? S2V_OK : S2V_INVALID_ARGUMENT),
                  "what cannot be is refused, and no more");
    if (all.status != S2V_OK) {
        fuzz::require(s2v_last_error()[0] != 0, "a refusal has a sentence");
        return 0;
    }
    if (request.call == Call::kScore)
        for (const float score : all.values)
            fuzz::require(std::isnan(score) || (score >= 0.0F && score <= 1.0F), "a score from 0 to 1");
    if (request.call == Call::kCut) {
        std::vector<float> square;
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t flags = frames[0].square(request.x[i], request.y[i], 1 + request.option % 70, square);
            fuzz::require(all.flags[i] == flags, "the flags of a square");
            for (std::size_t k = 0; k < square.size(); ++k)
                fuzz::require(same(all.values[i * all.columns + k], square[k]), "the pixels of a square");
        }
    } else if (n > 1) {
        const Results alone = run(request, n - 1, n);
        fuzz::require(alone.flags[0] == all.flags[n - 1], "the flags of a row alone");
        for (std::size_t k = 0; k < all.columns; ++k)
            fuzz::require(same(alone.values[k], all.values[(n - 1) * all.columns + k]), "the values of a row alone");
    }
    return 0;
}
