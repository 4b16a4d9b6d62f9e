// Normalisers through the C ABI and the C++ face: every way a call is refused, strides, masks, and sorts.
#include "check.hpp"
#include "kernel/host_team.hpp"
#include "kernel/sort.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace {

constexpr const char *kNames[] = {"median-mad", "sigma-clip", "l2", "min-max", "asinh", "zscale", "percentile"};

bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<float> noise(std::size_t n, std::uint64_t seed) {
    synthetic::Random random(seed);
    std::vector<float> values(n);
    for (float &value : values) value = static_cast<float>(100.0 + 5.0 * random.normal());
    return values;
}

// A good call, to be damaged.
struct Call {
    std::vector<float> pixels = noise(std::size_t{3} * 21 * 17, 5);
    std::vector<float> out = std::vector<float>(pixels.size());
    std::vector<std::uint32_t> flags = std::vector<std::uint32_t>(3);
    std::vector<s2v_step> steps = {s2v::step("median-mad"), s2v::step("asinh")};
    s2v_planes planes{sizeof(s2v_planes), pixels.data(), nullptr, 3, 21, 17, 0, 0};
    std::int32_t count = 2;
    std::int32_t threads = 1;
    float *to = out.data();
    std::uint32_t *bits = flags.data();

    [[nodiscard]] s2v_status status() const {
        return s2v_normalise(&planes, steps.empty() ? nullptr : steps.data(), count, 0.0F, to, bits, threads);
    }
};

void steps_are_known_by_name() {
    for (std::int32_t kind = 0; kind < S2V_NORMALISERS; ++kind) CHECK(s2v::step(kNames[kind]).kind == kind);
    CHECK(s2v::step("asinh").parameters[0] == 1.0);
    const double values[] = {0.5, 1.0};
    CHECK(s2v::step("zscale").parameters[0] == 0.25 && s2v::step("zscale", values).parameters[1] == 1.0);
    CHECK_THROWS(s2v::step("median"), s2v::Error, caught.status() == S2V_UNKNOWN_NAME);
    s2v_step step{};
    CHECK(s2v_step_init(nullptr, &step) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_step_init("l2", nullptr) == S2V_INVALID_ARGUMENT);
}

void bad_calls_are_refused() {
    const auto after = [](const std::function<void(Call &)> &damage) {
        Call call;
        damage(call);
        return call.status();
    };
    CHECK(after([](Call &) {}) == S2V_OK);
    CHECK(after([](Call &c) { c.planes.n = 0; }) == S2V_OK);
    CHECK(after([](Call &c) { c.planes.n = -1; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.planes.height = 0; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.planes.width = 1 << 20; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.planes.pixels = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.to = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.bits = nullptr; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.threads = -1; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.steps.clear(); }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) { c.count = 0; }) == S2V_INVALID_ARGUMENT);
    CHECK(after([](Call &c) {
              c.steps.assign(9, s2v::step("l2"));
              c.count = 9;
          }) == S2V_INVALID_ARGUMENT);
    for (const std::int32_t kind : {-1, static_cast<std::int32_t>(S2V_NORMALISERS)})
        CHECK(after([kind](Call &c) { c.steps[0].kind = kind; }) == S2V_INVALID_ARGUMENT);
    for (const double softening : {0.0, -1.0, static_cast<double>(synthetic::nan_value)})
        CHECK(after([softening](Call &c) { c.steps[1].parameters[0] = softening; }) == S2V_INVALID_ARGUMENT);
    const double fraction[] = {3.0, 2.5};
    CHECK(after([&](Call &c) { c.steps[0] = s2v::step("sigma-clip", fraction); }) == S2V_INVALID_ARGUMENT);
    const double wrong_way[] = {60.0, 40.0};
    CHECK(after([&](Call &c) { c.steps[0] = s2v::step("percentile", wrong_way); }) == S2V_INVALID_ARGUMENT);
}

