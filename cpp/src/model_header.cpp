#include "model_header.hpp"

#include "checks.hpp"
#include "error.hpp"
#include "kernel/feature_sets.hpp"
#include "kernel/forest.hpp"
#include "kernel/recipe.hpp"
#include "safetensors.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace s2v {
namespace {

// What a recipe may give of a candidate: 4 MiB.
constexpr std::size_t kMostPixels = std::size_t{1} << 20;
constexpr double kMostNumbers = 1024;  // of a vector
constexpr std::array<std::string_view, S2V_CHANNELS> kChannelNames = {"science", "template", "difference"};

[[noreturn]] void bad(const std::string &reason) {
    throw Failure(S2V_BAD_MODEL, reason);
}

// A member of an object that must be there.
const json::Value &member(const json::Value &object, const char *key) {
    const json::Value *found = object.find(key);
    if (found == nullptr) bad(std::string("the header lacks ") + key);
    return *found;
}

const std::string &text(const json::Value &value, const char *what) {
    if (value.string() == nullptr) bad(std::string(what) + " is no text");
    return *value.string();
}

double number(const json::Value &value, const char *what) {
    if (value.number() == nullptr) bad(std::string(what) + " is no number");
    return *value.number();
}

const json::Array &list(const json::Value &value, const char *what, std::size_t most) {
    if (value.array() == nullptr) bad(std::string(what) + " is no list");
    if (value.array()->size() > most) bad(std::string(what) + ": more than " + std::to_string(most));
    return *value.array();
}

// A name of the model or of a column: short, and what C reads of it is the whole of it.
const std::string &name_in(const json::Value &value, const char *what) {
    const std::string &name = text(value, what);
    if (name.size() > kLongestName) bad(std::string(what) + " is longer than 256 bytes");
    if (name.find('\0') != std::string::npos) bad(std::string(what) + " holds a NUL");
    return name;
}

std::int32_t channel_of(const json::Value &value) {
    const std::string &name = text(value, "a plane");
    const auto at = std::find(kChannelNames.begin(), kChannelNames.end(), name);
    if (at == kChannelNames.end()) bad("unknown plane " + printable(name));
    return static_cast<std::int32_t>(at - kChannelNames.begin());
}

kernel::Step step_of(const json::Value &value) {
    const std::string &name = text(member(value, "name"), "the name of a step");
    for (std::int32_t kind = 0; kind < kernel::kNormalisers; ++kind) {
        const kernel::NormaliserEntry &entry = kernel::kNormaliserEntries[kind];
        if (name != entry.name) continue;
        if (number(member(value, "version"), "a version") != entry.version)
            bad("the normaliser " + name + " has version " + std::to_string(entry.version) + " here");
        kernel::Step step{kind, {}};
        for (int k = 0; k < entry.parameters; ++k)
            step.parameter[k] = number(member(member(value, "parameters"), entry.parameter[k].name), "a parameter");
        return step;
    }
    bad("unknown normaliser " + printable(name));
}

kernel::Chain chain_of(const json::Value &value) {
    const json::Array &steps = list(value, "a chain of steps", kernel::kMostSteps);
    if (steps.empty()) bad("a chain has no steps");
    kernel::Chain chain{};
    s2v_step given[kernel::kMostSteps] = {};
    for (const json::Value &one : steps) {
        const kernel::Step step = step_of(one);
        given[chain.count].kind = step.kind;
        std::copy_n(step.parameter, kernel::kMostParameters, given[chain.count].parameters);
        chain.step[chain.count++] = step;
    }
    try {
        check_steps(given, chain.count);
    } catch (const Failure &failure) {
        bad(std::string("a step: ") + failure.what());
    }
    return chain;
}

void finish(ModelRecipe &recipe) {
    recipe.planes = recipe.views.views * recipe.views.channels;
    recipe.height = recipe.width = recipe.views.side;
}

ModelRecipe registered_recipe(const std::string &name, double version) {
    for (std::int32_t which = 0; which < kernel::kRecipes; ++which) {
        if (name != kernel::kRecipeNames[which]) continue;
        if (version != kernel::kRecipeVersions[which])
            bad("the recipe " + name + " has version " + std::to_string(kernel::kRecipeVersions[which]) + " here");
        ModelRecipe recipe;
        const kernel::RecipeShape shape = kernel::recipe_shape(which);
        const kernel::Composition how = kernel::recipe_composition(which);
        if (how.chain.count > 0) {
            recipe.views = {how.side, how.channels, {}, 1, {how.chain}};
            std::copy_n(how.channel, S2V_CHANNELS, recipe.views.channel);
            finish(recipe);
        } else {
            recipe.registered = which;
            recipe.planes = S2V_CHANNELS;
            recipe.height = shape.height;
            recipe.width = shape.width;
        }
        return recipe;
    }
    bad("unknown recipe " + printable(name));
}

ModelRecipe recipe_of(const json::Value &value) {
    const std::string &name = text(member(value, "name"), "the name of the recipe");
    const double version = number(member(value, "version"), "the version of the recipe");
    if (value.find("steps") == nullptr) return registered_recipe(name, version);
    ModelRecipe recipe;
    kernel::ViewRecipe &views = recipe.views;
    const double side = number(member(value, "side"), "the side of the recipe");
    if (!(side >= 1 && side <= kLargestSquare && side == std::floor(side))) bad("the side of the recipe is none");
    views.side = static_cast<int>(side);
    std::uint32_t met = 0;
    for (const json::Value &one : list(member(value, "channels"), "the planes of the recipe", S2V_CHANNELS)) {
        const std::int32_t channel = channel_of(one);
        if (met >> channel & 1U) bad("the recipe names a plane twice");
        met |= 1U << channel;
        views.channel[views.channels++] = channel;
    }
    if (views.channels == 0) bad("the recipe has no plane");
    views.chain[views.views++] = chain_of(member(value, "steps"));
    if (const json::Value *further = value.find("further"))
        for (const json::Value &one : list(*further, "the further chains", kernel::kMostViews - 1))
            views.chain[views.views++] = chain_of(one);
    finish(recipe);
    if (recipe.pixels() > kMostPixels) bad("the recipe has more than 1048576 pixels a candidate");
    return recipe;
}

std::uint32_t planes_of(const ModelRecipe &recipe) {
    std::uint32_t planes = 0;
    if (recipe.registered >= 0) return (1U << S2V_CHANNELS) - 1;
    for (int k = 0; k < recipe.views.channels; ++k) planes |= 1U << recipe.views.channel[k];
    return planes;
}

void read_architecture(const json::Value &header, ModelHeader &out) {
    const json::Value &how = member(header, "architecture");
    out.architecture = text(member(how, "name"), "the name of the architecture");
    if (const json::Value *warmth = how.find("temperature"))
        out.temperature = static_cast<float>(number(*warmth, "the temperature"));
    if (!(std::isfinite(out.temperature) && out.temperature > 0.0F)) bad("the temperature is not above 0");
    if (const json::Value *optional = how.find("optional"))
        for (const json::Value &one : list(*optional, "optional", S2V_CHANNELS)) out.optional |= 1U << channel_of(one);
    if (out.architecture == "vectornet") {
        const double numbers = number(member(member(how, "settings"), "vector"), "the length of the vectors");
        if (!(numbers >= 1 && numbers <= kMostNumbers && numbers == std::floor(numbers)))
            bad("the length of the vectors is not a whole number from 1 to 1024");
        out.vector = static_cast<std::int32_t>(numbers);
        if (!out.recipe) bad("a network of vectors takes planes, and its header names no recipe");
        if (!out.calibration.x.empty()) bad("a network of vectors has no calibration");
    }
    if (const json::Value *integer = header.find("integer")) {
        if (number(member(*integer, "version"), "the version of the integers") != 1.0)
            bad("its integers are of a version that is not known here");
        out.integer = true;
    }
}

void read_columns(const json::Value &header, ModelHeader &out) {
    const json::Value &features = member(header, "features");
    for (const json::Value &name : list(member(features, "names"), "the feature names", kernel::kNodeFeatureLimit))
        out.columns.push_back(name_in(name, "a feature name"));
    std::vector<std::string> sorted = out.columns;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) bad("a feature name comes twice");
    const json::Value *set = features.find("set");
    const bool custom = set == nullptr || text(*set, "the set of the features") == "custom";
    const json::Value *version = features.find("version");
    if (!custom && version != nullptr && number(*version, "the version of the features") != kernel::kFeaturesVersion)
        bad("it was trained on another version of the features");
}

