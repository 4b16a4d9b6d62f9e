// Whole frames through the C ABI: the same bits as stamps that a plain loop cuts, whatever the frames are stored as.
#include "check.hpp"
#include "synthetic_frames.hpp"
#include "synthetic_scoring.hpp"

#include <functional>
#include <thread>

namespace {

using synthetic::flag;
using synthetic::nan_value;
using synthetic::NetworkFile;
using synthetic::Plain;
using synthetic::same_bits;

struct Where {
    std::vector<double> x;
    std::vector<double> y;
    void add(double at_x, double at_y) {
        x.push_back(at_x);
        y.push_back(at_y);
    }
    [[nodiscard]] std::int64_t n() const {
        return static_cast<std::int64_t>(x.size());
    }
    [[nodiscard]] s2v::Positions positions() const {
        return {x, y};
    }
};

// Inside at sub-pixel positions, at every edge and corner, beyond, and nowhere.
Where everywhere(std::int32_t height, std::int32_t width) {
    Where where;
    synthetic::Random random(4);
    for (int i = 0; i < 24; ++i)
        where.add(40.0 + (width - 80.0) * random.uniform(), 40.0 + (height - 80.0) * random.uniform());
    const double xs[] = {0.0, -0.5, -0.500001, 3.2, width - 1.0, width - 0.5, width - 0.5000001, width + 20.0, -45.0};
    const double ys[] = {0.0, 12.5, height - 1.0, height / 2.0, height + 27.0};
    for (const double x : xs)
        for (const double y : ys) where.add(x, y);
    for (const double nowhere : {static_cast<double>(nan_value), HUGE_VAL, -HUGE_VAL, 1e300, -1e18}) {
        where.add(nowhere, 50.0);
        where.add(50.0, nowhere);
    }
    where.add(61.5, 62.5);  // of two pixels the higher
    return where;
}

synthetic::MetFlags met_flags() {
    return {flag("padded"), flag("masked_pixels"), flag("saturated")};
}

const s2v_frame *c(const Plain *plain) {
    return plain == nullptr ? nullptr : &plain->frame;
}

// Features and planes of frames are those of stamps that were cut by hand.
void check_kernels(const Plain *const (&frames)[3], const Where &where, float saturation) {
    const auto n = static_cast<std::size_t>(where.n());
    std::vector<std::uint32_t> raised;
    for (const std::int32_t sets : {1, 2, 3}) {
        const std::uint32_t used = (sets & 2) != 0 ? 7 : 6;
        const synthetic::Batch batch = synthetic::cut_by_hand(frames, where.x, where.y, 51, met_flags(), used, raised);
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
            CHECK(s2v_measure_frames(c(frames[0]), c(frames[1]), c(frames[2]), where.n(), where.x.data(),
                                     where.y.data(), sets, S2V_CONVENTION_CODE, values.data(), flags.data(),
                                     threads) == S2V_OK);
            CHECK(same_bits(values, expected));
            CHECK(flags == expected_flags);
        }
    }
    for (const char *const recipe : {"braai", "boom", "btsbot", "alerce-stamp", "transinet", "autoscan-r", "autoscan-b",
                                     "ayyar", "acero-3sigma", "robust-asinh", "zscale"}) {
        const auto shape = s2v::recipe_shape(recipe);
        const bool whole = std::string(recipe) == "alerce-stamp";
        const synthetic::Batch batch = synthetic::cut_by_hand(
            frames, where.x, where.y, whole ? 63 : std::max(51, shape[1]), met_flags(), 7, raised);
        s2v::Stamps stamps = batch.view();
        stamps.saturation = saturation;
        const std::size_t size = n * static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
        std::vector<float> expected(size), planes(size, -7.0F);
        std::vector<std::uint32_t> expected_flags(n), flags(n, ~0U);
        s2v::prepare(stamps, recipe, expected, expected_flags);
        for (std::size_t i = 0; i < n; ++i) expected_flags[i] |= raised[i];
        CHECK(s2v_prepare_frames(c(frames[0]), c(frames[1]), c(frames[2]), where.n(), where.x.data(), where.y.data(),
                                 recipe, planes.data(), flags.data(), 2) == S2V_OK);
        CHECK(same_bits(planes, expected));
        CHECK(flags == expected_flags);
    }
}

