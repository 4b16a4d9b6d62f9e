// Runs a part of the kernels as a warp does, so that callgrind counts what one of its lanes executes.
//
//     warp_instructions --list       the parts, one a line
//     warp_instructions PART         how many triplets it had, then what the lanes exchanged in all of them
//
// The warp is one of 32 fibers. Of lane 0, which has the most elements of every loop, the instructions are collected;
// what lanes exchange is left out of them and counted here, for that is an instruction or two on a device.
#include "fiber_lanes.hpp"
#include "kernel/network.hpp"
#include "kernel/recipe.hpp"
#include "kernel/staged_views.hpp"
#include "kernel/stamp_features.hpp"
#include "kernel/steps.hpp"
#include "synthetic_networks.hpp"
#include "synthetic_triplets.hpp"

#include <valgrind/callgrind.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace s2v::kernel;

// What lane 0 exchanged with the others, in instructions of a device.
struct Exchanges {
    long shuffles;
    long votes;  // and sums of integers
    long barriers;
    long matrices;
    long calls;  // of the functions below
};

Exchanges exchanged{};

// Leaves what happens while it lives out of the count.
class Uncounted {
public:
    Uncounted() {
        CALLGRIND_TOGGLE_COLLECT;
        ++exchanged.calls;
    }
    Uncounted(const Uncounted &) = delete;
    Uncounted &operator=(const Uncounted &) = delete;
    ~Uncounted() {
        CALLGRIND_TOGGLE_COLLECT;
    }
};

// Lane 0. Its functions are left out by their name, as far as the toggles do not.
template <class Own>
class CountedLanes {
public:
    explicit CountedLanes(const Own &own) : own_(own), index_(own.index()) {}
    int index() const {
        return index_;
    }
    template <class T>
    [[gnu::noinline]] T across(T x, int bit) const {
        const Uncounted here;
        exchanged.shuffles += sizeof(T) / sizeof(float);
        return own_.across(x, bit);
    }
    template <class T>
    [[gnu::noinline]] T from(T x, int lane) const {
        const Uncounted here;
        exchanged.shuffles += sizeof(T) / sizeof(float);
        return own_.from(x, lane);
    }
    [[gnu::noinline]] std::uint32_t ballot(bool x) const {
        const Uncounted here;
        ++exchanged.votes;
        return own_.ballot(x);
    }
    [[gnu::noinline]] int total(int x) const {
        const Uncounted here;
        ++exchanged.votes;
        return own_.total(x);
    }
    [[gnu::noinline]] void multiply_add(std::int32_t (&sum)[4], const std::uint32_t (&a)[4],
                                        const std::uint32_t (&b)[2]) const {
        const Uncounted here;
        ++exchanged.matrices;
        own_.multiply_add(sum, a, b);
    }
    // One instruction each. What it adds up is wrong, and nothing depends on it.
    std::int32_t add_lower(std::int32_t sum, std::uint32_t x, std::uint32_t w) const {
        __asm__("leal 1(%1, %2), %0" : "+r"(sum) : "r"(x), "r"(w));
        return sum;
    }
    std::int32_t add_upper(std::int32_t sum, std::uint32_t x, std::uint32_t w) const {
        return add_lower(sum, x, w);
    }
    float *room() const {
        return own_.room();
    }
    [[gnu::noinline]] void sync() const {
        const Uncounted here;
        ++exchanged.barriers;
        own_.sync();
    }

private:
    Own own_;
    int index_;
};

// What a part runs on one triplet, on a team of any lanes.
class Run {
public:
    template <class F>
    explicit Run(F f) : counted_(f), other_(f) {}
    void operator()(FiberWarp &warp) const {
        warp.run(true, [this](FiberWarp::Lanes lane) {
            if (lane.index() > 0) return other_(LaneTeam<FiberWarp::Lanes>(lane));
            const LaneTeam<CountedLanes<FiberWarp::Lanes>> team{CountedLanes<FiberWarp::Lanes>(lane)};
            CALLGRIND_TOGGLE_COLLECT;
            counted_(team);
            CALLGRIND_TOGGLE_COLLECT;
        });
    }

private:
    std::function<void(const LaneTeam<CountedLanes<FiberWarp::Lanes>> &)> counted_;
    std::function<void(const LaneTeam<FiberWarp::Lanes> &)> other_;
};

struct Part {
    std::string name;
    int side;  // of the triplets that it has
    std::function<Run(const Triplet &)> of;
};

struct Memory {
    union {
        alignas(64) FeatureScratch features;
        alignas(64) RecipeScratch recipe;
        alignas(64) StepScratch steps;
    };
    alignas(64) float out[3 * kLargestSide * kLargestSide];
    alignas(64) float stage[kLargestSide * kLargestSide + 3];
    alignas(64) float kept[kLargestSide * kLargestSide];
};

const std::unique_ptr<Memory> memory(new Memory());

Part set_of(const char *name, int sets) {
    return {name, kWindow, [sets](const Triplet &triplet) {
                return Run([triplet, sets](const auto &team) {
                    Measuring what = measure_all(sets);
                    stamp_features(team, triplet, what, Convention::kCode, memory->out, memory->features);
                });
            }};
}

// Views as a device prepares them: floats, or as bytes where a network takes these.
template <class Team>
void prepare_on_device(const Team &team, const Triplet &triplet, const ViewRecipe &how, [[maybe_unused]] bool bytes) {
    constexpr float scale[6] = {8.0F, 8.0F, 8.0F, 100.0F, 100.0F, 100.0F};
    const PlaneTarget to = {bytes ? nullptr : memory->out, reinterpret_cast<std::uint32_t *>(memory->out), scale};
    prepare_staged_views(team, triplet, how, {}, to, {memory->stage, bytes ? memory->kept : nullptr, &memory->steps});
}

