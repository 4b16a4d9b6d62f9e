// A reader that scores: its batches carry what a scorer gives for the same stamps.
#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_models.hpp"
#include "synthetic_packets.hpp"

#include <cstring>

namespace {

using synthetic::Octets;

const char *const kRecipe =
    R"(, "recipe": {"name": "made", "version": 1, "side": 9, "channels": ["science", "template", "difference"],)"
    R"( "steps": [{"name": "min-max", "version": 1, "parameters": {}}]})";

// A network on three planes of 9x9 and one feature of the eighteen.
s2v::Model model_on_planes() {
    const std::vector<std::string> columns = {"MASKFRAC"};
    const s2v::Network network = synthetic::network({3, 9, {16}, 1, 0, false, {16}, false}, 12);
    synthetic::ModelFile file;
    file.header = synthetic::model_header(
        "network", columns,
        std::string(kRecipe) + R"(, "architecture": {"name": "stampnet", "settings": {}, "temperature": 2.0,)" +
            R"( "optional": ["template"]}, "integer": {"version": 1})");
    synthetic::add_network(file, network);
    const std::string bytes = file.bytes();
    return s2v::Model::from_memory(std::as_bytes(std::span(bytes)));
}

struct Scores {
    std::vector<float> score;
    std::vector<std::uint32_t> flags;
    bool operator==(const Scores &other) const {
        return flags == other.flags && score.size() == other.score.size() &&
               std::memcmp(score.data(), other.score.data(), score.size() * sizeof(float)) == 0;
    }
};

// Which planes could not be decoded.
std::uint32_t damaged_planes(const s2v_batch &batch) {
    std::uint32_t planes = 0;
    for (std::int64_t i = 0; i < batch.problem_count; ++i)
        if (batch.problems[i].channel >= 0) planes |= 1U << batch.problems[i].channel;
    return planes;
}

// What batches carry, and what a scorer gives for their stamps; only the first where pixels are not kept. With sets,
// features are asked for as well. Returns the planes that could not be decoded.
std::uint32_t read(const std::vector<Octets> &inputs, const s2v::Model &model, bool pixels, std::uint32_t planes,
                   int threads, Scores &carried, Scores &given, std::int32_t sets = 0,
                   std::vector<float> *features = nullptr, std::vector<std::uint32_t> *feature_flags = nullptr) {
    std::vector<const void *> memory;
    std::vector<std::int64_t> sizes;
    for (const Octets &input : inputs) {
        memory.push_back(input.data());
        sizes.push_back(static_cast<std::int64_t>(input.size()));
    }
    s2v_reading reading;
    s2v_reading_init(&reading);
    CHECK(reading.model == nullptr);
    reading.count = static_cast<std::int64_t>(inputs.size());
    reading.memory = memory.data();
    reading.memory_size = sizes.data();
    reading.keep_pixels = pixels;
    reading.planes = planes;
    reading.threads = threads;
    reading.model = model.c();
    reading.sets = sets;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    std::uint32_t damaged = 0;
    s2v::Scorer scorer(model);
    auto batch = s2v::sized<s2v_batch>();
    while (s2v_reader_next(reader, 7, &batch) == S2V_OK && batch.stamps.n > 0) {
        const auto n = static_cast<std::size_t>(batch.stamps.n);
        carried.score.insert(carried.score.end(), batch.score, batch.score + n);
        carried.flags.insert(carried.flags.end(), batch.score_flags, batch.score_flags + n);
        damaged |= damaged_planes(batch);
        if (features) {
            const std::int64_t size = batch.stamps.n * s2v_stamp_feature_count(sets);
            features->insert(features->end(), batch.features, batch.features + size);
            feature_flags->insert(feature_flags->end(), batch.feature_flags, batch.feature_flags + n);
        }
        if (!pixels) continue;
        std::vector<float> score(n);
        std::vector<std::uint32_t> flags(n);
        const s2v_catalogue known = {sizeof known, nullptr, batch.flags};
        CHECK(s2v_score_stamps(scorer.c(), &batch.stamps, &known, score.data(), flags.data()) == S2V_OK);
        given.score.insert(given.score.end(), score.begin(), score.end());
        given.flags.insert(given.flags.end(), flags.begin(), flags.end());
    }
    s2v_reader_close(reader);
    return damaged;
}

void batches_carry_the_scores() {
    const s2v::Model model = model_on_planes();
    const std::vector<Octets> all = synthetic::whole_and_damaged_inputs();
    Scores first;
    Scores given;
    read(all, model, true, 7, 2, first, given);
    CHECK(first == given);
    std::size_t scored = 0;
    for (const float score : first.score) scored += score == score ? 1 : 0;
    CHECK(scored >= 23 && scored < first.score.size());
    Scores again;
    Scores none;
    read(all, model, false, 0, 1, again, none);  // planes that the model needs are decoded, asked for or not
    CHECK(again == first);
    CHECK(none.score.empty());
}

// A forest of one split on one column of the difference.
s2v::Model forest_on(const std::string &column) {
    synthetic::ModelFile file;
    file.header = synthetic::model_header("forest", {column}, "");
    file.add("tree_start", "I64", {2}, std::vector<std::int64_t>{0, 3});
    file.add("right", "I32", {3}, std::vector<std::int32_t>{2, 0, 0});
    file.add("feature", "I16", {3}, std::vector<std::int16_t>{0, 0, 0});
    file.add("missing_left", "U8", {3}, std::vector<std::uint8_t>{0, 0, 0});
    file.add("value", "F32", {3}, std::vector<float>{0.01F, 0.25F, 0.75F});
    const std::string bytes = file.bytes();
    return s2v::Model::from_memory(std::as_bytes(std::span(bytes)));
}

void planes_that_nobody_needs_are_not_opened() {
    const s2v::Model model = forest_on("MASKFRAC");
    const std::vector<Octets> all = synthetic::whole_and_damaged_inputs();
    Scores with;
    Scores without;
    Scores given;
    CHECK((read(all, model, true, 7, 1, with, given) & ~(1U << S2V_DIFFERENCE)) != 0);
    CHECK(with == given);
    CHECK((read(all, model, false, 7, 1, without, given) & ~(1U << S2V_DIFFERENCE)) == 0);
    CHECK(with == without);
}

void features_and_scores_are_measured_once() {
    const std::vector<Octets> all = synthetic::whole_and_damaged_inputs();
    for (const char *const column : {"AMP", "FLUX_RATIO", "science_a"}) {
        const s2v::Model model = forest_on(column);
        for (const std::int32_t sets : {S2V_SET_AUTOSCAN + 0, S2V_SET_S2V + 0, 3})
            for (const std::uint32_t planes : {4U, 6U, 7U}) {
                Scores alone;
                Scores both;
                Scores none;
                std::vector<float> features, expected;
                std::vector<std::uint32_t> flags, expected_flags;
                read(all, model, false, planes, 1, alone, none);
                read(all, model, false, planes, 2, both, none, sets, &features, &flags);
                CHECK(alone == both);
                // The planes that the model needs beside are none of the features'.
                const s2v::Model other = forest_on("MASKFRAC");
                read(all, other, false, planes, 1, none, none, sets, &expected, &expected_flags);
                CHECK(flags == expected_flags && features.size() == expected.size() &&
                      std::memcmp(features.data(), expected.data(), features.size() * sizeof(float)) == 0);
            }
    }
}

// The magnitude of a packet, which is one of the catalogue's columns, decides: 18 + the number of the packet.
void models_of_the_catalogue_are_served() {
    synthetic::ModelFile file;
    file.header = synthetic::model_header("forest", {"MAG"}, "");
    file.add("tree_start", "I64", {2}, std::vector<std::int64_t>{0, 3});
    file.add("right", "I32", {3}, std::vector<std::int32_t>{2, 0, 0});
    file.add("feature", "I16", {3}, std::vector<std::int16_t>{0, 0, 0});
    file.add("missing_left", "U8", {3}, std::vector<std::uint8_t>{0, 0, 0});
    file.add("value", "F32", {3}, std::vector<float>{22.5F, 0.25F, 0.75F});
    const std::string bytes = file.bytes();
    const s2v::Model model = s2v::Model::from_memory(std::as_bytes(std::span(bytes)));
    Scores carried;
    Scores given;
    read({synthetic::container(0, 10, 3)}, model, false, 7, 2, carried, given);
    CHECK(carried.score.size() == 10);
    for (std::size_t row = 0; row < carried.score.size(); ++row) CHECK(carried.score[row] == (row < 5 ? 0.25F : 0.75F));
}

}  // namespace

int main() {
    batches_carry_the_scores();
    planes_that_nobody_needs_are_not_opened();
    features_and_scores_are_measured_once();
    models_of_the_catalogue_are_served();
    return check::report();
}
