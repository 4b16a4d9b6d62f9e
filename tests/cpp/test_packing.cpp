// Pixels in 16 bits: every code of both forms, what rounds, what is no number, and what the C ABI refuses.
#include "check.hpp"
#include "space2vec/space2vec.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace {

constexpr s2v_packing kHalf = {sizeof(s2v_packing), S2V_PACKED_FLOAT16, 0.0F, 0.0F};
constexpr s2v_packing kWhole = {sizeof(s2v_packing), S2V_PACKED_INT16, 1.0F, 0.0F};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool same(float a, float b) {
    return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
}

float widened(const s2v_packing &how, std::uint16_t packed) {
    float pixel = -7.0F;
    CHECK(s2v_widen_pixels(&how, &packed, 1, &pixel, 1) == S2V_OK);
    return pixel;
}

// Of one pixel: what comes back, and whether it is said to be exact.
float through(const s2v_packing &how, float pixel, bool *said = nullptr) {
    std::uint16_t packed = 0;
    std::int32_t exact = -1;
    CHECK(s2v_pack_pixels(&how, &pixel, 1, 0, &packed, &exact, 1) == S2V_OK);
    const float back = widened(how, packed);
    CHECK((exact == 1) == same(back, pixel));
    if (said) *said = exact == 1;
    return back;
}

// What half precision stands for, from its definition.
float meaning(std::uint16_t half) {
    const int exponent = half >> 10 & 31;
    const int mantissa = half & 1023;
    const double sign = half & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31) return mantissa ? kNan : static_cast<float>(sign) * kInfinity;
    const double size = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    return static_cast<float>(std::copysign(size, sign));
}

// The nearest number of half precision, found among all of them.
float nearest(float x, const std::vector<float> &all) {
    float best = all[0];
    std::size_t at = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const double off = std::abs(static_cast<double>(all[i]) - static_cast<double>(x));
        const double least = std::abs(static_cast<double>(best) - static_cast<double>(x));
        if (off < least || (off == least && i % 2 == 0 && at % 2 == 1)) best = all[at = i];
    }
    return best;
}

void check_halves() {
    std::vector<float> all;  // not negative, in order
    for (std::uint32_t half = 0; half < 0x7c00; ++half) all.push_back(meaning(static_cast<std::uint16_t>(half)));
    bool good = true;
    for (std::uint32_t half = 0; half <= 0xffff; ++half) {
        const auto code = static_cast<std::uint16_t>(half);
        const float x = meaning(code);
        if ((half & 0x7fffU) == 0x7e01) continue;
        good = good && same(widened(kHalf, code), x);
        if (!std::isnan(x)) good = good && same(through(kHalf, x), x);
    }
    CHECK(good);
    for (const float x : {1.00048828125F, 1.00146484375F, 1.0001F, 3e-8F, 2.9e-8F, 6e-5F, 6.1e-5F, 65519.0F, 1e-10F,
                          123.456F, 5.9604645e-8F, 2047.5F, 4098.0F, 4102.0F})
        CHECK(same(through(kHalf, x), nearest(x, all)) && same(through(kHalf, -x), -nearest(x, all)));
    CHECK(same(through(kHalf, 1e30F), 65504.0F) && same(through(kHalf, -70000.0F), -65504.0F));
    CHECK(same(through(kHalf, kInfinity), kInfinity) && same(through(kHalf, -kInfinity), -kInfinity));
    CHECK(std::isnan(through(kHalf, kNan)) && same(through(kHalf, -0.0F), -0.0F));
    CHECK(same(through(kHalf, 1e-30F), 1e-30F) && same(through(kHalf, -1e-30F), -1e-30F));
}

