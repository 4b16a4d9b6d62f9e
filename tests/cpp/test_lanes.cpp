// Every feature, recipe and normaliser on a warp of 32 fibers: the bits of HostTeam, and no race (built with the thread
// sanitizer).
#include "check.hpp"
#include "fiber_lanes.hpp"
#include "kernel/host_team.hpp"
#include "kernel/recipe.hpp"
#include "kernel/staged_views.hpp"
#include "kernel/stamp_features.hpp"
#include "synthetic_stamps.hpp"
#include "triplet.hpp"

#include <cstdio>
#include <type_traits>

namespace {

using namespace s2v::kernel;
using WarpOfFibers = LaneTeam<FiberWarp::Lanes>;

bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Runs `kernel(team, out)`, which returns flags, on both teams and compares.
template <class Kernel>
bool agree(FiberWarp &warp, bool ascending, std::size_t size, Kernel kernel) {
    std::vector<float> expected(size, -1.0F);
    std::vector<float> got(size, -1.0F);
    std::vector<std::uint32_t> flags(kLanes);
    const std::uint32_t expected_flags = kernel(HostTeam(), expected.data());
    bool good = warp.run(ascending, [&](FiberWarp::Lanes lane) {
        flags[static_cast<std::size_t>(lane.index())] = kernel(WarpOfFibers(lane), got.data());
    });
    for (const std::uint32_t one : flags) good = good && one == expected_flags;
    return good && same_bits(got, expected);
}

// Every fault, and planes that were normalised one by one.
synthetic::Batch every_stamp() {
    synthetic::Batch batch = synthetic::everything();
    synthetic::Random random(3);
    for (const synthetic::Fault fault : {synthetic::Fault::kFolded, synthetic::Fault::kSigns})
        batch.add(63, 63, 31, 31, fault, random);
    return batch;
}

// Two rows in turn on one scratch, as a warp takes them.
template <class Scratch, class Kernel>
void check_rows(const char *what, std::size_t size, Kernel kernel) {
    const synthetic::Batch batch = every_stamp();
    const s2v_stamps stamps = batch.view().c();
    const auto scratch = std::make_unique<Scratch>();
    FiberWarp warp;
    for (std::int64_t row = 0; row < stamps.n; row += 2) {
        const bool ascending = row / 2 % 2 == 0;
        const bool good = agree(warp, ascending, 2 * size, [&](const auto &team, float *out) {
            const std::uint32_t first = kernel(team, triplet_of(&stamps, row), out, *scratch);
            const std::int64_t other = (row + 1) % stamps.n;
            return first * 0x9e3779b1U ^ kernel(team, triplet_of(&stamps, other), out + size, *scratch);
        });
        if (!good) std::printf("%s, rows %lld and the next\n", what, static_cast<long long>(row));
        CHECK(good);
    }
}

// Where a team stages planes.
struct StagedScratch {
    alignas(16) float stage[33 * 33 + 3];
    alignas(16) float kept[33 * 33];
    StepScratch steps;
};

// Two chains on three planes, of which one may be absent: staged or in place, cut once or for each chain, as floats or
// as bytes, which are those of the floats.
void check_views(const char *name, const Chain &chain) {
    const ViewRecipe how = {33, 3, {kScience, kTemplate, kDifference}, 2, {chain, {1, {{normaliser::l2, {}}}}}};
    constexpr int pixels = 33 * 33;
    constexpr int planes = 6;
    const float scale[planes] = {8.0F, 8.0F, 8.0F, 100.0F, 100.0F, 100.0F};
    for (const int variant : {0, 1, 2, 3, 4}) {
        const bool spared = variant % 2 == 0;
        const ModelNeeds needs = {kEveryPlane, kEveryPlane, spared ? kEveryPlane : 0u, true, false, variant >= 2};
        const bool bytes = variant >= 3;
        check_rows<StagedScratch>(
            name, std::size_t{planes} * pixels,
            [&](const auto &team, const Triplet &triplet, float *out, StagedScratch &s) {
                const auto words = [&](int plane) {
                    return reinterpret_cast<std::uint32_t *>(out) + std::ptrdiff_t{plane} * plane_words(pixels);
                };
                if constexpr (std::decay_t<decltype(team)>::kAlone) {
                    std::vector<float> prepared(bytes ? std::size_t{planes} * pixels : 0);
                    const std::uint32_t flags =
                        prepare_views(team, triplet, how, needs, bytes ? prepared.data() : out, s.steps);
                    for (int k = 0; bytes && k < planes; ++k) {
                        std::copy_n(prepared.begin() + std::ptrdiff_t{k} * pixels, pixels, s.stage);
                        write_bytes(team, s.stage, pixels, scale[k], words(k));
                    }
                    return flags;
                } else {
                    const PlaneTarget to = {bytes ? nullptr : out, words(0), scale};
                    const ViewScratch scratch = {variant > 0 ? s.stage : nullptr, variant > 1 ? s.kept : nullptr,
                                                 &s.steps};
                    const std::uint32_t flags = prepare_staged_views(team, triplet, how, needs, to, scratch);
                    team.sync();
                    if (bytes && flags & kRefused & ~(spared ? flag::missing : 0u))  // they are not to be used
                        team.for_each(planes * plane_words(pixels), [&](int i) { words(0)[i] = kZeroBytes; });
                    team.sync();
                    return flags;
                }
            });
    }
}

// Both flags of stamps that models do not know, and neither, on both teams.
void check_stamp_flags() {
    const synthetic::Batch batch = every_stamp();
    const s2v_stamps stamps = batch.view().c();
    constexpr std::uint32_t unfamiliar = flag::masked_core | flag::no_flux_scale;
    std::uint32_t raised = 0;
    bool plain = false;
    for (std::int64_t row = 0; row < stamps.n; ++row) {
        const std::uint32_t met = flag_stamp(HostTeam(), triplet_of(&stamps, row), 7U);
        raised |= met;
        plain = plain || !(met & unfamiliar);
        if (row >= stamps.n - 2) CHECK((met & unfamiliar) == flag::no_flux_scale);
        // Of one plane nothing can be said but whether its core is masked.
        CHECK(!(flag_stamp(HostTeam(), triplet_of(&stamps, row), 4U) & flag::no_flux_scale));
        CHECK(!(flag_stamp(HostTeam(), triplet_of(&stamps, row), 2U) & unfamiliar));
    }
    CHECK(plain && (raised & unfamiliar) == unfamiliar);
}

// What a model raises of a stamp that is measured and prepared: each flag once, and none is lost.
void check_flags_are_raised_once() {
    const synthetic::Batch batch = every_stamp();
    const s2v_stamps stamps = batch.view().c();
    const auto scratch = std::make_unique<RecipeScratch>();
    const Chain chain{1, {{normaliser::l2, {}}}};
    const ViewRecipe how = {33, 3, {kScience, kTemplate, kDifference}, 1, {chain}};
    const std::size_t size = std::size_t{3} * kLargestSide * kLargestSide;
    std::vector<float> expected(size), got(size);
    CHECK(covers_flags(7U, 7U) && covers_flags(7U, 5U) && covers_flags(3U, 1U));
    CHECK(!covers_flags(7U, 3U) && !covers_flags(5U, 7U) && !covers_flags(4U, 0U));
    for (std::int64_t row = 0; row < stamps.n; ++row) {
        const Triplet triplet = triplet_of(&stamps, row);
        const auto flags_by = [&](std::uint32_t planes) { return flag_stamp(HostTeam(), triplet, planes); };
        for (std::uint32_t measured = 1; measured <= kEveryPlane; ++measured)
            for (std::uint32_t prepared = 1; prepared <= kEveryPlane; ++prepared)
                if (covers_flags(measured, prepared)) CHECK((flags_by(prepared) & ~flags_by(measured)) == 0);
        const std::uint32_t of_stamp = flags_by(kEveryPlane);
        ModelNeeds needs = {kEveryPlane, kEveryPlane, 1u << kTemplate, true, false, false};
        std::uint32_t all = prepare_views(HostTeam(), triplet, how, needs, expected.data(), scratch->steps);
        needs.flags_measured = true;
        std::uint32_t some = prepare_views(HostTeam(), triplet, how, needs, got.data(), scratch->steps);
        CHECK(all == (some | of_stamp) && (some & (flag::masked_core | flag::no_flux_scale)) == 0);
        CHECK(same_bits(got, expected));
        for (const int which : {recipe::braai, recipe::ayyar}) {
            all = prepare(HostTeam(), triplet, which, false, expected.data(), *scratch);
            some = prepare(HostTeam(), triplet, which, true, got.data(), *scratch);
            CHECK(all == (some | of_stamp) && (some & (flag::masked_core | flag::no_flux_scale)) == 0);
            CHECK(same_bits(got, expected));
        }
    }
}

}  // namespace

