// Order statistics: those of HostTeam and of a warp of 32 fibers against a sort, on values that are made to mislead a
// guess, and no race (built with the thread sanitizer).
#include "check.hpp"
#include "fiber_lanes.hpp"
#include "kernel/host_team.hpp"
#include "kernel/quantile.hpp"
#include "kernel/sort.hpp"
#include "kernel/stamp.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>

namespace {

using namespace s2v::kernel;
using WarpOfFibers = LaneTeam<FiberWarp::Lanes>;

struct Case {
    std::string name;
    std::vector<float> x;
};

// Values of one kind; NaN and -0 come later.
float value_of(int kind, int i, int n, synthetic::Random &random) {
    switch (kind) {
        case 0:
            return static_cast<float>(100.0 + 3.0 * random.normal());
        case 1:  // ties
            return static_cast<float>(std::floor(2.0 * random.normal()));
        case 2:  // one value
            return 7.0F;
        case 3:  // two, far apart
            return random.uniform() < 0.5 ? -3e38F : 3e38F;
        case 4:  // heavy tails
            return static_cast<float>(random.normal() * std::pow(10.0, 60.0 * random.uniform() - 35.0));
        case 5:  // ascending
            return static_cast<float>(i);
        case 6:  // descending, next to zero
            return static_cast<float>(n / 2 - i) * 1e-45F;
        case 7:  // infinities
            return random.uniform() < 0.4 ? HUGE_VALF : static_cast<float>(random.normal());
        case 8:  // what the sample sees is unlike the rest
            return n > 128 && i % (n / 128) == n / 128 / 2 ? 1e6F : static_cast<float>(random.uniform());
        default:  // nearly all one value
            return random.uniform() < 0.98 ? 0.0F : static_cast<float>(random.normal());
    }
}
constexpr int kKinds = 10;

std::vector<Case> cases() {
    std::vector<Case> all;
    synthetic::Random random(9);
    for (const int n : {1, 2, 33, 128, 129, 800, 3264})
        for (int kind = 0; kind < kKinds; ++kind)
            for (const double masked : {0.0, 0.6}) {
                Case one = {std::to_string(n) + " of kind " + std::to_string(kind), {}};
                for (int i = 0; i < n; ++i) {
                    const float x = value_of(kind, i, n, random) + 0.0F;
                    one.x.push_back(random.uniform() < masked ? synthetic::nan_value : x);
                }
                all.push_back(std::move(one));
            }
    return all;
}

std::vector<float> in_order(const std::vector<float> &x) {
    std::vector<float> sorted;
    for (const float one : x)
        if (one == one) sorted.push_back(one);
    std::sort(sorted.begin(), sorted.end());
    return sorted;
}

bool same(float a, float b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

std::vector<int> ranks_of(int valid) {
    std::vector<int> ranks = {0, valid / 4, valid * 199 / 200};
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    return ranks;
}

// What a team finds of one case: two ranks at each of some places, then the median.
template <class Team>
std::vector<float> ask(const Team &team, const std::vector<float> &x, int valid) {
    const int n = static_cast<int>(x.size());
    const PlaneValues value = {x.data()};
    std::vector<float> found;
    for (const int k : ranks_of(valid)) {
        const RankPair two = select_two(team, n, valid, k, value, true);
        found.insert(found.end(), {two.lower, two.upper});
    }
    found.push_back(median(team, n, valid, value));
    return found;
}

std::vector<float> expected_of(const std::vector<float> &sorted) {
    const int valid = static_cast<int>(sorted.size());
    const auto at = [&](int k) { return sorted[static_cast<std::size_t>(k)]; };
    std::vector<float> found;
    for (const int k : ranks_of(valid)) found.insert(found.end(), {at(k), at(std::min(k + 1, valid - 1))});
    const float lower = at((valid - 1) / 2);
    const float upper = at(valid / 2);
    found.push_back(lower == upper ? lower : lower * 0.5F + upper * 0.5F);
    return found;
}

bool alike(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

void ranks_are_those_of_a_sort() {
    FiberWarp warp;
    int turn = 0;
    for (const Case &one : cases()) {
        const std::vector<float> sorted = in_order(one.x);
        if (sorted.empty()) continue;
        const int valid = static_cast<int>(sorted.size());
        const std::vector<float> expected = expected_of(sorted);
        std::vector<std::vector<float>> found(kLanes);
        bool good = warp.run(turn++ % 2 == 0, [&](FiberWarp::Lanes lane) {
            found[static_cast<std::size_t>(lane.index())] = ask(WarpOfFibers(lane), one.x, valid);
        });
        good = good && alike(ask(HostTeam(), one.x, valid), expected);
        for (const auto &of_lane : found) good = good && alike(of_lane, expected);
        if (!good) std::printf("%s, %d usable\n", one.name.c_str(), valid);
        CHECK(good);
    }
}

// How often a search goes through the values. A pass takes a call of f by each lane for each 32 of them.
struct CountedValues {
    const float *x;
    long *calls;
    float operator()(int i) const {
        ++*calls;
        return x[i];
    }
};

void a_search_takes_few_passes() {
    constexpr int n = kWindowPixels;
    synthetic::Random random(3);
    FiberWarp warp;
    double most = 0.0;
    double all = 0.0;
    constexpr int kTries = 12;
    for (int t = 0; t < kTries; ++t) {
        std::vector<float> x(n);
        for (float &one : x) one = static_cast<float>(random.normal());
        std::vector<long> calls(kLanes);
        CHECK(warp.run(true, [&](FiberWarp::Lanes lane) {
            median(WarpOfFibers(lane), n, n, CountedValues{x.data(), &calls[static_cast<std::size_t>(lane.index())]});
        }));
        const double passes = static_cast<double>(std::accumulate(calls.begin(), calls.end(), 0L)) / n;
        most = std::max(most, passes);
        all += passes;
    }
    std::printf("a median of %d takes %.2f passes, %.1f at most\n", n, all / kTries, most);
    CHECK(all / kTries < 4.6);
    CHECK(most < 8.0);
}

// 1,024 values, on one thread and on a warp, each into places of its own.
void sorts_are_those_of_the_library() {
    FiberWarp warp;
    for (int kind = 0; kind < kKinds; ++kind) {
        synthetic::Random random(static_cast<std::uint64_t>(kind) + 50);
        std::vector<float> x;
        for (int i = 0; i < kSorted; ++i) x.push_back(value_of(kind, i, kSorted, random) + 0.0F);
        if (kind % 2) std::fill(x.end() - 200, x.end(), HUGE_VALF);
        const std::vector<float> expected = in_order(x);
        const auto check = [&](const auto &team, const std::vector<float> &sorted) {
            for (int i = 0; i < kSorted; ++i)
                if (!same(sorted[static_cast<std::size_t>(sorted_place(team, i))],
                          expected[static_cast<std::size_t>(i)]))
                    return false;
            return true;
        };
        std::vector<float> on_host = x;
        sort(HostTeam(), on_host.data());
        CHECK(check(HostTeam(), on_host));
        CHECK(warp.run(kind % 2 == 0, [&](FiberWarp::Lanes lane) { sort(WarpOfFibers(lane), x.data()); }));
        bool good = false;
        CHECK(warp.run(true, [&](FiberWarp::Lanes lane) {
            if (lane.index() == 0) good = check(WarpOfFibers(lane), x);
        }));
        CHECK(good);
    }
}

}  // namespace

int main() {
    ranks_are_those_of_a_sort();
    sorts_are_those_of_the_library();
    a_search_takes_few_passes();
    return check::report();
}
