// The kernels against the plainest way to compute the same.
#include "check.hpp"
#include "kernel/aperture.hpp"
#include "kernel/block_means.hpp"
#include "kernel/brightness.hpp"
#include "kernel/column_medians.hpp"
#include "kernel/host_team.hpp"
#include "kernel/lacosmic.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <bit>
#include <memory>

namespace {

using namespace s2v::kernel;

const HostTeam team;

// A window, with NaN beyond its columns as cut_window leaves them.
std::vector<float> window(synthetic::Random &random, double masked, double step) {
    std::vector<float> plane(kWindowPixels, synthetic::nan_value);
    for (int y = 0; y < kWindow; ++y)
        for (int x = 0; x < kWindow; ++x) {
            double value = random.normal() * std::pow(10.0, 2.0 * random.uniform());
            if (step > 0.0) value = std::floor(value / step) * step;
            if (random.uniform() >= masked)
                plane[static_cast<std::size_t>(y * kStride + x)] = static_cast<float>(value) + 0.0F;
        }
    return plane;
}

std::vector<float> sorted_numbers(const std::vector<float> &values) {
    std::vector<float> numbers;
    std::copy_if(values.begin(), values.end(), std::back_inserter(numbers), [](float x) { return x == x; });
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

float median_by_sorting(const std::vector<float> &values) {
    const std::vector<float> sorted = sorted_numbers(values);
    const std::size_t n = sorted.size();
    const float lower = sorted[(n - 1) / 2];
    const float upper = sorted[n / 2];
    return lower == upper ? lower : lower * 0.5F + upper * 0.5F;
}

bool same(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

void order_statistics_are_those_of_sorting() {
    synthetic::Random random(1);
    for (int kind = 0; kind < 60; ++kind) {
        const int n = 1 + static_cast<int>(random.bits() % 300);
        std::vector<float> values(static_cast<std::size_t>(n));
        for (float &x : values) {
            const double normal = random.normal();
            const double spread = kind % 4 == 0   ? normal
                                  : kind % 4 == 1 ? normal * std::pow(10.0, 60.0 * random.uniform() - 30.0)
                                  : kind % 4 == 2 ? std::floor(3.0 * normal)
                                                  : (normal > 1.0 ? 3e38 : -1e-44);
            x = random.uniform() < 0.1 ? synthetic::nan_value : static_cast<float>(spread) + 0.0F;
        }
        values[0] = 1.5F;  // one at least is a number
        const std::vector<float> sorted = sorted_numbers(values);
        const auto at = [&](int i) { return values[static_cast<std::size_t>(i)]; };
        bool good = true;
        for (std::size_t k = 0; k < sorted.size(); ++k)
            good = good && same(select(team, n, static_cast<int>(sorted.size()), static_cast<int>(k), at), sorted[k]);
        CHECK(good);
        CHECK(same(median(team, n, static_cast<int>(sorted.size()), at), median_by_sorting(values)));
    }
}

// max of med3(b) - med7(med3(b)) with every filter worked out in full.
float fine_structure_in_full(const std::vector<float> &b) {
    const auto filtered = [](const std::vector<float> &plane, int side) {
        std::vector<float> out(plane.size());
        std::vector<float> near;
        for (int y = 0; y < kWindow; ++y)
            for (int x = 0; x < kWindow; ++x) {
                near.clear();
                for (int dy = -(side / 2); dy <= side / 2; ++dy)
                    for (int dx = -(side / 2); dx <= side / 2; ++dx) {
                        int v = y + dy;
                        int u = x + dx;
                        v = v < 0 ? -1 - v : v >= kWindow ? 2 * kWindow - 1 - v : v;
                        u = u < 0 ? -1 - u : u >= kWindow ? 2 * kWindow - 1 - u : u;
                        near.push_back(plane[static_cast<std::size_t>(v * kWindow + u)]);
                    }
                std::sort(near.begin(), near.end());
                out[static_cast<std::size_t>(y * kWindow + x)] = near[near.size() / 2];
            }
        return out;
    };
    std::vector<float> plane(static_cast<std::size_t>(kWindow * kWindow));
    for (int i = 0; i < kWindow * kWindow; ++i) {
        const float x = b[static_cast<std::size_t>(i / kWindow * kStride + i % kWindow)];
        plane[static_cast<std::size_t>(i)] = x == x ? x : 0.0F;
    }
    const std::vector<float> smooth = filtered(plane, 3);
    const std::vector<float> wide = filtered(smooth, 7);
    float best = -kInfinity;
    for (std::size_t i = 0; i < smooth.size(); ++i) best = std::max(best, smooth[i] - wide[i]);
    return best;
}

float column_medians_in_full(const std::vector<float> &b) {
    float best = -kInfinity;
    for (int x = 0; x < kWindow; ++x) {
        std::vector<float> column;
        for (int y = 0; y < kWindow; ++y) column.push_back(b[static_cast<std::size_t>(y * kStride + x)]);
        if (!sorted_numbers(column).empty()) best = std::max(best, median_by_sorting(column));
    }
    return best;
}

void searches_with_bounds_find_what_the_full_ones_find() {
    synthetic::Random random(2);
    const auto lacosmic = std::make_unique<LacosmicScratch>();
    const auto columns = std::make_unique<ColumnScratch>();
    const auto memory = std::make_unique<WindowMemory>();
    for (const double masked : {0.0, 0.02, 0.5, 0.97})
        for (const double step : {0.0, 2.0})
            for (int repeat = 0; repeat < 3; ++repeat) {
                std::vector<float> b = window(random, masked, step);
                if (repeat == 1)  // a source; else nothing rises above the noise
                    for (int i = 0; i < 49; ++i)
                        b[static_cast<std::size_t>((22 + i / 7) * kStride + 22 + i % 7)] =
                            static_cast<float>(500 - 20 * std::abs(i - 24));
                CHECK(same(largest_column_median(team, b.data(), *columns), column_medians_in_full(b)));
                std::copy(b.begin(), b.end(), memory->window());
                fill_absent(team, memory->window());
                CHECK(same(largest_fine_structure(team, memory->window(), *lacosmic), fine_structure_in_full(b)));
            }
}

void aperture_is_the_circle_of_seps_subpixels() {
    constexpr ApertureShares shares = aperture_shares();
    int inside = 0;
    for (int y = 0; y < kApertureBox; ++y)
        for (int x = 0; x < kApertureBox; ++x) {
            int expected = 0;
            for (int s = 0; s < 25; ++s) {
                const double dy = y - 5 + (s / 5 - 2) / 5.0;
                const double dx = x - 5 + (s % 5 - 2) / 5.0;
                expected += dx * dx + dy * dy < 25.0 - 1e-9 ? 1 : 0;
            }
            inside += expected;
            CHECK(shares.of_25[y * kApertureBox + x] == expected);
        }
    CHECK(std::abs(inside / 25.0 - 78.54) < 1.0);
    std::vector<float> plane(kWindowPixels, 2.0F);
    CHECK(std::abs(aperture_flux(team, plane.data()) - 2.0 * inside / 25.0) < 1e-9);
    plane[25 * kStride + 25] = synthetic::nan_value;
    plane[25 * kStride + 26] = 1e-30F;
    CHECK(std::abs(aperture_flux(team, plane.data()) - 2.0 * (inside - 50) / 25.0) < 1e-9);
}

void exp_is_good_to_two_ulp() {
    double worst = 0.0;
    for (int i = 0; i < 200000; ++i) {
        const float x = -86.9F * static_cast<float>(i) / 200000.0F;
        const auto exact = static_cast<float>(std::exp(static_cast<double>(x)));
        const float ulp = std::nextafter(exact, kInfinity) - exact;
        worst = std::max(worst, std::abs(static_cast<double>(exp_nonpositive(x)) - static_cast<double>(exact)) /
                                    static_cast<double>(ulp));
    }
    CHECK(worst <= 2.0);
    CHECK(exp_nonpositive(0.0F) == 1.0F);
    CHECK(same(exp_nonpositive(-1e30F), exp_nonpositive(-87.0F)));
    CHECK(same(exp_nonpositive(-kInfinity), exp_nonpositive(-87.0F)));
}

void windows_are_cut_around_the_candidate() {
    constexpr int sizes[][4] = {{51, 51, 25, 25}, {63, 63, 31, 31}, {10, 20, 0, 19},     {100, 52, 99, 0},
                                {63, 63, -3, 70}, {63, 63, -26, 5}, {63, 63, 31, -1000}, {63, 63, 16000, 31}};
    for (const auto &[height, width, row, column] : sizes) {
        std::vector<float> pixels(static_cast<std::size_t>(height * width));
        for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i + 1);
        const Plane plane = {pixels.data(), height, width};
        std::vector<float> out(kWindowPixels, -1.0F);
        std::uint32_t flags = 0;
        cut_window(team, plane, row, column, out.data(), flags);
        bool good = true;
        int outside = 0;
        for (int r = 0; r < kWindow; ++r)
            for (int c = 0; c < kStride; ++c) {
                const int y = row - 25 + r;
                const int x = column - 25 + c;
                const bool there = c < kWindow && y >= 0 && y < height && x >= 0 && x < width;
                outside += c < kWindow && !there ? 1 : 0;
                const float got = out[static_cast<std::size_t>(r * kStride + c)];
                good = good && (there ? got == static_cast<float>(y * width + x + 1) : got != got);
            }
        CHECK(good);
        CHECK(((flags & flag::padded) != 0) == (outside > 0));
        CHECK((flags & ~flag::padded) == 0);
    }
    std::vector<float> pixels(51 * 51, -0.0F);
    pixels[7] = kInfinity;
    pixels[8] = -1e-30F;
    std::vector<float> out(kWindowPixels);
    std::uint32_t flags = 0;
    cut_window(team, {pixels.data(), 51, 51}, 25, 25, out.data(), flags);
    CHECK(flags == (flag::nan_pixels | flag::masked_pixels));
    CHECK(out[7] != out[7]);
    CHECK(out[8] == -1e-30F);
    CHECK(same(out[0], 0.0F));
}

void normalisations_are_robust() {
    synthetic::Random random(5);
    const std::vector<float> plane = window(random, 0.05, 0.0);
    std::vector<float> b = plane;
    std::vector<float> r(kBlockPixels);
    const BrightnessScale scale = normalise_b(team, b.data());
    CHECK(scale.level.valid == static_cast<int>(sorted_numbers(plane).size()));
    CHECK(same(scale.level.median, median_by_sorting(plane)));
    CHECK(same(median_by_sorting(b), 0.0F) || std::abs(median_by_sorting(b)) < 1e-6F);
    CHECK(normalise_r(team, plane.data(), r.data()));
    CHECK(std::abs(median_by_sorting(r)) < 1e-5F);
    std::vector<float> deviations = r;
    for (float &x : deviations) x = std::abs(x);
    CHECK(std::abs(median_by_sorting(deviations) - 1.0F / 1.4826F) < 1e-5F);
    std::vector<float> flat(kWindowPixels, 3.0F);
    CHECK(normalise_b(team, flat.data()).level.constant);
    CHECK(!normalise_r(team, flat.data(), r.data()));
}

}  // namespace

int main() {
    order_statistics_are_those_of_sorting();
    searches_with_bounds_find_what_the_full_ones_find();
    aperture_is_the_circle_of_seps_subpixels();
    exp_is_good_to_two_ulp();
    windows_are_cut_around_the_candidate();
    normalisations_are_robust();
    return check::report();
}