int main() {
    check_stamp_flags();
    check_flags_are_raised_once();
    for (const Convention convention : {Convention::kCode, Convention::kPaper})
        check_rows<FeatureScratch>(
            "features", kStampFeatures, [&](const auto &team, const Triplet &triplet, float *out, FeatureScratch &s) {
                return stamp_features(team, triplet, measure_all(kAutoscanSet | kS2vSet), convention, out, s);
            });
    for (int which = 0; which < kRecipes; ++which) {
        const RecipeShape shape = recipe_shape(which);
        check_rows<RecipeScratch>(kRecipeNames[which], static_cast<std::size_t>(3 * shape.height * shape.width),
                                  [&](const auto &team, const Triplet &triplet, float *out, RecipeScratch &s) {
                                      return prepare(team, triplet, which, false, out, s);
                                  });
    }
    for (int kind = 0; kind < kNormalisers; ++kind) {
        Chain chain{2, {{kind, {}}, {normaliser::asinh, {1.0}}}};
        for (int i = 0; i < kNormaliserEntries[kind].parameters; ++i)
            chain.step[0].parameter[i] = kNormaliserEntries[kind].parameter[i].otherwise;
        check_rows<StepScratch>(kNormaliserEntries[kind].name, std::size_t{80} * 90,
                                [&](const auto &team, const Triplet &triplet, float *out, StepScratch &s) {
                                    const Plane &plane = triplet.plane[kDifference];
                                    const MaskedPlane view = {plane.pixels, nullptr, plane.height, plane.width - 1,
                                                              plane.width};
                                    return normalise_plane(team, view, chain, -7.0f, out, s);
                                });
        const Composition how = {40, 2, {kDifference, kScience}, chain};
        check_rows<StepScratch>(kNormaliserEntries[kind].name, std::size_t{2} * 40 * 40,
                                [&](const auto &team, const Triplet &triplet, float *out, StepScratch &s) {
                                    return prepare_composition(team, triplet, how, out, s);
                                });
        check_views(kNormaliserEntries[kind].name, chain);
    }
    return check::report();
}