std::vector<float> knots(const json::Value &table, const char *axis) {
    std::vector<float> values;
    for (const json::Value &value : list(member(table, axis), "the knots of the calibration", kernel::kMostKnots)) {
        const double knot = number(value, "a knot of the calibration");
        if (!(knot >= 0.0 && knot <= 1.0)) bad("calibration: a knot lies outside 0 to 1");
        values.push_back(static_cast<float>(knot) + 0.0F);  // -0 is none: the bits are those of other backends
    }
    return values;
}

void read_calibration(const json::Value &header, ModelHeader &out) {
    const json::Value *table = header.find("calibration");
    if (table == nullptr || std::holds_alternative<std::nullptr_t>(table->held)) return;
    out.calibration = {knots(*table, "x"), knots(*table, "y")};
    try {
        check_calibration(out.calibration.x, out.calibration.y);
    } catch (const Failure &failure) {
        bad(failure.what());
    }
}

// The features' sets that have all the columns, the smallest choice; and the planes that these columns need.
void measure(const ModelHeader &header, s2v_model &model) {
    std::uint32_t planes = 1U << S2V_DIFFERENCE;
    std::uint32_t parts = 0;
    bool of_s2v = false;
    bool of_others = false;
    for (const std::string &name : header.columns) {
        const auto *const end = kernel::kStampFeatureNames + kernel::kStampFeatures;
        const auto at = std::find(kernel::kStampFeatureNames, end, name) - kernel::kStampFeatureNames;
        const bool in_s2v = at < kernel::kStampFeatures && at >= kernel::kAutoscanFeatures;
        if (at < kernel::kStampFeatures) {
            planes |= kernel::kStampFeaturePlanes[at];
            parts |= kernel::feature_parts(static_cast<int>(at));
        }
        of_s2v = of_s2v || in_s2v;
        of_others = of_others || !in_s2v;
    }
    // The set s2v takes the difference alone, or a triplet; where a plane lacks that a recipe prepares, that says so.
    if (of_s2v && planes != 1U << S2V_DIFFERENCE && (planes & ~model.needs.recipe) != 0)
        planes = (1U << S2V_CHANNELS) - 1;
    model.needs.planes |= planes;
    model.measuring = {(of_s2v ? S2V_SET_S2V : 0) | (of_others ? S2V_SET_AUTOSCAN : 0), parts, planes};
}

