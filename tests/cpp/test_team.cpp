// The teams: HostTeam against the definition written out plainly, LaneTeam against HostTeam, on 32 fibers.
#include "check.hpp"
#include "fiber_lanes.hpp"
#include "kernel/host_team.hpp"
#include "synthetic_stamps.hpp"

#include <bit>

namespace {

using s2v::kernel::HostTeam;
using s2v::kernel::kLanes;
using LaneTeam = s2v::kernel::LaneTeam<FiberWarp::Lanes>;

// The order that the design fixes, for any join of two values.
template <class T, class F, class Join>
T plainly(int n, T empty, F value, Join join) {
    std::vector<T> lane(kLanes, empty);
    for (int i = 0; i < n; ++i)
        lane[static_cast<std::size_t>(i % kLanes)] = join(lane[static_cast<std::size_t>(i % kLanes)], value(i));
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
        for (std::size_t l = 0; l < half; ++l) lane[l] = join(lane[l], lane[l + half]);
    return lane[0];
}

std::vector<float> numbers(int n) {
    synthetic::Random random(static_cast<std::uint64_t>(n));
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float &value : x) {
        const double chance = random.uniform();
        value = chance < 0.1   ? synthetic::nan_value
                : chance < 0.2 ? (chance < 0.15 ? 0.0F : -0.0F)
                               : static_cast<float>(random.normal() * std::pow(10.0, 20.0 * random.uniform() - 10.0));
    }
    return x;
}

// What all verbs give for a set of numbers.
struct Answers {
    std::uint64_t sum;
    std::uint64_t sums[3];
    std::uint32_t max;
    std::uint32_t min;
    int count;
    int first;
    bool operator==(const Answers &) const = default;
};

template <class Team>
Answers ask(const Team &team, const std::vector<float> &x) {
    const int n = static_cast<int>(x.size());
    const auto at = [&](int i) { return x[static_cast<std::size_t>(i)]; };
    const auto finite = [&](int i) { return at(i) == at(i) ? static_cast<double>(at(i)) : 0.0; };
    double total[3];
    team.template sums<3>(n, total, [&](int i, auto add) {
        add(0, finite(i));
        add(1, finite(i) * finite(i));
        if (i % 3 == 0) add(2, 1.0 / (1 + i));
    });
    Answers a{};
    a.sum = std::bit_cast<std::uint64_t>(team.sum(n, finite));
    for (int k = 0; k < 3; ++k) a.sums[k] = std::bit_cast<std::uint64_t>(total[k]);
    a.max = std::bit_cast<std::uint32_t>(team.max(n, -HUGE_VALF, at));
    a.min = std::bit_cast<std::uint32_t>(team.min(n, HUGE_VALF, at));
    a.count = team.count(n, [&](int i) { return at(i) > 0.0F; });
    a.first = team.first(n / 3, n, [&](int i) { return at(i) > 1e9F; });
    return a;
}

constexpr int kSizes[] = {0, 1, 2, 31, 32, 33, 63, 64, 65, 100, 1000, 2601, 3264};

void host_team_keeps_the_order() {
    for (const int n : kSizes) {
        const std::vector<float> x = numbers(n);
        const Answers host = ask(HostTeam(), x);
        const auto at = [&](int i) { return x[static_cast<std::size_t>(i)]; };
        const auto plus = [](double a, double b) { return a + b; };
        const auto finite = [&](int i) { return at(i) == at(i) ? static_cast<double>(at(i)) : 0.0; };
        CHECK(host.sum == std::bit_cast<std::uint64_t>(plainly<double>(n, 0.0, finite, plus)));
        CHECK(host.sums[0] == host.sum);
        const auto square = [&](int i) { return finite(i) * finite(i); };
        CHECK(host.sums[1] == std::bit_cast<std::uint64_t>(plainly<double>(n, 0.0, square, plus)));
        const auto greater = [](float a, float b) { return b > a ? b : a; };
        CHECK(host.max == std::bit_cast<std::uint32_t>(plainly<float>(n, -HUGE_VALF, at, greater)));
        const auto negative = [&](int i) { return -at(i); };
        CHECK(host.min == std::bit_cast<std::uint32_t>(-plainly<float>(n, -HUGE_VALF, negative, greater)));
        int first = n / 3;
        while (first < n && !(at(first) > 1e9F)) ++first;
        CHECK(host.first == first);
        int count = 0;
        for (const float value : x) count += value > 0.0F ? 1 : 0;
        CHECK(host.count == count);
    }
}

