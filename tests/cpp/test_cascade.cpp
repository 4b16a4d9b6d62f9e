// Cascades through the C ABI: each row has what two plain models and the rule for doubt give it, from arrays and from
// packets, whose planes are opened only where there is a doubt.
#include "check.hpp"
#include "synthetic_packets.hpp"
#include "synthetic_scoring.hpp"

#include <algorithm>
#include <cstring>

namespace {

using synthetic::CascadeFile;
using synthetic::flag;
using synthetic::Octets;
using synthetic::same_bits;

struct Scored {
    std::vector<float> score;
    std::vector<std::uint32_t> flags;

    Scored() = default;
    Scored(const s2v::Model &model, const s2v_stamps &stamps, const std::vector<std::uint32_t> &raised, int threads = 1)
        : score(static_cast<std::size_t>(stamps.n)), flags(score.size()) {
        s2v::Scorer scorer(model, threads);
        const s2v_catalogue known = {sizeof known, nullptr, raised.data()};
        CHECK(s2v_score_stamps(scorer.c(), &stamps, &known, score.data(), flags.data()) == S2V_OK);
    }
    [[nodiscard]] bool same(const Scored &other) const {
        return same_bits(score, other.score) && flags == other.flags;
    }
};

// The rule in words: the first network's where it is sure or gives none, else the second's.
Scored expected_of(const Scored &first, const Scored &second, float low, float high) {
    Scored out = first;
    for (std::size_t row = 0; row < out.score.size(); ++row) {
        const float score = first.score[row];
        if (score >= low && score <= high) {
            out.score[row] = second.score[row];
            out.flags[row] = second.flags[row];
        } else if (score == score) {
            out.flags[row] |= flag("scored_early");
        }
    }
    return out;
}

// A doubt that about a third of the scores of a first network lies in.
void doubt_of(std::vector<float> score, float &low, float &high) {
    std::erase_if(score, [](float x) { return x != x; });
    std::sort(score.begin(), score.end());
    low = score[score.size() / 3];
    high = score[2 * score.size() / 3];
    CHECK(low < high);
}

struct Rows {
    synthetic::Batch batch = synthetic::batch_of(2);
    std::vector<std::uint32_t> raised;