void check_integers() {
    bool good = true;
    for (int code = -32766; code <= 32767; ++code) {
        bool exact = false;
        const auto x = static_cast<float>(code);
        good = good && same(through(kWhole, x, &exact), x) && exact;
    }
    CHECK(good);
    const s2v_packing how = {sizeof(s2v_packing), S2V_PACKED_INT16, 0.25F, 1000.0F};
    CHECK(same(through(how, 1000.125F), 1000.0F) && same(through(how, 1000.375F), 1000.5F));  // halves to even
    CHECK(same(through(how, 998.8F), 998.75F) && same(through(how, 1e9F), 1000.0F + 0.25F * 32767.0F));
    CHECK(same(through(how, -3e38F), 1000.0F - 0.25F * 32766.0F));
    for (const float x : {kNan, kInfinity, -kInfinity}) CHECK(std::isnan(through(how, x)));
    CHECK(same(through(how, 1e-30F), 1e-30F) && same(through(how, -1e-30F), 1e-30F));
    bool exact = true;
    CHECK(same(through(kWhole, -0.0F, &exact), 0.0F) && !exact);
    CHECK(same(through(kWhole, kInfinity, &exact), kNan) && !exact);
}

// Many pixels on several threads: as one by one; one that is not exact is found wherever it is.
void check_many() {
    const std::size_t n = 100001;
    std::vector<float> pixels;
    for (std::size_t i = 0; i < n; ++i) pixels.push_back(static_cast<float>(i % 5000) - 2000.0F);
    std::vector<std::uint16_t> packed(n);
    std::vector<float> back(n);
    std::int32_t exact = 0;
    for (const int threads : {1, 3}) {
        for (const std::size_t odd : {n, std::size_t{0}, n / 2, n - 1}) {
            for (const int only : {0, 1}) {
                std::vector<float> own = pixels;
                if (odd < n) own[odd] = 0.5F;
                const auto count = static_cast<std::int64_t>(n);
                CHECK(s2v_pack_pixels(&kWhole, own.data(), count, only, packed.data(), &exact, threads) == S2V_OK);
                CHECK(exact == (odd < n ? 0 : 1));
                if (only && odd < n) continue;
                CHECK(s2v_widen_pixels(&kWhole, packed.data(), count, back.data(), threads) == S2V_OK);
                if (odd < n) own[odd] = 0.0F;
                CHECK(back == own);
            }
        }
    }
}

void check_refusals() {
    float pixel = 1.0F;
    std::uint16_t packed = 0;
    std::int32_t exact = 0;
    const auto pack = [&](const s2v_packing &how) { return s2v_pack_pixels(&how, &pixel, 1, 0, &packed, &exact, 1); };
    for (const s2v_packing &bad : {s2v_packing{0, 0, 1.0F, 0.0F}, s2v_packing{sizeof(s2v_packing), 2, 1.0F, 0.0F},
                                   s2v_packing{sizeof(s2v_packing), S2V_PACKED_INT16, 0.0F, 0.0F},
                                   s2v_packing{sizeof(s2v_packing), S2V_PACKED_INT16, kNan, 0.0F},
                                   s2v_packing{sizeof(s2v_packing), S2V_PACKED_INT16, 1.0F, kInfinity}}) {
        CHECK(pack(bad) == S2V_INVALID_ARGUMENT);
        CHECK(s2v_widen_pixels(&bad, &packed, 1, &pixel, 1) == S2V_INVALID_ARGUMENT);
    }
    CHECK(s2v_pack_pixels(nullptr, &pixel, 1, 0, &packed, &exact, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_pack_pixels(&kHalf, nullptr, 1, 0, &packed, &exact, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_pack_pixels(&kHalf, &pixel, 1, 0, nullptr, &exact, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_pack_pixels(&kHalf, &pixel, 1, 0, &packed, nullptr, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_pack_pixels(&kHalf, &pixel, -1, 0, &packed, &exact, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_widen_pixels(&kHalf, &packed, 1, nullptr, 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_pack_pixels(&kHalf, nullptr, 0, 0, nullptr, &exact, 1) == S2V_OK && exact == 1);
}

}  // namespace

int main() {
    check_halves();
    check_integers();
    check_many();
    check_refusals();
    return check::report();
}