void lane_team_gives_the_bits_of_host_team() {
    FiberWarp warp;
    for (const int n : kSizes) {
        const std::vector<float> x = numbers(n);
        const Answers host = ask(HostTeam(), x);
        for (const bool ascending : {true, false}) {
            std::vector<Answers> lanes(kLanes);
            const bool alike = warp.run(ascending, [&](FiberWarp::Lanes lane) {
                lanes[static_cast<std::size_t>(lane.index())] = ask(LaneTeam(lane), x);
            });
            CHECK(alike);
            bool same = true;
            for (const Answers &answers : lanes) same = same && answers == host;
            CHECK(same);
        }
    }
}

void sync_passes_on_what_lanes_wrote() {
    FiberWarp warp;
    std::vector<int> from(100), to(100);
    for (const bool ascending : {true, false}) {
        const bool alike = warp.run(ascending, [&](FiberWarp::Lanes lane) {
            const LaneTeam team(lane);
            team.for_each(100, [&](int i) { from[static_cast<std::size_t>(i)] = i; });
            team.sync();
            team.for_each(100,
                          [&](int i) { to[static_cast<std::size_t>(i)] = from[static_cast<std::size_t>(99 - i)]; });
            team.sync();
        });
        CHECK(alike);
        bool mirrored = true;
        for (int i = 0; i < 100; ++i) mirrored = mirrored && to[static_cast<std::size_t>(i)] == 99 - i;
        CHECK(mirrored);
    }
}

// Elements of matrices as the PTX manual lays them out, one after the other (mma.m16n8k32, bytes).
void matrices_lie_as_the_manual_has_them() {
    synthetic::Random random(5);
    std::vector<std::uint8_t> a(std::size_t{16} * 32);
    std::vector<std::int8_t> b(std::size_t{32} * 8);
    for (auto &one : a) one = static_cast<std::uint8_t>(random.bits());
    for (auto &one : b) one = static_cast<std::int8_t>(random.bits());
    std::vector<std::int32_t> sums(std::size_t{16} * 8, 1000);
    FiberWarp warp;
    CHECK(warp.run(true, [&](FiberWarp::Lanes lane) {
        const int group = lane.index() >> 2;
        const int member = lane.index() % 4;
        std::uint32_t left[4] = {};
        std::uint32_t right[2] = {};
        std::int32_t sum[4];
        for (int i = 0; i < 16; ++i) {
            const int row = i < 4 || (i >= 8 && i < 12) ? group : group + 8;
            const int column = member * 4 + (i & 3) + (i < 8 ? 0 : 16);
            left[i / 4] |= std::uint32_t{a[static_cast<std::size_t>(row * 32 + column)]} << i % 4 * 8;
        }
        for (int i = 0; i < 8; ++i) {
            const int row = member * 4 + (i & 3) + (i < 4 ? 0 : 16);
            const auto one = static_cast<std::uint8_t>(b[static_cast<std::size_t>(row * 8 + group)]);
            right[i / 4] |= std::uint32_t{one} << i % 4 * 8;
        }
        const auto place = [&](int i) {
            return static_cast<std::size_t>((i < 2 ? group : group + 8) * 8 + member * 2 + (i & 1));
        };
        for (int i = 0; i < 4; ++i) sum[i] = sums[place(i)];
        lane.multiply_add(sum, left, right);
        for (int i = 0; i < 4; ++i) sums[place(i)] = sum[i];
    }));
    bool good = true;
    for (std::size_t row = 0; row < 16; ++row)
        for (std::size_t column = 0; column < 8; ++column) {
            std::int32_t expected = 1000;
            for (std::size_t k = 0; k < 32; ++k) expected += a[row * 32 + k] * b[k * 8 + column];
            good = good && sums[row * 8 + column] == expected;
        }
    CHECK(good);
}

}  // namespace

int main() {
    matrices_lie_as_the_manual_has_them();
    host_team_keeps_the_order();
    lane_team_gives_the_bits_of_host_team();
    sync_passes_on_what_lanes_wrote();
    return check::report();
}