void strides_and_masks() {
    const Call call;
    CHECK(call.status() == S2V_OK);
    // The same planes inside larger ones.
    std::vector<float> wide(std::size_t{3} * 30 * 40, 1e30F);
    for (std::size_t p = 0; p < 3; ++p)
        for (std::size_t y = 0; y < 21; ++y)
            std::copy_n(&call.pixels[(p * 21 + y) * 17], 17, &wide[(p * 30 + y + 4) * 40 + 6]);
    std::vector<float> out(call.out.size());
    std::vector<std::uint32_t> flags(3);
    const s2v_planes inside = {sizeof(s2v_planes), &wide[4 * 40 + 6], nullptr, 3, 21, 17, 30 * 40, 40};
    CHECK(s2v_normalise(&inside, call.steps.data(), 2, 0.0F, out.data(), flags.data(), 2) == S2V_OK);
    CHECK(same_bits(out, call.out) && flags == call.flags);
    // What is masked counts as what is not a number, but for its flag.
    std::vector<std::uint8_t> mask(call.pixels.size());
    std::vector<float> holes = call.pixels;
    for (std::size_t i = 3; i < mask.size(); i += 11) {
        mask[i] = 1;
        holes[i] = synthetic::nan_value;
    }
    std::vector<float> masked(out.size());
    s2v::normalise({call.pixels, 21, 17, mask}, call.steps, masked, flags, -1.0F);
    CHECK(flags[0] == 1U << 1 && masked[3] == -1.0F);
    s2v::normalise({holes, 21, 17, {}}, call.steps, out, flags, -1.0F);
    CHECK(flags[0] == 1U << 0 && same_bits(out, masked));
    CHECK_THROWS((s2v::normalise({holes, 21, 16, {}}, call.steps, out, flags), 0), s2v::Error,
                 caught.status() == S2V_INVALID_ARGUMENT);
}

void compositions() {
    const synthetic::Batch batch = synthetic::everything();
    const std::vector<s2v_step> steps = {s2v::step("zscale"), s2v::step("asinh")};
    s2v_composition how = {
        sizeof(s2v_composition), 63, 3, {S2V_SCIENCE, S2V_TEMPLATE, S2V_DIFFERENCE}, 2, steps.data()};
    const std::size_t n = batch.size();
    std::vector<float> named(n * 3 * 63 * 63), composed(named.size());
    std::vector<std::uint32_t> flags(n), flags_composed(n);
    s2v::prepare(batch.view(), "zscale", named, flags);
    s2v::compose(batch.view(), how, composed, flags_composed, 2);
    CHECK(same_bits(named, composed) && flags == flags_composed);
    const auto status = [&] {
        const s2v_stamps stamps = batch.view().c();
        return s2v_compose(&stamps, &how, composed.data(), flags.data(), 1);
    };
    for (const std::int32_t side : {0, -1, 5000}) {
        how.side = side;
        CHECK(status() == S2V_INVALID_ARGUMENT);
    }
    how.side = 63;
    how.channels[1] = S2V_SCIENCE;
    CHECK(status() == S2V_INVALID_ARGUMENT);
    how.channels[1] = 3;
    CHECK(status() == S2V_INVALID_ARGUMENT);
    how.channel_count = 4;
    CHECK(status() == S2V_INVALID_ARGUMENT);
    how.channel_count = 1;
    CHECK(status() == S2V_OK);
    how.step_count = 0;
    CHECK(status() == S2V_INVALID_ARGUMENT);
}

void sorts() {
    using namespace s2v::kernel;
    synthetic::Random random(8);
    for (int kind = 0; kind < 40; ++kind) {
        std::vector<float> x(kSorted);
        for (float &value : x)
            value = kind % 3 ? static_cast<float>(random.normal()) : static_cast<float>(random.bits() % (kind + 1u));
        if (kind % 5 == 0) std::fill(x.begin() + 1000 - 20 * kind, x.end(), HUGE_VALF);
        std::vector<float> expected = x;
        std::sort(expected.begin(), expected.end());
        sort(HostTeam(), x.data());
        bool good = true;
        for (int i = 0; i < kSorted; ++i)
            good = good &&
                   x[static_cast<std::size_t>(sorted_place(HostTeam(), i))] == expected[static_cast<std::size_t>(i)];
        CHECK(good);
    }
}

}  // namespace

int main() {
    steps_are_known_by_name();
    bad_calls_are_refused();
    strides_and_masks();
    compositions();
    sorts();
    return check::report();
}
