// Networks of vectors through the C ABI: vectors of stamps, frames, prepared inputs and batches against a plain
// transcription, and what is refused.
#include "check.hpp"
#include "synthetic_frames.hpp"
#include "synthetic_messages.hpp"
#include "synthetic_scoring.hpp"

#include <algorithm>
#include <cmath>

namespace {

using synthetic::batch_of;
using synthetic::flag;
using synthetic::NetworkFile;
using synthetic::Octets;
using synthetic::VectorFile;
using Vectors = std::vector<std::int8_t>;

constexpr std::size_t kNumbers = 64;

// What a network makes of the inputs that the library prepares, row by row, and its flags.
Vectors expected_of(const VectorFile &file, const s2v::Stamps &stamps, std::vector<std::uint32_t> &flags) {
    const std::size_t n = stamps.size();
    const std::size_t pixels = std::size_t{6} * 33 * 33;
    const std::size_t columns = synthetic::stamp_columns().size();
    std::vector<float> planes(n * pixels), known(n * columns);
    std::vector<std::uint8_t> scored(n);
    flags.resize(n);
    file.model().inputs(stamps, planes, known, flags, scored);
    const synthetic::PlainNetwork plain(file.network);
    Vectors out(n * kNumbers, 0);
    for (std::size_t row = 0; row < n; ++row) {
        if (scored[row] == 0) continue;
        const Vectors one = plain.vector(planes.data() + row * pixels, known.data() + row * columns);
        std::copy(one.begin(), one.end(), out.begin() + static_cast<std::ptrdiff_t>(row * kNumbers));
    }
    return out;
}

std::size_t rows_with_vectors(const Vectors &vectors) {
    std::size_t rows = 0;
    for (std::size_t row = 0; row < vectors.size() / kNumbers; ++row) {
        const auto *const begin = vectors.data() + row * kNumbers;
        rows += std::any_of(begin, begin + kNumbers, [](std::int8_t x) { return x != 0; }) ? 1 : 0;
    }
    return rows;
}

void vectors_follow_the_rule_and_the_network() {
    const VectorFile file;
    const s2v::Model model = file.model();
    CHECK(model.needs().vector == 64 && model.needs().runs == 1 && NetworkFile().model().needs().vector == 0);
    const synthetic::Batch batch = batch_of(2);
    const std::size_t n = batch.size();
    std::vector<std::uint32_t> expected_flags;
    const Vectors expected = expected_of(file, batch.view(), expected_flags);
    CHECK(rows_with_vectors(expected) > n / 3 && rows_with_vectors(expected) < n);
    for (const int threads : {1, 3, 0}) {
        s2v::Scorer scorer(model, threads);
        for (int again = 0; again < 3; ++again) {
            Vectors vectors(n * kNumbers, 55);
            std::vector<std::uint32_t> flags(n, ~0U);
            scorer.embed(batch.view(), vectors, flags);
            CHECK(vectors == expected && flags == expected_flags);
        }
        Vectors one(kNumbers, 55);
        std::uint32_t flags = 0;
        for (std::size_t row = 0; row < n; row += 5) {
            const synthetic::OneRow alone(batch.view().c(), static_cast<std::int64_t>(row));
            CHECK(s2v_embed_stamps(scorer.c(), &alone.stamps, nullptr, one.data(), &flags) == S2V_OK);
            CHECK(std::equal(one.begin(), one.end(), expected.begin() + static_cast<std::ptrdiff_t>(row * kNumbers)));
            CHECK(flags == expected_flags[row]);
        }
        const s2v_stamps stamps = batch.view().c();
        CHECK(s2v_embed_stamps(scorer.c(), &stamps, nullptr, nullptr, nullptr) == S2V_INVALID_ARGUMENT);
    }
    // What the reader raised takes a vector away.
    std::vector<std::uint32_t> raised(n, flag("bad_stamp")), flags(n);
    Vectors vectors(n * kNumbers, 55);
    s2v::Scorer(model).embed(batch.view(), vectors, flags, {}, raised);
    for (std::size_t row = 0; row < n; ++row) CHECK((flags[row] & flag("bad_stamp")) != 0 || expected_flags[row] != 0);
    CHECK(rows_with_vectors(vectors) == 0);
}

void prepared_inputs_give_vectors() {
    const VectorFile file;
    const s2v::Model model = file.model();
    synthetic::Random random(4);
    constexpr std::size_t rows = 70;  // more than a block
    const std::vector<float> planes = synthetic::planes_of(file.network, rows, random);
    const std::vector<float> columns = synthetic::columns_of(file.network, rows, random);
    const std::size_t pixels = planes.size() / rows;
    const synthetic::PlainNetwork plain(file.network);
    Vectors expected;
    for (std::size_t row = 0; row < rows; ++row) {
        const float *const own = planes.data() + row * pixels;
        const bool sound = std::all_of(own, own + pixels, [](float x) { return std::isfinite(x); });
        const Vectors one = sound ? plain.vector(own, columns.data() + row * columns.size() / rows) : Vectors(kNumbers);
        expected.insert(expected.end(), one.begin(), one.end());
    }
    CHECK(rows_with_vectors(expected) > rows / 2 && rows_with_vectors(expected) < rows);
    for (const int threads : {1, 2}) {
        Vectors vectors(rows * kNumbers, 55);
        model.predict_vectors(planes, columns, vectors, threads);
        CHECK(vectors == expected);
    }
    CHECK_THROWS(model.predict_vectors({}, columns, expected), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    CHECK(s2v_model_predict_vectors(model.c(), planes.data(), nullptr, 3, expected.data(), 1) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_model_predict_vectors(model.c(), nullptr, nullptr, 0, nullptr, 1) == S2V_OK);
}

void detections_in_frames_have_vectors() {
    const s2v::Model model = VectorFile().model();
    const synthetic::Plain science(90, 100, S2V_SCIENCE), other(90, 100, S2V_DIFFERENCE);
    constexpr std::int64_t n = 70;
    std::vector<double> x(n), y(n);
    for (std::size_t i = 0; i < n; ++i) {
        x[i] = 1.5 * static_cast<double>(i);
        y[i] = 40.0;
    }
    Vectors one(n * kNumbers, 55), many(n * kNumbers, 55);
    std::vector<std::uint32_t> flags(n), scored_flags(n);
    const auto embed = [&](s2v::Scorer &scorer, Vectors &to) {
        return s2v_embed_frames(scorer.c(), &science.frame, &other.frame, &other.frame, n, x.data(), y.data(), nullptr,
                                to.data(), flags.data());
    };
    s2v::Scorer alone(model), together(model, 3);
    CHECK(embed(alone, one) == S2V_OK && embed(together, many) == S2V_OK && one == many);
    CHECK(rows_with_vectors(one) > 30 && rows_with_vectors(one) < n);
    const s2v::Model scoring = NetworkFile().model();
    s2v::Scorer of_scores(scoring);
    std::vector<float> score(n);
    CHECK(s2v_score_frames(of_scores.c(), &science.frame, &other.frame, &other.frame, n, x.data(), y.data(), nullptr,
                           score.data(), scored_flags.data()) == S2V_OK);
    CHECK(flags == scored_flags);  // both take the same
    for (std::size_t row = 0; row < n; ++row) {
        const Vectors own(one.begin() + static_cast<std::ptrdiff_t>(row * kNumbers),
                          one.begin() + static_cast<std::ptrdiff_t>((row + 1) * kNumbers));
        CHECK((rows_with_vectors(own) == 1) == (score[row] == score[row]));
    }
}

bool said(const char *what) {
    return std::strstr(s2v_last_error(), what) != nullptr;
}

void scores_of_vectors_and_vectors_of_scores_are_refused() {
    const s2v::Model of_vectors = VectorFile().model(), of_scores = NetworkFile().model();
    const synthetic::Batch batch = batch_of(1);
    const s2v_stamps stamps = batch.view().c();
    std::vector<float> score(batch.size(), -3.0F);
    std::vector<std::uint32_t> flags(batch.size(), 77);
    Vectors vectors(batch.size() * kNumbers, 55);
    s2v::Scorer embedder(of_vectors), scorer(of_scores);
    const s2v_frame *const none = nullptr;
    const double x = 3.0;
    CHECK(s2v_score_stamps(embedder.c(), &stamps, nullptr, score.data(), flags.data()) == S2V_BAD_MODEL &&
          said("gives vectors, not scores"));
    CHECK(s2v_score_frames(embedder.c(), none, none, none, 1, &x, &x, nullptr, score.data(), flags.data()) ==
              S2V_BAD_MODEL &&
          said("gives vectors, not scores"));
    CHECK(s2v_model_predict(of_vectors.c(), score.data(), score.data(), 1, score.data(), 1) == S2V_BAD_MODEL &&
          said("gives vectors, not scores"));
    CHECK(s2v_embed_stamps(scorer.c(), &stamps, nullptr, vectors.data(), flags.data()) == S2V_BAD_MODEL &&
          said("gives scores, not vectors"));
    CHECK(s2v_embed_frames(scorer.c(), none, none, none, 1, &x, &x, nullptr, vectors.data(), flags.data()) ==
              S2V_BAD_MODEL &&
          said("gives scores, not vectors"));
    CHECK(s2v_model_predict_vectors(of_scores.c(), score.data(), score.data(), 1, vectors.data(), 1) == S2V_BAD_MODEL &&
          said("gives scores, not vectors"));
    CHECK(s2v_embed_stamps(nullptr, &stamps, nullptr, vectors.data(), flags.data()) == S2V_INVALID_ARGUMENT);
    // A table has no planes.
    CHECK(s2v_score_columns(of_vectors.c(), score.data(), nullptr, 1, score.data(), flags.data(), 1) ==
          S2V_INVALID_ARGUMENT);
    CHECK(score[0] == -3.0F && flags[0] == 77 && vectors[0] == 55);
    s2v_reading reading;
    s2v_reading_init(&reading);
    CHECK(reading.embedder == nullptr);
    s2v_reader *reader = nullptr;
    reading.model = of_vectors.c();
    CHECK(s2v_reader_open(&reading, &reader) == S2V_BAD_MODEL && said("gives vectors, not scores"));
    reading.model = nullptr;
    reading.embedder = of_scores.c();
    CHECK(s2v_reader_open(&reading, &reader) == S2V_BAD_MODEL && said("gives scores, not vectors"));
    s2v_decoder *decoder = nullptr;
    CHECK(s2v_decoder_create(&reading, &decoder) == S2V_BAD_MODEL && decoder == nullptr);
}

// Models of which the header or the tensors say what cannot be.
void files_that_do_not_fit_are_refused() {
    const auto refused = [](const std::string &bytes, const char *what) {
        s2v_model *model = nullptr;
        const s2v_status status = s2v_model_from_memory(bytes.data(), static_cast<std::int64_t>(bytes.size()), &model);
        CHECK(status == S2V_BAD_MODEL && model == nullptr && said(what));
    };
    const VectorFile sound;
    const auto with = [&](const std::string &recipe, const std::string &how, const std::string &more = "") {
        synthetic::ModelFile file;
        file.header = synthetic::model_header("network", synthetic::stamp_columns(), recipe + how + more);
        synthetic::add_network(file, sound.network);
        return file.bytes();
    };
    for (const char *const numbers : {"0", "-1", "1025", "63.5", "1e30", "\"64\"", "null", "[64]"})
        refused(with(synthetic::kRecipe, VectorFile::how(numbers)), "the length of the vectors");
    refused(with(synthetic::kRecipe, VectorFile::how("63")), "another length");
    refused(with("", VectorFile::how("64")), "takes planes");
    refused(with(synthetic::kRecipe, VectorFile::how("64"), R"(, "calibration": {"x": [0, 1], "y": [0, 1]})"),
            "no calibration");
    refused(with(synthetic::kRecipe, synthetic::architecture("stampnet", "")), "integer.out");
    synthetic::ModelFile file;  // a vectornet whose tensors end in a score
    file.header =
        synthetic::model_header("network", synthetic::stamp_columns(), synthetic::kRecipe + VectorFile::how("64"));
    synthetic::add_network(file, NetworkFile().network);
    refused(file.bytes(), "integer.vector");
    synthetic::ModelFile both = sound.file;
    both.add("integer.out.scale", "F32", {1}, std::vector<float>{1.0F});
    refused(both.bytes(), "none of its network's");
    s2v::Network damaged = sound.network;
    damaged.vector->planes_multiplier[3] = -1;
    file = {};
    file.header = sound.file.header;
    synthetic::add_network(file, damaged);
    refused(file.bytes(), "a multiplier of the vector is negative");
    // Neither network of a cascade gives vectors.
    const synthetic::CascadeFile cascade;
    std::string first = cascade.first_header();
    const std::string own = synthetic::architecture("stampnet", "");
    first.replace(first.find(own), own.size(), VectorFile::how("64"));
    refused(cascade.bytes("[0.3, 0.7]", first), "give no scores");
}

struct Carried {
    Vectors vectors;
    std::vector<std::uint32_t> flags;
    std::vector<float> score;
    std::vector<std::uint32_t> score_flags;
};

// What batches carry; where pixels are kept, it is what scorers give of their stamps.
Carried read(const std::vector<Octets> &inputs, const s2v_model *model, const s2v_model *embedder, bool pixels,
             std::int32_t sets = 0, std::uint32_t planes = 7) {
    std::vector<const void *> memory;
    std::vector<std::int64_t> sizes;
    for (const Octets &input : inputs) {
        memory.push_back(input.data());
        sizes.push_back(static_cast<std::int64_t>(input.size()));
    }
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = static_cast<std::int64_t>(inputs.size());
    reading.memory = memory.data();
    reading.memory_size = sizes.data();
    reading.keep_pixels = pixels;
    reading.planes = planes;
    reading.threads = 2;
    reading.sets = sets;
    reading.model = model;
    reading.embedder = embedder;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    s2v_scorer *scorer = nullptr;
    if (pixels && embedder) CHECK(s2v_scorer_create(embedder, nullptr, &scorer) == S2V_OK);
    Carried out;
    auto batch = s2v::sized<s2v_batch>();
    while (s2v_reader_next(reader, 7, &batch) == S2V_OK && batch.stamps.n > 0) {
        const std::int64_t n = batch.stamps.n;
        CHECK((batch.vectors != nullptr) == (embedder != nullptr) && (batch.score != nullptr) == (model != nullptr));
        CHECK(batch.vector == (embedder ? 64 : 0));
        if (embedder) {
            out.vectors.insert(out.vectors.end(), batch.vectors, batch.vectors + n * batch.vector);
            out.flags.insert(out.flags.end(), batch.vector_flags, batch.vector_flags + n);
        }
        if (model) {
            out.score.insert(out.score.end(), batch.score, batch.score + n);
            out.score_flags.insert(out.score_flags.end(), batch.score_flags, batch.score_flags + n);
        }
        if (!scorer) continue;
        Vectors vectors(static_cast<std::size_t>(n) * kNumbers, 55);
        std::vector<std::uint32_t> flags(static_cast<std::size_t>(n));
        const s2v_catalogue known = {sizeof known, nullptr, batch.flags};
        CHECK(s2v_embed_stamps(scorer, &batch.stamps, &known, vectors.data(), flags.data()) == S2V_OK);
        CHECK(std::equal(vectors.begin(), vectors.end(), batch.vectors));
        CHECK(std::equal(flags.begin(), flags.end(), batch.vector_flags));
    }
    s2v_scorer_free(scorer);
    s2v_reader_close(reader);
    return out;
}

// Beside the scores of any model, whether it takes the same or something else, vectors are what they are alone.
void batches_carry_vectors() {
    const s2v::Model of_vectors = VectorFile().model();
    const s2v::Model others[] = {
        NetworkFile().model(),                                            // takes the same
        NetworkFile("").model(),                                          // cannot do without the template
        synthetic::CascadeFile().model(0.3F, 0.7F),                       // opens planes late
        NetworkFile::of(synthetic::forest_file({"MASKFRAC", "SNR"}, 0)),  // looks at the difference alone
    };
    const std::vector<Octets> all = synthetic::whole_and_damaged_inputs();
    const Carried alone = read(all, nullptr, of_vectors.c(), true);
    const std::size_t n = alone.flags.size();
    CHECK(rows_with_vectors(alone.vectors) >= 23 && rows_with_vectors(alone.vectors) < n);
    for (const s2v::Model &model : others) {
        const Carried scores = read(all, model.c(), nullptr, false);
        for (const std::int32_t sets : {0, 3})
            for (const bool pixels : {false, true}) {
                const Carried both = read(all, model.c(), of_vectors.c(), pixels, sets);
                CHECK(both.vectors == alone.vectors && both.flags == alone.flags);
                CHECK(synthetic::same_bits(both.score, scores.score));
            }
        // Planes that they need are opened, asked for or not.
        CHECK(read(all, model.c(), of_vectors.c(), false, 0, 0).vectors == alone.vectors);
    }
    const Carried same = read(all, others[0].c(), of_vectors.c(), false);
    CHECK(same.flags == same.score_flags);
}

void messages_carry_vectors() {
    const s2v::Model of_vectors = VectorFile().model();
    std::vector<Octets> all;
    for (int number = 0; number < 5; ++number) all.push_back(synthetic::message(number, synthetic::kSchema));
    all.push_back(Octets(10, 0x20));
    const synthetic::Messages messages(all);
    s2v_reading reading = synthetic::plain();
    reading.keep_pixels = 0;
    reading.embedder = of_vectors.c();
    synthetic::Decoder decoder(reading);
    auto batch = s2v::sized<s2v_batch>();
    CHECK(s2v_decode_messages(decoder.c, messages.at.data(), messages.size.data(), messages.count(), &batch) == S2V_OK);
    CHECK(batch.stamps.n == 6 && batch.vector == 64 && batch.score == nullptr);
    const Vectors vectors(batch.vectors, batch.vectors + 6 * kNumbers);
    CHECK(rows_with_vectors(vectors) == 5 && (batch.vector_flags[5] & flag("bad_stamp")) != 0);
}

}  // namespace

int main() {
    vectors_follow_the_rule_and_the_network();
    prepared_inputs_give_vectors();
    detections_in_frames_have_vectors();
    scores_of_vectors_and_vectors_of_scores_are_refused();
    files_that_do_not_fit_are_refused();
    batches_carry_vectors();
    messages_carry_vectors();
    return check::report();
}
