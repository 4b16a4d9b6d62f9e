// Whole frames through the C ABI: the same bits as stamps that a plain loop cuts, whatever the frames are stored as.
#include "check.hpp"
#include "synthetic_frames.hpp"
#include "synthetic_scoring.hpp"

#include <thread>

namespace {

using synthetic::Detections;
using synthetic::everywhere;
using synthetic::flag;
using synthetic::frame_of;
using synthetic::met_flags;
using synthetic::nan_value;
using synthetic::NetworkFile;
using synthetic::Plain;
using synthetic::same_bits;

// Features and planes of frames are those of stamps that were cut by hand.
void check_kernels(const Plain *const (&frames)[3], const Detections &detections, float saturation) {
    const auto n = static_cast<std::size_t>(detections.n());
    std::vector<std::uint32_t> raised;
    for (const std::int32_t sets : {1, 2, 3}) {
        const std::uint32_t used = (sets & 2) != 0 ? 7 : 6;
        const synthetic::Batch batch =
            synthetic::cut_by_hand(frames, detections.x, detections.y, 51, met_flags(), used, raised);
        s2v::Stamps stamps = batch.view();
        stamps.saturation = saturation;
        const auto columns = static_cast<std::size_t>(s2v_stamp_feature_count(sets));
        std::vector<float> expected(n * columns);
        std::vector<std::uint32_t> expected_flags(n);
        s2v::features(stamps, sets, expected, expected_flags);
        for (std::size_t i = 0; i < n; ++i) expected_flags[i] |= raised[i];
        for (const std::int32_t threads : {1, 3}) {
            std::vector<float> values(n * columns, -7.0F);
            std::vector<std::uint32_t> flags(n, ~0U);
            CHECK(s2v_measure_frames(frame_of(frames[0]), frame_of(frames[1]), frame_of(frames[2]), detections.n(),
                                     detections.x.data(), detections.y.data(), sets, S2V_CONVENTION_CODE, values.data(),
                                     flags.data(), threads) == S2V_OK);
            CHECK(same_bits(values, expected));
            CHECK(flags == expected_flags);
        }
    }
    for (const char *const recipe : {"braai", "boom", "btsbot", "alerce-stamp", "transinet", "autoscan-r", "autoscan-b",
                                     "ayyar", "acero-3sigma", "robust-asinh", "zscale"}) {
        const auto shape = s2v::recipe_shape(recipe);
        const bool whole = std::string(recipe) == "alerce-stamp";
        const synthetic::Batch batch = synthetic::cut_by_hand(
            frames, detections.x, detections.y, whole ? 63 : std::max(51, shape[1]), met_flags(), 7, raised);
        s2v::Stamps stamps = batch.view();
        stamps.saturation = saturation;
        const std::size_t size = n * static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
        std::vector<float> expected(size), planes(size, -7.0F);
        std::vector<std::uint32_t> expected_flags(n), flags(n, ~0U);
        s2v::prepare(stamps, recipe, expected, expected_flags);
        for (std::size_t i = 0; i < n; ++i) expected_flags[i] |= raised[i];
        CHECK(s2v_prepare_frames(frame_of(frames[0]), frame_of(frames[1]), frame_of(frames[2]), detections.n(),
                                 detections.x.data(), detections.y.data(), recipe, planes.data(), flags.data(),
                                 2) == S2V_OK);
        CHECK(same_bits(planes, expected));
        CHECK(flags == expected_flags);
    }
}

void check_scores(const s2v::Model &model, const Plain *const (&frames)[3], const Detections &detections,
                  float saturation) {
    const auto n = static_cast<std::size_t>(detections.n());
    std::vector<std::uint32_t> raised;
    const synthetic::Batch batch =
        synthetic::cut_by_hand(frames, detections.x, detections.y, 51, met_flags(), 7, raised);
    s2v::Stamps stamps = batch.view();
    stamps.saturation = saturation;
    std::vector<std::uint32_t> reader(n);  // what a reader saw is joined
    for (std::size_t i = 0; i < n; ++i) reader[i] = i % 7 == 3 ? flag("bad_cell") : 0;
    for (std::size_t i = 0; i < n; ++i) raised[i] |= reader[i];
    std::vector<float> expected(n);
    std::vector<std::uint32_t> expected_flags(n);
    s2v::Scorer(model).score(stamps, expected, expected_flags, {}, raised);
    const auto scored = std::count_if(expected.begin(), expected.end(), [](float x) { return x == x; });
    CHECK(scored >= 24 && scored < detections.n());
    const s2v_catalogue known = {sizeof known, nullptr, reader.data()};
    for (const int threads : {1, 3}) {
        s2v::Scorer scorer(model, threads);
        for (int again = 0; again < 2; ++again) {
            std::vector<float> score(n, -7.0F);
            std::vector<std::uint32_t> flags(n, ~0U);
            CHECK(s2v_score_frames(scorer.c(), frame_of(frames[0]), frame_of(frames[1]), frame_of(frames[2]),
                                   detections.n(), detections.x.data(), detections.y.data(), &known, score.data(),
                                   flags.data()) == S2V_OK);
            CHECK(same_bits(score, expected));
            CHECK(flags == expected_flags);
        }
    }
}

void frames_give_the_bits_of_stamps() {
    const Plain science(150, 190, S2V_SCIENCE), reference(150, 190, S2V_TEMPLATE), difference(150, 190, S2V_DIFFERENCE);
    const Detections detections = everywhere(150, 190);
    const Plain *const all[3] = {&science, &reference, &difference};
    check_kernels(all, detections, nan_value);
    const NetworkFile file;
    check_scores(file.model(), all, detections, nan_value);
    check_scores(synthetic::CascadeFile().model(0.3F, 0.7F), all, detections, nan_value);
    const Plain *const pair[3] = {&science, nullptr, &difference};
    check_kernels(pair, detections, nan_value);
    check_scores(file.model(), pair, detections, nan_value);
}

// Of a stamp of any size the pixels beyond the windows count for nothing.
void larger_stamps_give_the_same_scores() {
    const Plain science(150, 190, S2V_SCIENCE), reference(150, 190, S2V_TEMPLATE), difference(150, 190, S2V_DIFFERENCE);
    const Plain *const all[3] = {&science, &reference, &difference};
    Detections detections;
    for (int i = 0; i < 40; ++i) detections.add(45.0 + 2.4 * i, 46.0 + 1.3 * i);
    std::vector<std::uint32_t> raised;
    const synthetic::Batch batch = synthetic::cut_by_hand(all, detections.x, detections.y, 91, met_flags(), 7, raised);
    const s2v::Model model = NetworkFile().model();
    std::vector<float> expected(40), score(40);
    std::vector<std::uint32_t> expected_flags(40), flags(40);
    s2v::Scorer scorer(model);
    scorer.score(batch.view(), expected, expected_flags);
    CHECK(s2v_score_frames(scorer.c(), &science.frame, &reference.frame, &difference.frame, 40, detections.x.data(),
                           detections.y.data(), nullptr, score.data(), flags.data()) == S2V_OK);
    CHECK(same_bits(score, expected) && flags == expected_flags);
}

void frames_are_stored_in_any_way() {
    const Detections detections = everywhere(140, 180);
    const s2v::Model model = NetworkFile().model();
    for (int way = 0; way < 8; ++way) {
        const bool swapped = way % 2 == 1;
        Plain science(140, 180, S2V_SCIENCE), reference(140, 180, S2V_TEMPLATE), difference(140, 180, S2V_DIFFERENCE);
        difference.value[70 * 180 + 90] = nan_value;
        difference.value[71 * 180 + 92] = HUGE_VALF;
        const std::int64_t stride = way % 3 == 0 ? 0 : way % 3 == 1 ? 211 : -183;
        const auto store = [&](Plain &plain, int kind) {
            if (kind == 0) plain.store<float>(S2V_FLOAT32, stride, swapped);
            if (kind == 1) plain.store<double>(S2V_FLOAT64, stride, swapped, 0.1, 3.0);
            if (kind == 2) plain.store<std::int16_t>(S2V_INT16, stride, swapped, 0.05, 0.0);
            if (kind == 3) plain.store<std::uint16_t>(S2V_UINT16, stride, swapped, 0.125, -40.0);
            if (kind == 4) plain.store<std::int16_t>(S2V_INT16, stride, swapped, 1.0, 100.0);
            if (kind == 5) plain.store<float>(S2V_FLOAT32, stride, swapped, 2.0, 1.0);
        };
        store(science, way % 6);
        store(reference, (way + 2) % 6);
        store(difference, way % 2 ? 1 : way % 4 ? 0 : 5);
        const Plain *const all[3] = {&science, &reference, &difference};
        check_kernels(all, detections, nan_value);
        check_scores(model, all, detections, nan_value);
    }
}

void masks_and_variances_are_heeded() {
    const Detections detections = everywhere(160, 200);
    const s2v::Model model = NetworkFile().model();
    for (int way = 0; way < 4; ++way) {
        const bool swapped = way % 2 == 1;
        Plain science(160, 200, S2V_SCIENCE), reference(160, 200, S2V_TEMPLATE), difference(160, 200, S2V_DIFFERENCE);
        if (way == 0) science.put_mask<std::uint8_t>(S2V_UINT8, true, 203, swapped);
        if (way == 1) science.put_mask<std::int16_t>(S2V_INT16, true, 0, swapped);
        if (way == 2) science.put_mask<std::uint16_t>(S2V_UINT16, true, -200, swapped);
        if (way == 3) science.put_mask<std::int32_t>(S2V_INT32, true, 231, swapped);
        const float level = way % 2 ? 260.0F : nan_value;
        science.frame.saturation = level;
        // What masks of other frames say of saturation, and their level, is not looked at.
        difference.put_mask<std::int32_t>(S2V_INT32, false, 0, !swapped);
        difference.frame.saturation = 1.0F;
        if (way > 1) reference.put_variance<float>(S2V_FLOAT32, 207, swapped);
        if (way > 0) difference.put_variance<double>(S2V_FLOAT64, 0, swapped);
        const Plain *const all[3] = {&science, &reference, &difference};
        check_kernels(all, detections, level);
        check_scores(model, all, detections, level);
    }
}

void frames_may_begin_elsewhere() {
    Detections detections = everywhere(150, 190);
    for (double &x : detections.x) x += 1000.0;
    for (double &y : detections.y) y -= 30.0;
    Plain science(150, 190, S2V_SCIENCE, 1000, -30), reference(180, 170, S2V_TEMPLATE, 1013, -41);
    const Plain difference(120, 400, S2V_DIFFERENCE, 900, -10);
    science.put_mask<std::uint8_t>(S2V_UINT8, true);
    const Plain *const all[3] = {&science, &reference, &difference};
    check_kernels(all, detections, nan_value);
    check_scores(NetworkFile().model(), all, detections, nan_value);
    // A fraction counts too: the candidate is on another pixel of this frame.
    Plain shifted = reference;
    shifted.frame.x0 += 0.75;
    Detections one, other;
    one.add(1080.0, 40.0);
    other.add(1079.0, 40.0);
    std::vector<float> a(51 * 51), b(51 * 51);
    std::uint32_t flags = 0;
    CHECK(s2v_cut(&shifted.frame, 1, one.x.data(), one.y.data(), 51, a.data(), &flags) == S2V_OK);
    shifted.frame.x0 -= 0.75;
    CHECK(s2v_cut(&shifted.frame, 1, other.x.data(), other.y.data(), 51, b.data(), &flags) == S2V_OK);
    CHECK(same_bits(a, b) && a[0] == a[0]);
}

void stamps_are_cut() {
    Plain plain(150, 190, S2V_SCIENCE);
    plain.value[70 * 190 + 90] = -HUGE_VALF;
    plain.store<double>(S2V_FLOAT64, 200, true);
    plain.put_mask<std::int32_t>(S2V_INT32, true);
    plain.frame.saturation = 290.0F;
    const Detections detections = everywhere(150, 190);
    const auto n = static_cast<std::size_t>(detections.n());
    for (const std::int32_t side : {1, 2, 33, 64, 200}) {
        const auto pixels = static_cast<std::size_t>(side * side);
        std::vector<float> out(n * pixels, -7.0F), expected;
        std::vector<std::uint32_t> flags(n, ~0U), expected_flags;
        CHECK(s2v_cut(&plain.frame, detections.n(), detections.x.data(), detections.y.data(), side, out.data(),
                      flags.data()) == S2V_OK);
        for (std::size_t i = 0; i < n; ++i) {
            const bool near = std::abs(detections.x[i]) < 1e6 && std::abs(detections.y[i]) < 1e6;
            const auto row = static_cast<std::int64_t>(near ? std::floor(detections.y[i] + 0.5) : -1e6);
            const auto column = static_cast<std::int64_t>(near ? std::floor(detections.x[i] + 0.5) : -1e6);
            std::uint32_t met = 0;
            bool any = false;
            for (std::int64_t v = -side / 2; v < side - side / 2; ++v)
                for (std::int64_t u = -side / 2; u < side - side / 2; ++u) {
                    float pixel = nan_value;
                    if (plain.holds(row + v, column + u)) {
                        any = true;
                        const std::size_t at = plain.index(row + v, column + u);
                        const bool window = std::abs(v) <= 25 && std::abs(u) <= 25;
                        pixel = plain.value[at];
                        if (plain.saturated[at]) {
                            met |= window ? flag("saturated") : 0U;
                            if (!(pixel >= 290.0F)) pixel = 290.0F;
                        }
                        if (plain.bad[at]) {
                            met |= flag("masked_pixels");
                            pixel = nan_value;
                        }
                        if (window && pixel >= 290.0F) met |= flag("saturated");
                        if (!std::isfinite(pixel)) met |= flag("nan_pixels");
                    } else {
                        met |= flag("padded");
                    }
                    expected.push_back(pixel);
                }
            expected_flags.push_back(any ? met : met | flag("missing"));
        }
        CHECK(same_bits(out, expected));
        CHECK(flags == expected_flags);
    }
}

void threads_share_a_model_and_frames() {
    Plain science(150, 190, S2V_SCIENCE), reference(150, 190, S2V_TEMPLATE), difference(150, 190, S2V_DIFFERENCE);
    science.put_mask<std::int16_t>(S2V_INT16, true, 0, true);
    const Detections detections = everywhere(150, 190);
    const auto n = static_cast<std::size_t>(detections.n());
    const s2v::Model model = NetworkFile().model();
    std::vector<std::vector<float>> scores(8, std::vector<float>(n));
    std::vector<int> wrong(8);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            s2v::Scorer scorer(model);
            std::vector<std::uint32_t> flags(n);
            for (int again = 0; again < 3; ++again)
                wrong[i] += s2v_score_frames(scorer.c(), &science.frame, &reference.frame, &difference.frame,
                                             detections.n(), detections.x.data(), detections.y.data(), nullptr,
                                             scores[i].data(), flags.data()) == S2V_OK
                                ? 0
                                : 1;
        });
    for (std::thread &one : threads) one.join();
    for (std::size_t i = 0; i < 8; ++i) CHECK(wrong[i] == 0 && same_bits(scores[i], scores[0]));
}

}  // namespace

int main() {
#if defined(S2V_THREAD_SANITIZER)  // which would take many minutes for what has one thread
    constexpr bool kThreadsAlone = true;
#else
    constexpr bool kThreadsAlone = false;
#endif
    if (!kThreadsAlone) {
        frames_give_the_bits_of_stamps();
        larger_stamps_give_the_same_scores();
        frames_are_stored_in_any_way();
        masks_and_variances_are_heeded();
        frames_may_begin_elsewhere();
        stamps_are_cut();
    }
    threads_share_a_model_and_frames();
    return check::report();
}