// The planes of stampnet: two chains on the three of a triplet.
Part planes_of_stampnet() {
    const ViewRecipe how = {33,
                            3,
                            {kScience, kTemplate, kDifference},
                            2,
                            {{2, {{normaliser::median_mad, {}}, {normaliser::asinh, {1.0}}}},
                             {2, {{normaliser::l2, {}}, {normaliser::asinh, {1.0 / 63.0}}}}}};
    return {"planes of stampnet", kWindow, [how](const Triplet &triplet) {
                return Run([triplet, how](const auto &team) { prepare_on_device(team, triplet, how, true); });
            }};
}

Part recipe_of(int which) {
    const int side = recipe_shape(which).height == kWindow ? kWindow : kLargestSide;
    return {std::string("prepare ") + kRecipeNames[which], side, [which](const Triplet &triplet) {
                return Run([triplet, which](const auto &team) {
                    const Composition how = recipe_composition(which);
                    const int *const of = how.channel;
                    if (how.chain.count > 0)
                        prepare_on_device(team, triplet,
                                          {how.side, how.channels, {of[0], of[1], of[2]}, 1, {how.chain}}, false);
                    else
                        prepare_planes(team, triplet, which, false, memory->out, memory->recipe);
                });
            }};
}

// A plane that is staged already.
Part normaliser_of(int kind) {
    Chain chain{1, {{kind, {}}}};
    for (int i = 0; i < kNormaliserEntries[kind].parameters; ++i)
        chain.step[0].parameter[i] = kNormaliserEntries[kind].parameter[i].otherwise;
    return {std::string("normalise ") + kNormaliserEntries[kind].name, kWindow, [chain](const Triplet &triplet) {
                return Run([plane = triplet.plane[kDifference], chain](const auto &team) {
                    const MaskedPlane view = {plane.pixels, nullptr, plane.height, plane.width, plane.width};
                    normalise_plane(team, view, chain, quiet_nan(), memory->out, memory->steps);
                });
            }};
}

// As a device has it: four products of bytes are one instruction. What it adds up is wrong, and nothing depends on it.
struct CountedDot : PlainDot<1> {
    static Sum narrow(Sum sum, Word x, Weights w) {
        __asm__("leal 1(%1, %2), %0" : "+r"(sum.lane[0]) : "r"(x), "r"(w[0]));
        return sum;
    }
};

// A row of a network of stampnet's sizes, alone. Its steps do not depend on its inputs.
class NetworkRow {
public:
    NetworkRow()
        : network_(synthetic::network({}, 3)),
          packed_(network_, Dot::kGroup, s2v::PackedFor::kLanes),
          view_(packed_.view()) {
        synthetic::Random random(4);
        planes_ = synthetic::planes_of(network_, 1, random);
        columns_ = synthetic::columns_of(network_, 1, random);
        NetworkScratch measured{};
        memory_.resize(divide_scratch<Dot>(view_, 1, nullptr, measured) + 64);
        const auto at = reinterpret_cast<std::uintptr_t>(memory_.data());
        divide_scratch<Dot>(view_, 1, memory_.data() + (64 - at % 64) % 64, scratch_);
    }
    template <class Team>
    void score(const Team &team) const {
        float score[1];
        spread_bytes(team, view_, reinterpret_cast<const std::uint32_t *>(planes_.data()), scratch_.map[0]);
        encode_map<Dot>(team, view_, 0, scratch_);
        team.for_each(view_.column.given, [&](int i) { scratch_.x[i] = columns_[static_cast<std::size_t>(i)]; });
        encode_row_columns(team, view_, 0, scratch_);
        score_rows<Dot>(team, view_, 1, scratch_, score);
    }

private:
    using Dot = CountedDot;
    s2v::Network network_;
    s2v::PackedNetwork packed_;
    NetworkView view_;
    std::vector<float> planes_;
    std::vector<float> columns_;
    std::vector<unsigned char> memory_;
    NetworkScratch scratch_{};
};

std::vector<Part> every_part() {
    std::vector<Part> parts = {set_of("features autoscan", kAutoscanSet), set_of("features s2v", kS2vSet),
                               set_of("features autoscan, s2v", kAutoscanSet | kS2vSet)};
    for (int which = 0; which < kRecipes; ++which) parts.push_back(recipe_of(which));
    for (int kind = 0; kind < kNormalisers; ++kind) parts.push_back(normaliser_of(kind));
    parts.push_back(planes_of_stampnet());
    const auto network = std::make_shared<NetworkRow>();
    parts.push_back({"network of stampnet's sizes", 0, [network](const Triplet &) {
                         return Run([network](const auto &team) { network->score(team); });
                     }});
    return parts;
}

int run(const Part &part) {
    FiberWarp warp;
    int triplets = 0;
    for (const synthetic::SyntheticTriplet &triplet : synthetic::every_scene()) {
        if (part.side > 0 && triplet.side != part.side) continue;
        part.of(triplet.view())(warp);
        ++triplets;
        if (part.side == 0) break;
    }
    std::printf("%d %ld %ld %ld %ld %ld\n", triplets, exchanged.shuffles, exchanged.votes, exchanged.barriers,
                exchanged.matrices, exchanged.calls);
    return 0;
}

}  // namespace

int main(int count, char **argument) {
    const std::string wanted = count == 2 ? argument[1] : "";
    for (const Part &part : every_part()) {
        if (wanted == "--list") std::printf("%s\n", part.name.c_str());
        if (wanted == part.name) return run(part);
    }
    return wanted == "--list" ? 0 : 2;
}
