// A reader that scores: its batches carry what a scorer gives for the same stamps.
#include "check.hpp"
#include "made_models.hpp"
#include "made_packets.hpp"
#include "space2vec/space2vec.hpp"

#include <cstring>

namespace {

using made::Octets;

const char *const kRecipe =
    R"(, "recipe": {"name": "made", "version": 1, "side": 9, "channels": ["science", "template", "difference"],)"
    R"( "steps": [{"name": "min-max", "version": 1, "parameters": {}}]})";

// A network on three planes of 9x9 and one feature of the eighteen.
s2v::Model model_of(bool catalogue) {
    const std::vector<std::string> columns = {catalogue ? "SNR" : "MASKFRAC"};
    const s2v::Network network = made::network({3, 9, {16}, 1, 0, false, {16}, false}, 12);
    made::ModelFile file;
    file.header = made::model_header(
        "network", columns,
        std::string(kRecipe) + R"(, "architecture": {"name": "stampnet", "settings": {}, "temperature": 2.0,)" +
            R"( "optional": ["template"]}, "integer": {"version": 1})");
    made::add_network(file, network);
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

// What batches carry, and what a scorer gives for their stamps; only the first where pixels are not kept.
void read(const std::vector<Octets> &inputs, const s2v::Model &model, bool pixels, std::uint32_t planes, int threads,
          Scores &carried, Scores &given) {
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
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    s2v::Scorer scorer(model);
    s2v_batch batch;
    while (s2v_reader_next(reader, 7, &batch) == S2V_OK && batch.stamps.n > 0) {
        const auto n = static_cast<std::size_t>(batch.stamps.n);
        carried.score.insert(carried.score.end(), batch.score, batch.score + n);
        carried.flags.insert(carried.flags.end(), batch.score_flags, batch.score_flags + n);
        if (!pixels) continue;
        std::vector<float> score(n);
        std::vector<std::uint32_t> flags(n);
        const s2v_catalogue known = {sizeof known, nullptr, batch.flags};
        CHECK(s2v_score_stamps(scorer.c(), &batch.stamps, &known, score.data(), flags.data()) == S2V_OK);
        given.score.insert(given.score.end(), score.begin(), score.end());
        given.flags.insert(given.flags.end(), flags.begin(), flags.end());
    }
    s2v_reader_close(reader);
}

// Whole packets, damaged ones, and one that is none.
std::vector<Octets> inputs() {
    std::vector<Octets> out = {made::container(0, 20, 3), made::container(20, 23, 1)};
    Octets cut = made::container(30, 39, 3);
    cut.resize(cut.size() * 2 / 3);
    out.push_back(cut);
    Octets flipped = made::container(40, 49, 3);
    for (std::size_t at = flipped.size() / 2; at < flipped.size(); at += 1009) flipped[at] ^= 0x41;
    out.push_back(flipped);
    out.push_back(Octets(100, 0x20));
    return out;
}

void batches_carry_the_scores() {
    const s2v::Model model = model_of(false);
    const std::vector<Octets> all = inputs();
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

void models_that_a_reader_cannot_serve_are_refused() {
    const s2v::Model model = model_of(true);
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.model = model.c();
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT);
    CHECK(std::strstr(s2v_last_error(), "catalogue"));
}

}  // namespace

int main() {
    batches_carry_the_scores();
    models_that_a_reader_cannot_serve_are_refused();
    return check::report();
}