void check_scores(const s2v::Model &model, const Plain *const (&frames)[3], const Where &where, float saturation) {
    const auto n = static_cast<std::size_t>(where.n());
    std::vector<std::uint32_t> raised;
    const synthetic::Batch batch = synthetic::cut_by_hand(frames, where.x, where.y, 51, met_flags(), 7, raised);
    s2v::Stamps stamps = batch.view();
    stamps.saturation = saturation;
    std::vector<std::uint32_t> reader(n);  // what a reader saw is joined
    for (std::size_t i = 0; i < n; ++i) reader[i] = i % 7 == 3 ? flag("bad_cell") : 0;
    for (std::size_t i = 0; i < n; ++i) raised[i] |= reader[i];
    std::vector<float> expected(n);
    std::vector<std::uint32_t> expected_flags(n);
    s2v::Scorer(model).score(stamps, expected, expected_flags, {}, raised);
    const auto scored = std::count_if(expected.begin(), expected.end(), [](float x) { return x == x; });
    CHECK(scored >= 24 && scored < where.n());
    const s2v_catalogue known = {sizeof known, nullptr, reader.data()};
    for (const int threads : {1, 3}) {
        s2v::Scorer scorer(model, threads);
        for (int again = 0; again < 2; ++again) {
            std::vector<float> score(n, -7.0F);
            std::vector<std::uint32_t> flags(n, ~0U);
            CHECK(s2v_score_frames(scorer.c(), c(frames[0]), c(frames[1]), c(frames[2]), where.n(), where.x.data(),
                                   where.y.data(), &known, score.data(), flags.data()) == S2V_OK);
            CHECK(same_bits(score, expected));
            CHECK(flags == expected_flags);
        }
    }
}

void frames_give_the_bits_of_stamps() {
    const Plain science(150, 190, S2V_SCIENCE), reference(150, 190, S2V_TEMPLATE), difference(150, 190, S2V_DIFFERENCE);
    const Where where = everywhere(150, 190);
    const Plain *const all[3] = {&science, &reference, &difference};
    check_kernels(all, where, nan_value);
    const NetworkFile file;
    check_scores(file.model(), all, where, nan_value);
    check_scores(synthetic::CascadeFile().model(0.3F, 0.7F), all, where, nan_value);
    const Plain *const pair[3] = {&science, nullptr, &difference};
    check_kernels(pair, where, nan_value);
    check_scores(file.model(), pair, where, nan_value);
}

// Of a stamp of any size the pixels beyond the windows count for nothing.
void larger_stamps_give_the_same_scores() {
    const Plain science(150, 190, S2V_SCIENCE), reference(150, 190, S2V_TEMPLATE), difference(150, 190, S2V_DIFFERENCE);
    const Plain *const all[3] = {&science, &reference, &difference};
    Where where;
    for (int i = 0; i < 40; ++i) where.add(45.0 + 2.4 * i, 46.0 + 1.3 * i);
    std::vector<std::uint32_t> raised;
    const synthetic::Batch batch = synthetic::cut_by_hand(all, where.x, where.y, 91, met_flags(), 7, raised);
    const s2v::Model model = NetworkFile().model();
    std::vector<float> expected(40), score(40);
    std::vector<std::uint32_t> expected_flags(40), flags(40);
    s2v::Scorer scorer(model);
    scorer.score(batch.view(), expected, expected_flags);
    CHECK(s2v_score_frames(scorer.c(), &science.frame, &reference.frame, &difference.frame, 40, where.x.data(),
                           where.y.data(), nullptr, score.data(), flags.data()) == S2V_OK);
    CHECK(same_bits(score, expected) && flags == expected_flags);
}

void frames_are_stored_in_any_way() {
    const Where where = everywhere(140, 180);
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
        check_kernels(all, where, nan_value);
        check_scores(model, all, where, nan_value);
    }
}

void masks_and_variances_are_heeded() {
    const Where where = everywhere(160, 200);
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
        check_kernels(all, where, level);
        check_scores(model, all, where, level);
    }
}