    Rows() {
        synthetic::Random random(4);
        for (int k = 0; k < 12; ++k) {  // without a template, which could not be decoded now and then
            batch.add(51, 51, 25, 25, synthetic::Fault::kNone, random);
            batch.offset[3 * (batch.size() - 1) + S2V_TEMPLATE] = -1;
        }
        raised.resize(batch.size());
        for (std::size_t row = raised.size() - 12; row < raised.size(); ++row)
            raised[row] = flag(row % 3 ? "bad_stamp" : "missing");
    }
};

void a_row_has_the_score_that_the_rule_gives_it() {
    const CascadeFile cascade;
    const Rows rows;
    const s2v_stamps stamps = rows.batch.view().c();
    const Scored first(cascade.first_alone(), stamps, rows.raised);
    const Scored second(cascade.second.model(), stamps, rows.raised);
    float low = 0.0F;
    float high = 0.0F;
    doubt_of(first.score, low, high);
    const Scored expected = expected_of(first, second, low, high);
    std::size_t early = 0;
    std::size_t lost = 0;  // in doubt, and refused by the second
    for (std::size_t row = 0; row < expected.score.size(); ++row) {
        early += expected.flags[row] & flag("scored_early") ? 1 : 0;
        lost += first.score[row] == first.score[row] && expected.score[row] != expected.score[row] ? 1 : 0;
    }
    CHECK(early > 20 && lost > 0 && early + 20 < expected.score.size());
    CHECK(!same_bits(expected.score, first.score) && !same_bits(expected.score, second.score));
    const s2v::Model model = cascade.model(low, high);
    for (const int threads : {1, 3}) CHECK(Scored(model, stamps, rows.raised, threads).same(expected));

    // Both ends are in doubt, and what is beside them is not.
    const std::size_t n = first.score.size();
    for (std::size_t row = 0; row < n; row += 9) {
        if (first.score[row] != first.score[row] || first.score[row] >= high) continue;
        const Scored with = Scored(cascade.model(first.score[row], high), stamps, rows.raised);
        CHECK(with.same(expected_of(first, second, first.score[row], high)));
    }

    s2v_needs needs = {};
    needs.size = sizeof needs;
    CHECK(s2v_model_needs(model.c(), &needs) == S2V_OK);
    CHECK(needs.planes == 7 && needs.first == (1U << S2V_SCIENCE | 1U << S2V_DIFFERENCE) && needs.runs == 1);
    CHECK(s2v_model_needs(cascade.second.model().c(), &needs) == S2V_OK && needs.first == 0);
}

void a_calibration_is_that_of_the_whole() {
    const CascadeFile cascade;
    const Rows rows;
    const s2v_stamps stamps = rows.batch.view().c();
    Scored expected(cascade.model(0.3F, 0.7F), stamps, rows.raised);
    const float x[] = {0.1F, 0.6F, 0.9F};
    const float y[] = {0.0F, 0.2F, 1.0F};
    CHECK(s2v_calibrate(3, x, y, expected.score.data(), stamps.n) == S2V_OK);
    const char *const table = R"(, "calibration": {"x": [0.1, 0.6, 0.9], "y": [0.0, 0.2, 1.0]})";
    CHECK(Scored(cascade.model(0.3F, 0.7F, table), stamps, rows.raised).same(expected));
}

void inputs_are_those_of_the_second() {
    const CascadeFile cascade;
    const s2v::Model model = cascade.model(0.35F, 0.65F);
    const synthetic::Batch batch = synthetic::batch_of(2);
    const s2v_stamps stamps = batch.view().c();
    const std::size_t n = batch.size();
    std::vector<float> planes(n * 6 * 33 * 33), columns(n * synthetic::stamp_columns().size()), score(n);
    std::vector<std::uint32_t> flags(n);
    std::vector<std::uint8_t> scored(n);
    CHECK(s2v_model_inputs(model.c(), &stamps, nullptr, planes.data(), columns.data(), flags.data(), scored.data(),
                           1) == S2V_OK);
    CHECK(s2v_model_predict(model.c(), planes.data(), columns.data(), stamps.n, score.data(), 2) == S2V_OK);
    const Scored given(model, stamps, std::vector<std::uint32_t>(n));
    std::size_t compared = 0;
    for (std::size_t row = 0; row < n; ++row) {  // of rows that both networks can be asked of
        if (!scored[row] || given.score[row] != given.score[row]) continue;
        CHECK(std::memcmp(&score[row], &given.score[row], sizeof(float)) == 0);
        ++compared;
    }
    CHECK(compared > n / 3);
}

// A template that is too large costs only a row in doubt, as one that is damaged does.
void planes_that_are_not_looked_at_may_be_large() {
    const CascadeFile cascade;
    Rows rows;
    std::size_t large = 0;
    for (std::size_t row = 0; row < rows.batch.size(); ++row) {
        std::int32_t *const shape = rows.batch.shape.data() + 6 * row + std::size_t{2} * S2V_TEMPLATE;
        if (shape[0] != 51 || shape[1] != 51) continue;
        shape[0] = 65;
        shape[1] = 40;  // as many pixels, or fewer
        ++large;
    }
    CHECK(large > 20);
    const s2v_stamps stamps = rows.batch.view().c();
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.largest_side = 64;
    const auto scored = [&](const s2v::Model &model) {
        Scored out;
        out.score.resize(static_cast<std::size_t>(stamps.n));
        out.flags.resize(out.score.size());
        s2v::Scorer scorer(model, options);
        const s2v_catalogue known = {sizeof known, nullptr, rows.raised.data()};
        CHECK(s2v_score_stamps(scorer.c(), &stamps, &known, out.score.data(), out.flags.data()) == S2V_OK);
        return out;
    };
    const Scored first = scored(cascade.first_alone());
    const Scored second = scored(cascade.second.model());
    float low = 0.0F;
    float high = 0.0F;
    doubt_of(first.score, low, high);
    const Scored expected = expected_of(first, second, low, high);
    CHECK(scored(cascade.model(low, high)).same(expected));
    std::size_t early = 0;
    for (std::size_t row = 0; row < expected.score.size(); ++row)
        early += (expected.flags[row] & flag("scored_early")) && (second.flags[row] & flag("off_shape")) ? 1 : 0;
    CHECK(early > 5);
}

// Spoils the FITS file of one plane of some of the alerts of a container that is not packed.
void spoil(Octets &container, int channel, int every) {
    const std::string magic = "SIMPLE  =";
    int met = 0;
    for (auto at = container.begin();; ++met) {
        at = std::search(at, container.end(), magic.begin(), magic.end());
        if (at == container.end()) break;
        if (met % 3 == channel && met / 3 % every == 0) *at = 'X';
        ++at;
    }
    CHECK(met > 0);
}

struct Read {
    Scored rows;
    std::vector<std::uint32_t> damaged;  // planes, bits, by row
    std::vector<float> pixels;           // and what a scorer gives for them
    Scored of_pixels;
};

Read read(const Octets &input, const s2v::Model &model, bool pixels, int threads) {
    Read out;
    const void *memory = input.data();
    const auto size = static_cast<std::int64_t>(input.size());
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = 1;
    reading.memory = &memory;
    reading.memory_size = &size;
    reading.keep_pixels = pixels;
    reading.threads = threads;
    reading.model = model.c();
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    auto batch = s2v::sized<s2v_batch>();
    while (s2v_reader_next(reader, 11, &batch) == S2V_OK && batch.stamps.n > 0) {
        const auto n = static_cast<std::size_t>(batch.stamps.n);
        out.rows.score.insert(out.rows.score.end(), batch.score, batch.score + n);
        out.rows.flags.insert(out.rows.flags.end(), batch.score_flags, batch.score_flags + n);
        const std::size_t first = out.damaged.size();
        out.damaged.resize(first + n);
        for (std::int64_t i = 0; i < batch.problem_count; ++i)
            if (batch.problems[i].channel >= 0)
                out.damaged[first + static_cast<std::size_t>(batch.problems[i].row)] |= 1U << batch.problems[i].channel;
        if (!pixels) continue;
        const Scored own(model, batch.stamps, std::vector<std::uint32_t>(batch.flags, batch.flags + n));
        out.of_pixels.score.insert(out.of_pixels.score.end(), own.score.begin(), own.score.end());
        out.of_pixels.flags.insert(out.of_pixels.flags.end(), own.flags.begin(), own.flags.end());
    }
    s2v_reader_close(reader);
    return out;
}

void a_damaged_template_costs_only_rows_in_doubt() {
    const CascadeFile cascade;
    Octets input = synthetic::container(0, 60, 7);
    const Read whole = read(input, cascade.first_alone(), false, 1);
    float low = 0.0F;
    float high = 0.0F;
    doubt_of(whole.rows.score, low, high);
    const s2v::Model model = cascade.model(low, high);
    for (const int every : {1, 4}) {
        Octets spoilt = input;
        spoil(spoilt, S2V_TEMPLATE, every);
        spoil(spoilt, S2V_SCIENCE, 13);
        const Read first = read(spoilt, cascade.first_alone(), false, 1);
        const Read second = read(spoilt, cascade.second.model(), true, 1);
        CHECK(second.rows.same(second.of_pixels));
        const Scored expected = expected_of(first.rows, second.rows, low, high);
        const Read plain = read(spoilt, model, true, 1);  // all planes are opened, for their pixels are wanted
        CHECK(plain.rows.same(expected) && plain.of_pixels.same(expected));
        std::size_t lost = 0;
        std::size_t unseen = 0;
        for (const int threads : {1, 2}) {
            const Read lean = read(spoilt, model, false, threads);
            CHECK(lean.rows.same(expected));
            lost = unseen = 0;
            for (std::size_t row = 0; row < lean.damaged.size(); ++row) {
                const bool broken = (plain.damaged[row] >> S2V_TEMPLATE & 1U) != 0;
                const bool met = (lean.damaged[row] >> S2V_TEMPLATE & 1U) != 0;
                const float score = first.rows.score[row];
                CHECK(met == (broken && score >= low && score <= high));
                if (met) CHECK(expected.score[row] != expected.score[row] && (expected.flags[row] & flag("bad_stamp")));
                lost += met ? 1 : 0;
                unseen += broken && !met && expected.score[row] == expected.score[row] ? 1 : 0;
            }
        }
        CHECK(lost > 2 && unseen > 2);
    }
}

void headers_that_lie_are_refused() {
    const CascadeFile cascade;
    const auto refused = [&](const std::string &bytes, const char *why) {
        s2v_model *model = nullptr;
        CHECK(s2v_model_from_memory(bytes.data(), static_cast<std::int64_t>(bytes.size()), &model) == S2V_BAD_MODEL);
        CHECK(model == nullptr);
        if (std::strstr(s2v_last_error(), why) == nullptr) std::fprintf(stderr, "%s\n", s2v_last_error());
        CHECK(std::strstr(s2v_last_error(), why));
        s2v_model_free(model);
    };
    const std::string good = cascade.first_header();
    for (const char *const doubt :
         {"[0.7, 0.3]", "[0.5, 0.5]", "[-0.1, 0.5]", "[0.5, 1.5]", "[0.5]", "[0.1, 0.2, 0.3]", "0.5", R"(["a", 1])"})
        refused(cascade.bytes(doubt, good), "doubt");
    refused(cascade.bytes("[NaN, 0.5]", good), "JSON");
    refused(cascade.bytes("null", good), "doubt");
    const char *const both = "[0.3, 0.7]";
    refused(cascade.bytes(both, "3"), "header lacks");
    refused(cascade.bytes(both, cascade.first_header(R"("science", "template", "difference")", 21)), "another way");
    refused(cascade.bytes(both, cascade.first_header(R"("science", "difference")", 33, "", "SNR")), "columns");
    std::string paper = good;
    paper.replace(paper.find(R"("code")"), 6, R"("paper")");
    refused(cascade.bytes(both, paper), "convention");
    refused(
        cascade.bytes(both, cascade.first_header(R"("science", "difference")", 33, R"(, "first": 3, "doubt": [0, 1])")),
        "header lacks");
    std::string of_floats = good;
    of_floats.replace(of_floats.find("integer"), 7, "other_0");
    refused(cascade.bytes(both, of_floats), "in integers");
    std::string other = good;
    other.replace(other.find("1.25"), 4, "-1.0");
    refused(cascade.bytes(both, other), "temperature");
    synthetic::ModelFile alone;  // a first network without its weights
    alone.header = synthetic::model_header("network", synthetic::stamp_columns(),
                                           synthetic::kRecipe + synthetic::architecture("stampnet", "") +
                                               R"(, "first": )" + good + R"(, "doubt": [0.3, 0.7])");
    synthetic::add_network(alone, cascade.second.network);
    refused(alone.bytes(), "its header says");
}

}  // namespace

int main() {
    a_row_has_the_score_that_the_rule_gives_it();
    a_calibration_is_that_of_the_whole();
    inputs_are_those_of_the_second();
    planes_that_are_not_looked_at_may_be_large();
    a_damaged_template_costs_only_rows_in_doubt();
    headers_that_lie_are_refused();
    return check::report();
}
