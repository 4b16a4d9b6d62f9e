// The calls that take whole frames: what they refuse, and how C++ describes frames by spans.
#include "check.hpp"
#include "synthetic_frames.hpp"
#include "synthetic_scoring.hpp"

#include <functional>

namespace {

using synthetic::Detections;
using synthetic::flag;
using synthetic::nan_value;
using synthetic::NetworkFile;
using synthetic::Plain;

// A frame that cannot be is refused with a sentence that names it, and nothing is written.
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

// The C++ face checks spans, and calls the C ABI.
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
    Detections detections;
    detections.add(30.2, 29.9);
    detections.add(35.0, 30.0);
    const s2v::Model model = NetworkFile().model();
    s2v::Scorer scorer(model);
    std::vector<float> score(2), values(2 * 18), planes(std::size_t{2} * 3 * 63 * 63), stamp(std::size_t{2} * 21 * 21);
    std::vector<std::uint32_t> flags(2);
    s2v::score_frames(scorer, {&plain, &plain, &third}, detections.positions(), score, flags);
    CHECK(score[0] > 0.0F && score[1] < 1.0F);
    s2v::measure_frames({&plain, nullptr, &third}, detections.positions(), S2V_SET_AUTOSCAN, values, flags);
    CHECK((flags[0] & flag("missing")) != 0);
    s2v::prepare_frames({&plain, &plain, &third}, detections.positions(), "braai", planes, flags);
    CHECK((flags[0] & flag("padded")) != 0);
    detections.x[0] += 100.0;
    detections.y[0] += 200.0;
    s2v::cut(rich, detections.positions(), 21, stamp, flags);
    CHECK(flags[0] == (flag("masked_pixels") | flag("nan_pixels")) && stamp[10 * 21 + 11] != stamp[10 * 21 + 11]);
    CHECK(stamp[10 * 21 + 10] == static_cast<float>(2.0 * doubles[30 * 70 + 30] + 1.0));
    CHECK((flags[1] & flag("missing")) != 0);
    const auto small = std::span<const float>(science.value).subspan(1);
    CHECK_THROWS(s2v::Frame(small, 60, 70), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    CHECK_THROWS(s2v::Frame(small, 60, 70, 69), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    CHECK_THROWS(rich.masked(std::span<const std::uint8_t>(mask), 2, 0, 75), s2v::Error, true);
    CHECK_THROWS(s2v::cut(rich, detections.positions(), 22, stamp, flags), s2v::Error, true);
    CHECK_THROWS(s2v::score_frames(scorer, {}, detections.positions(), score, flags), s2v::Error,
                 std::strstr(caught.what(), "no frame") != nullptr);
    const s2v::Frame zero = s2v::Frame(std::span<const float>(science.value), 60, 70).scaled(0.0, 0.0);
    CHECK_THROWS(s2v::cut(zero, detections.positions(), 21, stamp, flags), s2v::Error,
                 std::strstr(caught.what(), "scale") != nullptr);
}

}  // namespace

int main() {
    what_cannot_be_is_refused();
    spans_describe_frames();
    return check::report();
}