// Where a column stands among the features of the model's sets and, after them, the catalogue's.
std::int32_t place_of(const std::string &name, std::int32_t sets) {
    const std::int32_t first = sets & S2V_SET_AUTOSCAN ? 0 : kernel::kAutoscanFeatures;
    const std::int32_t last = sets & S2V_SET_S2V ? kernel::kStampFeatures : kernel::kAutoscanFeatures;
    for (std::int32_t k = first; k < last; ++k)
        if (name == kernel::kStampFeatureNames[k]) return k - first;
    for (std::int32_t k = 0; k < kernel::kCatalogueColumns; ++k)
        if (name == kernel::kCatalogueNames[k]) return last - first + k;
    return kForeignColumn;
}

// What tells chains of steps apart.
bool same_chains(const kernel::ViewRecipe &a, const kernel::ViewRecipe &b) {
    bool same = a.side == b.side && a.views == b.views;
    for (int view = 0; same && view < a.views; ++view) {
        same = a.chain[view].count == b.chain[view].count;
        for (int k = 0; same && k < a.chain[view].count; ++k) {
            const kernel::Step &one = a.chain[view].step[k];
            const kernel::Step &other = b.chain[view].step[k];
            same = one.kind == other.kind &&
                   std::equal(std::begin(one.parameter), std::end(one.parameter), std::begin(other.parameter));
        }
    }
    return same;
}

// The first network of a cascade may take nothing that the second one does not take as well: its inputs are some of
// those of the second.
void check_first(const ModelHeader &first, const ModelHeader &second) {
    const std::string who = "the first network of the cascade ";
    if (first.first || first.kind != "network" || second.kind != "network") bad(who + "and the second are no networks");
    if (first.vector > 0 || second.vector > 0) bad(who + "and the second give no scores");
    if (first.integer != second.integer) bad(who + "and the second are not both in integers");
    if (first.convention != second.convention) bad(who + "takes features of another convention");
    if (!first.recipe || !second.recipe || first.recipe->registered >= 0 || second.recipe->registered >= 0)
        bad(who + "and the second take no planes of a recipe of steps");
    if (!same_chains(first.recipe->views, second.recipe->views)) bad(who + "prepares planes in another way");
    if ((planes_of(*first.recipe) & ~planes_of(*second.recipe)) != 0)
        bad(who + "takes planes that the second does not");
    for (const std::string &name : first.columns)
        if (std::find(second.columns.begin(), second.columns.end(), name) == second.columns.end())
            bad(who + "takes columns that the second does not: " + printable(name));
}

