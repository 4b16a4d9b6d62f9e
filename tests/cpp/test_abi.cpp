// The C ABI and the C++ face: the registry, every way a call is refused, and batches that come out row by row.
#include "check.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr const char *kRecipes[] = {"braai",      "boom",  "btsbot",       "alerce-stamp", "transinet", "autoscan-r",
                                    "autoscan-b", "ayyar", "acero-3sigma", "robust-asinh", "zscale"};

constexpr std::int32_t kBoth = S2V_SET_AUTOSCAN | S2V_SET_S2V;

void registry_is_told() {
    CHECK(s2v::version() == S2V_VERSION);
    CHECK(s2v_isa() != nullptr);
    const std::string document = s2v_registry();
    CHECK(s2v_stamp_feature_count(S2V_SET_AUTOSCAN) == 18);
    CHECK(s2v_stamp_feature_count(kBoth) == 18 + s2v_stamp_feature_count(S2V_SET_S2V));
    for (const std::int32_t sets : {0, -1, 4, 7}) {
        CHECK(s2v_stamp_feature_count(sets) == 0);
        CHECK(s2v_stamp_feature_name(sets, 0) == nullptr);
    }
    std::set<std::string> names;
    for (const std::int32_t sets : {S2V_SET_AUTOSCAN + 0, S2V_SET_S2V + 0}) {
        const std::int32_t count = s2v_stamp_feature_count(sets);
        const std::int32_t before = sets == S2V_SET_S2V ? 18 : 0;
        for (std::int32_t i = 0; i < count; ++i) {
            const std::string name = s2v_stamp_feature_name(sets, i);
            CHECK(name == s2v_stamp_feature_name(kBoth, before + i));
            CHECK(document.find('"' + name + '"') != std::string::npos);
            names.insert(name);
        }
        CHECK(s2v_stamp_feature_name(sets, count) == nullptr);
        CHECK(s2v_stamp_feature_name(sets, -1) == nullptr);
    }
    CHECK(names.size() == static_cast<std::size_t>(s2v_stamp_feature_count(kBoth)));
    for (const char *name : kRecipes) {
        const auto [channels, height, width] = s2v::recipe_shape(name);
        CHECK(channels == 3 && height >= 21 && height <= 63 && width == height);
        CHECK(document.find('"' + std::string(name) + '"') != std::string::npos);
    }
    CHECK_THROWS(s2v::recipe_shape("Braai"), s2v::Error, caught.status() == S2V_UNKNOWN_NAME);
    std::set<std::string> messages;
    for (int status = S2V_OK; status <= S2V_SYSTEM_ERROR; ++status)
        messages.insert(s2v_status_message(static_cast<s2v_status>(status)));
    CHECK(messages.size() == S2V_SYSTEM_ERROR + 1 && !messages.contains("unknown status"));
}

// Flags in C have the bits of the registry, and the registry has no others.
void flags_are_those_of_the_registry() {
    const std::string all = s2v_registry();
    const std::string document = all.substr(0, all.find("\"faults\""));
    struct Named {
        const char *name;
        std::uint32_t flag;
    };
    constexpr Named flags[] = {{"nan_pixels", S2V_FLAG_NAN_PIXELS},
                               {"masked_pixels", S2V_FLAG_MASKED_PIXELS},
                               {"padded", S2V_FLAG_PADDED},
                               {"cropped", S2V_FLAG_CROPPED},
                               {"constant", S2V_FLAG_CONSTANT},
                               {"zero_scale", S2V_FLAG_ZERO_SCALE},
                               {"saturated", S2V_FLAG_SATURATED},
                               {"bad_stamp", S2V_FLAG_BAD_STAMP},
                               {"missing", S2V_FLAG_MISSING},
                               {"off_shape", S2V_FLAG_OFF_SHAPE},
                               {"fit_failed", S2V_FLAG_FIT_FAILED},
                               {"moments_failed", S2V_FLAG_MOMENTS_FAILED},
                               {"no_psf", S2V_FLAG_NO_PSF},
                               {"bad_cell", S2V_FLAG_BAD_CELL},
                               {"scored_early", S2V_FLAG_SCORED_EARLY},
                               {"surplus", S2V_FLAG_SURPLUS},
                               {"masked_core", S2V_FLAG_MASKED_CORE},
                               {"no_flux_scale", S2V_FLAG_NO_FLUX_SCALE}};
    std::size_t bits = 0;
    for (std::size_t at = 0; (at = document.find("\"bit\": ", at)) != std::string::npos; ++at) ++bits;
    CHECK(bits == std::size(flags));
    std::uint32_t unfamiliar = 0;
    for (const auto &[name, flag] : flags) {
        const std::size_t begin = document.find("{\"name\": \"" + std::string(name) + "\", \"bit\": ");
        CHECK(begin != std::string::npos);
        if (begin == std::string::npos) continue;
        const std::string entry = document.substr(begin, document.find('}', begin) - begin);
        CHECK(flag == 1U << std::stoi(entry.substr(entry.find("\"bit\": ") + 7)));
        if (entry.find("\"familiar\": false") != std::string::npos) unfamiliar |= flag;
    }
    CHECK(unfamiliar == S2V_UNFAMILIAR_FLAGS && unfamiliar != 0);
}