void frames_may_begin_elsewhere() {
    Where where = everywhere(150, 190);
    for (double &x : where.x) x += 1000.0;
    for (double &y : where.y) y -= 30.0;
    Plain science(150, 190, S2V_SCIENCE, 1000, -30), reference(180, 170, S2V_TEMPLATE, 1013, -41);
    const Plain difference(120, 400, S2V_DIFFERENCE, 900, -10);
    science.put_mask<std::uint8_t>(S2V_UINT8, true);
    const Plain *const all[3] = {&science, &reference, &difference};
    check_kernels(all, where, nan_value);
    check_scores(NetworkFile().model(), all, where, nan_value);
    // A fraction counts too: the candidate is on another pixel of this frame.
    Plain shifted = reference;
    shifted.frame.x0 += 0.75;
    Where one, other;
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
    const Where where = everywhere(150, 190);
    const auto n = static_cast<std::size_t>(where.n());
    for (const std::int32_t side : {1, 2, 33, 64, 200}) {
        const auto pixels = static_cast<std::size_t>(side * side);
        std::vector<float> out(n * pixels, -7.0F), expected;
        std::vector<std::uint32_t> flags(n, ~0U), expected_flags;
        CHECK(s2v_cut(&plain.frame, where.n(), where.x.data(), where.y.data(), side, out.data(), flags.data()) ==
              S2V_OK);
        for (std::size_t i = 0; i < n; ++i) {
            const bool near = std::abs(where.x[i]) < 1e6 && std::abs(where.y[i]) < 1e6;
            const auto row = static_cast<std::int64_t>(near ? std::floor(where.y[i] + 0.5) : -1e6);
            const auto column = static_cast<std::int64_t>(near ? std::floor(where.x[i] + 0.5) : -1e6);
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

// Each thing that cannot be is refused with a sentence that names the frame, and nothing is written.
void what_cannot_be_is_refused() {
    Plain good(60, 70, S2V_SCIENCE);
    good.put_mask<std::int32_t>(S2V_INT32, true);
    good.put_variance<float>(S2V_FLOAT32);
    const double x = 30.0;
    const double y = 30.0;
    float out[51 * 51] = {-7.0F};
    std::uint32_t flags = 12345;
    const auto refused = [&](const std::function<void(s2v_frame &)> &spoil, const char *word) {
        s2v_frame frame = good.frame;
        spoil(frame);
        CHECK(s2v_measure_frames(&good.frame, &frame, &good.frame, 1, &x, &y, 1, 0, out, &flags, 1) ==
              S2V_INVALID_ARGUMENT);
        CHECK(std::strstr(s2v_last_error(), word) != nullptr);
        CHECK(std::strstr(s2v_last_error(), "reference") != nullptr);
        CHECK(out[0] == -7.0F && flags == 12345);
    };
    refused([](s2v_frame &f) { f.size = sizeof f - 1; }, "size");
    refused([](s2v_frame &f) { f.size = 0; }, "size");
    refused([](s2v_frame &f) { f.pixels = nullptr; }, "pixels");
    for (const std::int32_t bad : {0, -1, (1 << 24) + 1}) {
        refused([=](s2v_frame &f) { f.height = bad; }, "height");
        refused([=](s2v_frame &f) { f.width = bad; }, "width");
    }
    for (const std::int32_t bad : {0, -1, 7, 99, S2V_UINT8 + 0, S2V_FLOAT32 | S2V_BIG_ENDIAN | S2V_LITTLE_ENDIAN}) {
        refused([=](s2v_frame &f) { f.dtype = bad; }, "dtype");
        if (bad != S2V_UINT8) refused([=](s2v_frame &f) { f.mask_dtype = bad; }, "mask_dtype");
        refused([=](s2v_frame &f) { f.variance_dtype = bad; }, "variance_dtype");
    }
    refused([](s2v_frame &f) { f.mask_dtype = S2V_FLOAT32; }, "mask_dtype");
    refused([](s2v_frame &f) { f.variance_dtype = S2V_INT16; }, "variance_dtype");
    for (const std::int64_t bad : {std::int64_t{69}, std::int64_t{-69}, std::int64_t{1} << 32, INT64_MIN, INT64_MAX}) {
        refused([=](s2v_frame &f) { f.row_stride = bad; }, "row_stride");
        refused([=](s2v_frame &f) { f.mask_stride = bad; }, "mask_stride");
        refused([=](s2v_frame &f) { f.variance_stride = bad; }, "variance_stride");
    }
    for (const double bad : {static_cast<double>(nan_value), HUGE_VAL}) {
        refused([=](s2v_frame &f) { f.scale = bad; }, "scale");
        refused([=](s2v_frame &f) { f.zero = bad; }, "zero");
        refused([=](s2v_frame &f) { f.x0 = bad; }, "x0");
        refused([=](s2v_frame &f) { f.y0 = bad; }, "y0");
    }
    refused([](s2v_frame &f) { f.scale = 0.0; }, "scale");
    refused([](s2v_frame &f) { f.mask = nullptr; }, "mask");

    const s2v_frame *const f = &good.frame;
    const s2v::Model model = NetworkFile().model();
    s2v::Scorer scorer(model);
    s2v_scorer *const s = scorer.c();
    const auto wrong = [](s2v_status status) { return status == S2V_INVALID_ARGUMENT; };
    CHECK(wrong(s2v_score_frames(nullptr, f, f, f, 1, &x, &y, nullptr, out, &flags)));
    CHECK(wrong(s2v_score_frames(s, nullptr, nullptr, nullptr, 1, &x, &y, nullptr, out, &flags)));
    CHECK(wrong(s2v_score_frames(s, f, f, f, -1, &x, &y, nullptr, out, &flags)));
    CHECK(wrong(s2v_score_frames(s, f, f, f, std::int64_t{1} << 31, &x, &y, nullptr, out, &flags)));
    CHECK(wrong(s2v_score_frames(s, f, f, f, 1, nullptr, &y, nullptr, out, &flags)));
    CHECK(wrong(s2v_score_frames(s, f, f, f, 1, &x, nullptr, nullptr, out, &flags)));
    CHECK(wrong(s2v_score_frames(s, f, f, f, 1, &x, &y, nullptr, nullptr, &flags)));
    CHECK(wrong(s2v_score_frames(s, f, f, f, 1, &x, &y, nullptr, out, nullptr)));
    const s2v_catalogue small = {sizeof small - 1, nullptr, nullptr};
    CHECK(wrong(s2v_score_frames(s, f, f, f, 1, &x, &y, &small, out, &flags)));
    CHECK(s2v_score_frames(s, f, f, f, 0, nullptr, nullptr, nullptr, nullptr, nullptr) == S2V_OK);
    CHECK(wrong(s2v_measure_frames(f, f, f, 1, &x, &y, 0, 0, out, &flags, 1)));
    CHECK(wrong(s2v_measure_frames(f, f, f, 1, &x, &y, 4, 0, out, &flags, 1)));
    CHECK(wrong(s2v_measure_frames(f, f, f, 1, &x, &y, 1, 2, out, &flags, 1)));
    CHECK(wrong(s2v_measure_frames(f, f, f, 1, &x, &y, 1, 0, out, &flags, -1)));
    CHECK(wrong(s2v_measure_frames(f, f, f, 1, &x, &y, 1, 0, nullptr, &flags, 1)));
    CHECK(wrong(s2v_prepare_frames(f, f, f, 1, &x, &y, nullptr, out, &flags, 1)));
    CHECK(s2v_prepare_frames(f, f, f, 1, &x, &y, "braii", out, &flags, 1) == S2V_UNKNOWN_NAME);
    CHECK(wrong(s2v_prepare_frames(f, f, f, 1, &x, &y, "braai", nullptr, &flags, 1)));
    CHECK(wrong(s2v_prepare_frames(f, f, f, 1, &x, &y, "braai", out, &flags, -1)));
    CHECK(wrong(s2v_cut(nullptr, 1, &x, &y, 51, out, &flags)));
    for (const std::int32_t side : {0, -1, 4097}) CHECK(wrong(s2v_cut(f, 1, &x, &y, side, out, &flags)));
    CHECK(wrong(s2v_cut(f, 1, &x, &y, 51, nullptr, &flags)));
    CHECK(wrong(s2v_cut(f, 1, &x, &y, 51, out, nullptr)));
    CHECK(s2v_cut(f, 0, nullptr, nullptr, 51, nullptr, nullptr) == S2V_OK);
    s2v_frame_init(nullptr);
    CHECK(out[0] == -7.0F && flags == 12345);
}

void threads_share_a_model_and_frames() {
    Plain science(150, 190, S2V_SCIENCE), reference(150, 190, S2V_TEMPLATE), difference(150, 190, S2V_DIFFERENCE);
    science.put_mask<std::int16_t>(S2V_INT16, true, 0, true);
    const Where where = everywhere(150, 190);
    const auto n = static_cast<std::size_t>(where.n());
    const s2v::Model model = NetworkFile().model();
    std::vector<std::vector<float>> scores(8, std::vector<float>(n));
    std::vector<int> wrong(8);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            s2v::Scorer scorer(model);
            std::vector<std::uint32_t> flags(n);
            for (int again = 0; again < 3; ++again)
                wrong[i] +=
                    s2v_score_frames(scorer.c(), &science.frame, &reference.frame, &difference.frame, where.n(),
                                     where.x.data(), where.y.data(), nullptr, scores[i].data(), flags.data()) == S2V_OK
                        ? 0
                        : 1;
        });
    for (std::thread &one : threads) one.join();
    for (std::size_t i = 0; i < 8; ++i) CHECK(wrong[i] == 0 && same_bits(scores[i], scores[0]));
}

// The C++ face: spans are checked, and the calls are those of the C ABI.
void spans_describe_frames() {
    const Plain science(60, 70, S2V_SCIENCE), difference(60, 70, S2V_DIFFERENCE);
    std::vector<double> doubles(science.value.begin(), science.value.end());
    std::vector<std::uint8_t> mask(doubles.size());
    mask[30 * 70 + 31] = 2;
    std::vector<float> variance(doubles.size(), 1.0F);
    const s2v::Frame plain(std::span<const float>(science.value), 60, 70);
    s2v::Frame rich(std::span<const double>(doubles), 60, 70);
    rich.masked(std::span<const std::uint8_t>(mask), 2).with_variance(std::span<const float>(variance));
    rich.scaled(2.0, 1.0).saturated_from(5e4F).at(100.0, 200.0);
    const s2v::Frame third(std::span<const float>(difference.value), 60, 70);
    Where where;
    where.add(30.2, 29.9);
    where.add(35.0, 30.0);
    const s2v::Model model = NetworkFile().model();
    s2v::Scorer scorer(model);
    std::vector<float> score(2), values(2 * 18), planes(std::size_t{2} * 3 * 63 * 63), stamp(std::size_t{2} * 21 * 21);
    std::vector<std::uint32_t> flags(2);
    s2v::score_frames(scorer, {&plain, &plain, &third}, where.positions(), score, flags);
    CHECK(score[0] > 0.0F && score[1] < 1.0F);
    s2v::measure_frames({&plain, nullptr, &third}, where.positions(), S2V_SET_AUTOSCAN, values, flags);
    CHECK((flags[0] & flag("missing")) != 0);
    s2v::prepare_frames({&plain, &plain, &third}, where.positions(), "braai", planes, flags);
    CHECK((flags[0] & flag("padded")) != 0);
    where.x[0] += 100.0;
    where.y[0] += 200.0;
    s2v::cut(rich, where.positions(), 21, stamp, flags);
    CHECK(flags[0] == (flag("masked_pixels") | flag("nan_pixels")) && stamp[10 * 21 + 11] != stamp[10 * 21 + 11]);
    CHECK(stamp[10 * 21 + 10] == static_cast<float>(2.0 * doubles[30 * 70 + 30] + 1.0));
    CHECK((flags[1] & flag("missing")) != 0);
    const auto small = std::span<const float>(science.value).subspan(1);
    CHECK_THROWS(s2v::Frame(small, 60, 70), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    CHECK_THROWS(s2v::Frame(small, 60, 70, 69), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    CHECK_THROWS(rich.masked(std::span<const std::uint8_t>(mask), 2, 0, 75), s2v::Error, true);
    CHECK_THROWS(s2v::cut(rich, where.positions(), 22, stamp, flags), s2v::Error, true);
    CHECK_THROWS(s2v::score_frames(scorer, {}, where.positions(), score, flags), s2v::Error,
                 std::strstr(caught.what(), "no frame") != nullptr);
    const s2v::Frame zero = s2v::Frame(std::span<const float>(science.value), 60, 70).scaled(0.0, 0.0);
    CHECK_THROWS(s2v::cut(zero, where.positions(), 21, stamp, flags), s2v::Error,
                 std::strstr(caught.what(), "scale") != nullptr);
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
    what_cannot_be_is_refused();
    threads_share_a_model_and_frames();
    spans_describe_frames();
    return check::report();
}