void read_first(const json::Value &header, ModelHeader &out) {
    const json::Value *first = header.find("first");
    const json::Value *doubt = header.find("doubt");
    if (first == nullptr && doubt == nullptr) return;
    if (first == nullptr || doubt == nullptr) bad("a cascade has a first network, and a doubt");
    out.first = std::make_shared<const ModelHeader>(read_header(*first));
    const json::Array &ends = list(*doubt, "the doubt", 2);
    if (ends.size() != 2) bad("the doubt has not two ends");
    const double low = number(ends[0], "an end of the doubt");
    const double high = number(ends[1], "an end of the doubt");
    out.doubt = {static_cast<float>(low), static_cast<float>(high)};
    if (!(low >= 0.0 && out.doubt.low < out.doubt.high && high <= 1.0))
        bad("the doubt is no interval of scores, from low to high");
    check_first(*out.first, out);
}

bool same_recipe(const ModelRecipe &a, const ModelRecipe &b) {
    return a.registered == b.registered && a.planes == b.planes && a.views.channels == b.views.channels &&
           std::equal(a.views.channel, a.views.channel + a.views.channels, b.views.channel) &&
           same_chains(a.views, b.views);
}

}  // namespace

bool take_the_same(const s2v_model &a, const s2v_model &b) {
    if (a.first || b.first || a.recipe.has_value() != b.recipe.has_value()) return false;
    const kernel::Measuring &of_a = a.measuring;
    const kernel::Measuring &of_b = b.measuring;
    return a.needs.planes == b.needs.planes && a.needs.optional == b.needs.optional && a.columns == b.columns &&
           a.convention == b.convention && of_a.sets == of_b.sets && of_a.parts == of_b.parts &&
           of_a.planes == of_b.planes && (!a.recipe || same_recipe(*a.recipe, *b.recipe));
}

ModelHeader read_header(const json::Value &header) {
    ModelHeader out;
    out.kind = text(member(header, "kind"), "the kind");
    if (out.kind != "forest" && out.kind != "network")
        bad("neither a forest nor a network, but of kind " + printable(out.kind));
    if (const json::Value *name = header.find("name")) out.name = name_in(*name, "the name");
    if (const json::Value *convention = header.find("convention")) {
        const std::string &given = text(*convention, "the convention");
        if (given != "code" && given != "paper") bad("unknown convention " + printable(given));
        out.convention = given == "paper" ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE;
    }
    read_columns(header, out);
    read_calibration(header, out);
    if (const json::Value *recipe = header.find("recipe")) out.recipe = recipe_of(*recipe);
    if (out.kind == "network")
        read_architecture(header, out);
    else if (out.recipe)
        bad("a forest takes features alone, and its header names a recipe");
    if (!out.recipe && out.columns.empty()) bad("the model takes nothing");
    if (out.recipe) {
        const std::uint32_t spare = planes_of(*out.recipe) & out.optional;
        if (spare && (out.recipe->registered >= 0 || spare == planes_of(*out.recipe)))
            bad("its recipe cannot do without the planes that the model can do without");
    }
    read_first(header, out);
    return out;
}

s2v_model model_of_header(const ModelHeader &header) {
    s2v_model model;
    model.name = header.name;
    model.convention = header.convention;
    model.columns = header.columns;
    model.recipe = header.recipe;
    model.calibration = header.calibration;
    model.vector = header.vector;
    if (header.recipe) model.needs.recipe = model.needs.planes = planes_of(*header.recipe);
    if (!header.columns.empty()) measure(header, model);
    model.needs.optional = header.optional;
    model.needs.columns = !header.columns.empty();
    model.needs.flags_measured =
        model.needs.columns && kernel::covers_flags(model.measuring.planes, model.needs.recipe);
    std::size_t of_catalogue = 0;
    for (const std::string &name : header.columns) {
        model.place.push_back(place_of(name, model.measuring.sets));
        of_catalogue += model.place.back() >= kernel::set_columns(model.measuring.sets) ? 1 : 0;
    }
    model.needs.on_catalogue = 2 * of_catalogue > header.columns.size();
    if (header.first) model.first = std::make_unique<s2v_model>(model_of_header(*header.first));
    model.doubt = header.doubt;
    return model;
}

}  // namespace s2v