// A good call, to be damaged.
struct Call {
    synthetic::Batch batch;
    s2v_stamps stamps = s2v::sized<s2v_stamps>();
    int sets = S2V_SET_AUTOSCAN;
    s2v_convention convention = S2V_CONVENTION_CODE;
    const char *recipe = "braai";
    std::vector<float> values;
    std::vector<std::uint32_t> flags;
    float *out = nullptr;
    std::uint32_t *bits = nullptr;
    std::int32_t threads = 1;

    Call() {
        synthetic::Random random(3);
        for (int i = 0; i < 3; ++i) batch.add(63, 63, 31, 31, synthetic::Fault::kNone, random);
        values.resize(std::size_t{3} * 3 * 63 * 63);
        flags.resize(3);
        stamps = batch.view().c();
        out = values.data();
        bits = flags.data();
    }
    // What features and prepare both return; -1 where they differ.
    [[nodiscard]] int status() const {
        const s2v_stamps *const view = stamps.n == 99 ? nullptr : &stamps;
        const int one = s2v_features(view, sets, convention, out, bits, threads);
        const int two = s2v_prepare(view, recipe, out, bits, threads);
        return one == two ? one : -1;
    }
};

void bad_calls_are_refused() {
    const auto after = [](const std::function<void(Call &)> &damage) {
        Call call;
        damage(call);
        return call.status();
    };
    CHECK(after([](Call &) {}) == S2V_OK);
    CHECK(after([](Call &c) { c.stamps.n = 0; }) == S2V_OK);
    CHECK(after([](Call &c) { c.stamps = s2v::sized<s2v_stamps>(); }) == S2V_OK);
    CHECK(after([](Call &c) { c.threads = 0; }) == S2V_OK);
    CHECK(after([](Call &c) { c.stamps.centre = nullptr; }) == S2V_OK);
    CHECK(after([](Call &c) { c.stamps.n = 99; }) == S2V_INVALID_ARGUMENT);  // null stamps
    CHECK(after([](Call &c) { c.stamps.n = -1; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.threads = -1; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.out = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.bits = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.stamps.pixels = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.stamps.offset = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.stamps.shape = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.stamps.pixel_count = 0; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.stamps.pixel_count -= 1; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.batch.offset[8] += 1; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.batch.offset[0] = INT64_MAX; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.batch.offset[0] = INT64_MIN; }) == S2V_OK);  // missing
    for (const std::int32_t side : {0, -1, 1 << 20, INT32_MAX, INT32_MIN})
        CHECK(after([side](Call &c) { c.batch.shape[3] = side; }) == S2V_INVALID_ARGUMENT);
    for (const std::int32_t place : {1 << 20, INT32_MAX, INT32_MIN})
        CHECK(after([place](Call &c) { c.batch.centre[3] = place; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.batch.centre[3] = -16384; }) == S2V_OK);

    Call call;
    for (const std::int32_t sets : {0, -1, 4})
        CHECK(s2v_features(&call.stamps, sets, S2V_CONVENTION_CODE, call.out, call.bits, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_features(&call.stamps, S2V_SET_AUTOSCAN, 2, call.out, call.bits, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_prepare(&call.stamps, nullptr, call.out, call.bits, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_prepare(&call.stamps, "no-such-recipe", call.out, call.bits, 1) == S2V_UNKNOWN_NAME);
    CHECK(s2v_recipe_shape("braai", nullptr) == S2V_INVALID_ARGUMENT);
    std::int32_t shape[3];
    CHECK(s2v_recipe_shape(nullptr, shape) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_recipe_shape("", shape) == S2V_UNKNOWN_NAME);
}

void cpp_face_checks_lengths() {
    Call call;
    s2v::Stamps stamps = call.batch.view();
    std::vector<float> values(3 * 18), planes(std::size_t{3} * 3 * 63 * 63);
    std::vector<std::uint32_t> flags(3);
    s2v::features(stamps, S2V_SET_AUTOSCAN, values, flags);
    s2v::prepare(stamps, "boom", planes, flags);
    CHECK(std::abs(planes[31 * 63 + 31]) <= 1.0F);
    const auto invalid = [](const s2v::Error &error) { return error.status() == S2V_INVALID_ARGUMENT; };
    CHECK_THROWS((s2v::features(stamps, S2V_SET_AUTOSCAN, planes, flags), 0), s2v::Error, invalid(caught));
    CHECK_THROWS((s2v::prepare(stamps, "boom", values, flags), 0), s2v::Error, invalid(caught));
    CHECK_THROWS((s2v::prepare(stamps, "nothing", values, flags), 0), s2v::Error, caught.status() == S2V_UNKNOWN_NAME);
    stamps.shape = stamps.shape.first(4);
    CHECK_THROWS((s2v::features(stamps, S2V_SET_AUTOSCAN, values, flags), 0), s2v::Error, invalid(caught));
}

bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// A set alone gives the columns that it has among those of both, `together`.
void sets_do_not_depend_on_each_other(const synthetic::Batch &batch, const std::vector<float> &together) {
    const std::size_t n = batch.size();
    const auto all = static_cast<std::size_t>(s2v_stamp_feature_count(kBoth));
    std::vector<std::uint32_t> flags(n);
    for (const std::int32_t sets : {S2V_SET_AUTOSCAN + 0, S2V_SET_S2V + 0}) {
        const auto columns = static_cast<std::size_t>(s2v_stamp_feature_count(sets));
        const std::size_t first = sets == S2V_SET_S2V ? all - columns : 0;
        std::vector<float> alone(n * columns);
        s2v::features(batch.view(), sets, alone, flags, S2V_CONVENTION_PAPER);
        for (std::size_t row = 0; row < n; ++row)
            CHECK(std::memcmp(&alone[row * columns], &together[row * all + first], columns * sizeof(float)) == 0);
    }
}

void rows_do_not_depend_on_each_other() {
    const synthetic::Batch batch = synthetic::everything(2);
    const std::size_t n = batch.size();
    const auto columns = static_cast<std::size_t>(s2v_stamp_feature_count(kBoth));
    std::vector<float> together(n * columns), alone(n * columns), threaded(n * columns);
    std::vector<std::uint32_t> flags(n), flags_alone(n), flags_threaded(n);
    s2v::features(batch.view(), kBoth, together, flags, S2V_CONVENTION_PAPER);
    s2v::features(batch.view(), kBoth, threaded, flags_threaded, S2V_CONVENTION_PAPER, 3);
    for (std::size_t row = 0; row < n; ++row) {
        s2v_stamps one = batch.view().c();
        one.offset += 3 * row;
        one.shape += 6 * row;
        one.centre += 2 * row;
        one.n = 1;
        CHECK(s2v_features(&one, kBoth, S2V_CONVENTION_PAPER, &alone[row * columns], &flags_alone[row], 1) == S2V_OK);
    }
    CHECK(same_bits(together, threaded) && flags == flags_threaded);
    CHECK(same_bits(together, alone) && flags == flags_alone);
    sets_do_not_depend_on_each_other(batch, together);
    for (const char *recipe : kRecipes) {
        const auto [channels, height, width] = s2v::recipe_shape(recipe);
        const auto size = static_cast<std::size_t>(channels * height * width);
        std::vector<float> first(n * size, -7.0F), second(n * size, -7.0F);
        s2v::prepare(batch.view(), recipe, first, flags, 1);
        s2v::prepare(batch.view(), recipe, second, flags_threaded, 2);
        CHECK(same_bits(first, second) && flags == flags_threaded);
        // A row is a whole result or NaN throughout, never a mixture and never left unwritten.
        bool good = true;
        for (std::size_t row = 0; row < n; ++row) {
            const auto begin = first.begin() + static_cast<std::ptrdiff_t>(row * size);
            const auto nans =
                std::count_if(begin, begin + static_cast<std::ptrdiff_t>(size), [](float x) { return x != x; });
            good = good && (nans == 0 || (nans == static_cast<std::ptrdiff_t>(size) && flags[row] != 0));
        }
        CHECK(good);
    }
}

void centre_is_the_middle_by_default() {
    synthetic::Batch batch;
    synthetic::Random random(9);
    batch.add(63, 52, 31, 26, synthetic::Fault::kNone, random);
    std::vector<float> given(18), omitted(18);
    std::vector<std::uint32_t> flags(1);
    s2v::features(batch.view(), S2V_SET_AUTOSCAN, given, flags);
    s2v::Stamps stamps = batch.view();
    stamps.centre = {};
    s2v::features(stamps, S2V_SET_AUTOSCAN, omitted, flags);
    CHECK(same_bits(given, omitted));
}

// A FITS file with one image (height, width) of bytes, 0 1 2 and so on.
std::vector<std::uint8_t> fits_of(int height, int width) {
    std::string file;
    for (const std::string &card : {std::string("SIMPLE  = T"), std::string("BITPIX  = 8"), std::string("NAXIS   = 2"),
                                    "NAXIS1  = " + std::to_string(width), "NAXIS2  = " + std::to_string(height),
                                    std::string("CRPIX1  = 1.5"), std::string("END")}) {
        file += card;
        file.resize((file.size() + 79) / 80 * 80, ' ');
    }
    file.resize(2880, ' ');
    for (int i = 0; i < height * width; ++i) file += static_cast<char>(i);
    return {file.begin(), file.end()};
}

void fits_images_are_read() {
    const auto small = fits_of(3, 5);
    const s2v::Image image = s2v::fits_image(small);
    CHECK(image.height == 3 && image.width == 5 && image.pixels.size() == 15 && image.pixels[14] == 14.0f);
    CHECK(std::isnan(image.crpix[0]) && image.crpix[1] == 1.5);
    CHECK(s2v::fits_image(small, "primary").pixels == image.pixels);
    const s2v::Image large = s2v::fits_image(fits_of(70, 65));
    CHECK(large.pixels.size() == std::size_t{70} * 65 && large.pixels[255] == 255.0f && large.pixels[256] == 0.0f);

    const std::span<const std::uint8_t> cut(small.data(), small.size() - 1);
    CHECK_THROWS(s2v::fits_image(cut), s2v::InputError,
                 caught.fault() == "truncated" && caught.offset() == cut.size() && caught.status() == S2V_BAD_INPUT);
    CHECK_THROWS(s2v::fits_image({}), s2v::InputError, caught.fault() == "empty_cutout");
    CHECK_THROWS(s2v::fits_image(small, "mask"), s2v::InputError, caught.fault() == "truncated");  // no padding

    auto sizes = s2v::sized<s2v_image>();
    float pixels[15] = {};
    const auto read = [&](const void *bytes, std::int64_t size, float *out, std::int64_t capacity, s2v_image *found) {
        return s2v_fits_image(bytes, size, nullptr, out, capacity, found);
    };
    const auto size = static_cast<std::int64_t>(small.size());
    CHECK(read(small.data(), size, nullptr, 0, &sizes) == S2V_OK && sizes.height == 3 && sizes.width == 5);
    CHECK(read(small.data(), size, pixels, 14, &sizes) == S2V_INVALID_ARGUMENT && sizes.width == 5 &&
          pixels[1] == 0.0f);
    CHECK(read(small.data(), size, pixels, 15, &sizes) == S2V_OK && pixels[14] == 14.0f && sizes.fault == 0);
    CHECK(read(small.data(), -1, pixels, 15, &sizes) == S2V_INVALID_ARGUMENT);
    CHECK(read(nullptr, 1, pixels, 15, &sizes) == S2V_INVALID_ARGUMENT);
    CHECK(read(small.data(), size, pixels, 15, nullptr) == S2V_INVALID_ARGUMENT);

    const std::string document = s2v_registry();
    CHECK(std::string(s2v_fault_name(0)) == "none" && s2v_fault_name(-1) == nullptr);
    std::int32_t fault = 1;
    for (; const char *name = s2v_fault_name(fault); ++fault)
        CHECK(document.find("\"name\": \"" + std::string(name) + '"') != std::string::npos);
    CHECK(fault > 10);
}

}  // namespace

int main() {
    registry_is_told();
    flags_are_those_of_the_registry();
    bad_calls_are_refused();
    cpp_face_checks_lengths();
    rows_do_not_depend_on_each_other();
    centre_is_the_middle_by_default();
    fits_images_are_read();
    return check::report();
}
