// Models through the C ABI: files, what they say and what is refused, rows of tables, and what a model takes of stamps.
#include "check.hpp"
#include "synthetic_scoring.hpp"

#include <array>
#include <filesystem>
#include <fstream>

namespace {

using synthetic::batch_of;
using synthetic::flag;
using synthetic::forest_file;
using synthetic::nan_value;
using synthetic::NetworkFile;
using synthetic::OneRow;
using synthetic::same_bits;
using synthetic::stamp_columns;

// The same network without its integers.
s2v::Model floats_of(const NetworkFile &stored) {
    synthetic::ModelFile floats;
    floats.header = stored.file.header;
    floats.header.replace(floats.header.find(R"(, "integer": {"version": 1})"), 27, "");
    return NetworkFile::of(floats.bytes());
}

void forests_look_at_the_catalogue() {
    const synthetic::Batch batch = batch_of(1);
    const std::size_t n = batch.size();
    std::vector<float> catalogue(n * S2V_CATALOGUE_COLUMNS, nan_value);
    for (std::size_t row = 0; row < n; row += 2) catalogue[row * S2V_CATALOGUE_COLUMNS + 17] = row % 4 ? 5.0F : -5.0F;
    // SNR alone: without it there is nothing to go by.
    const s2v::Model alone = NetworkFile::of(forest_file({"SNR"}, 0));
    CHECK(alone.needs().catalogue == 1 && alone.needs().sets == S2V_SET_AUTOSCAN &&
          alone.needs().planes == 1U << S2V_DIFFERENCE);
    std::vector<float> score(n);
    std::vector<std::uint32_t> flags(n);
    s2v::Scorer(alone, 2).score(batch.view(), score, flags, catalogue);
    // The columns below need the difference alone, and none of these the fit.
    synthetic::Batch difference = batch;
    for (std::size_t row = 0; row < n; ++row)
        difference.offset[3 * row + S2V_SCIENCE] = difference.offset[3 * row + S2V_TEMPLATE] = -1;
    std::vector<float> values(n * 18);
    std::vector<std::uint32_t> measured(n);
    s2v::features(difference.view(), S2V_SET_AUTOSCAN, values, measured);
    for (std::size_t row = 0; row < n; ++row)
        if (batch.offset[3 * row + S2V_DIFFERENCE] >= 0) measured[row] &= ~flag("missing");
    const std::vector<std::uint32_t> with_fit = measured;
    for (std::uint32_t &flags_of : measured) flags_of &= ~flag("fit_failed");
    const std::uint32_t refusing = flag("constant") | flag("missing");
    for (std::size_t row = 0; row < n; ++row) {
        const bool refused = (measured[row] & refusing) != 0;
        if (refused || row % 2)
            CHECK(score[row] != score[row] && (refused || flags[row] == (measured[row] | flag("missing"))));
        else
            CHECK(score[row] == (row % 4 ? 0.75F : 0.25F) && flags[row] == measured[row]);
    }
    // With a feature of the stamps beside it, rows without it are scored, and told where most columns are its like.
    for (const bool most : {false, true}) {
        const std::vector<std::string> columns =
            most ? std::vector<std::string>{"AMP", "SNR", "MAG"} : std::vector<std::string>{"AMP", "SNR"};
        const s2v::Model model = NetworkFile::of(forest_file(columns, 1, !most));
        s2v::Scorer(model).score(batch.view(), score, flags);
        for (std::size_t row = 0; row < n; ++row) {
            if (measured[row] & refusing || values[row * 18] != values[row * 18]) continue;
            CHECK(score[row] == (most ? 0.75F : 0.25F));  // NaN goes right, but what fills it goes left
            CHECK(flags[row] == (most ? with_fit[row] | flag("missing") : with_fit[row]));
        }
    }
}

void predict_takes_what_is_prepared() {
    const NetworkFile stored;
    const s2v::Model model = stored.model();
    synthetic::Random random(6);
    constexpr std::size_t n = 70;
    std::vector<float> planes = synthetic::planes_of(stored.network, n, random);
    const std::vector<float> columns = synthetic::columns_of(stored.network, n, random);
    std::vector<float> score(n);
    model.predict(planes, columns, score, 2);
    const std::size_t pixels = planes.size() / n;
    const synthetic::PlainNetwork plain(stored.network);
    for (std::size_t row = 0; row < n; ++row) {
        const bool finite = std::all_of(planes.data() + row * pixels, planes.data() + (row + 1) * pixels,
                                        [](float x) { return std::isfinite(x); });
        const float expected = plain(planes.data() + row * pixels, columns.data() + row * 67);
        CHECK(finite ? score[row] == expected : score[row] != score[row]);
    }
    CHECK_THROWS(model.predict({}, columns, score), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
}

void tables_follow_the_rule() {
    // AMP, SNR, MAG: most are the catalogue's.
    const s2v::Model model = NetworkFile::of(forest_file({"AMP", "SNR", "MAG"}, 1));
    const std::vector<float> columns = {0.5F, -1.0F,     2.0F,      0.5F,      1.0F,      nan_value,
                                        0.5F, nan_value, nan_value, nan_value, nan_value, nan_value,
                                        0.5F, -1.0F,     2.0F,      0.5F,      -1.0F,     2.0F};
    const std::vector<std::uint32_t> raised = {0, 0, flag("padded"), flag("padded"), flag("bad_stamp"), flag("padded")};
    const std::vector<float> expected = {0.25F, 0.75F, 0.75F, nan_value, nan_value, 0.25F};
    const std::vector<std::uint32_t> expected_flags = {
        0, 0, flag("padded") | flag("missing"), flag("padded") | flag("missing"), flag("bad_stamp"), flag("padded")};
    for (const int threads : {1, 2}) {
        std::vector<float> score(6, -1.0F);
        std::vector<std::uint32_t> flags(6, ~0U);
        model.score_columns(columns, raised, score, flags, threads);
        for (std::size_t row = 0; row < 6; ++row)
            CHECK(expected[row] == expected[row] ? score[row] == expected[row] : score[row] != score[row]);
        CHECK(flags == expected_flags);
    }
    std::vector<std::uint32_t> flags(6);
    std::vector<std::uint8_t> scored(6);
    model.check_columns(columns, raised, flags, scored);
    CHECK(flags == expected_flags && scored == (std::vector<std::uint8_t>{1, 1, 1, 0, 0, 1}));
    model.check_columns(columns, {}, flags, scored);  // nothing was raised
    CHECK(flags[4] == 0 && scored[4] == 1);
    // Columns of one's own are no catalogue's.
    const s2v::Model own = NetworkFile::of(forest_file({"mine", "SNR"}, 0));
    const std::vector<float> rows = {nan_value, 5.0F, 1.0F, nan_value};
    std::vector<float> score(2);
    own.score_columns(rows, {}, score, std::span(flags).first(2));
    CHECK(score[0] == 0.75F && score[1] == 0.75F && flags[0] == 0 && flags[1] == 0);

    CHECK_THROWS(model.score_columns(columns, {}, score, flags), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
    CHECK(s2v_score_columns(NetworkFile().model().c(), columns.data(), nullptr, 0, nullptr, nullptr, 1) ==
          S2V_INVALID_ARGUMENT);
    CHECK(std::strstr(s2v_last_error(), "planes"));
    CHECK(s2v_score_columns(model.c(), columns.data(), nullptr, -1, score.data(), flags.data(), 1) ==
          S2V_INVALID_ARGUMENT);
    CHECK(s2v_score_columns(nullptr, columns.data(), nullptr, 1, score.data(), flags.data(), 1) ==
          S2V_INVALID_ARGUMENT);
    CHECK(s2v_check_columns(model.c(), nullptr, nullptr, 1, flags.data(), scored.data()) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_score_columns(model.c(), nullptr, nullptr, 0, nullptr, nullptr, 0) == S2V_OK);
}

void inputs_are_what_a_scorer_takes() {
    NetworkFile stored;
    const s2v::Model model = stored.model();
    const synthetic::Batch batch = batch_of(2);
    const std::size_t n = batch.size();
    const std::size_t pixels = std::size_t{6} * 33 * 33;
    std::vector<float> planes(n * pixels, -1.0F), columns(n * 67, -1.0F), score(n), expected(n);
    std::vector<std::uint32_t> flags(n), expected_flags(n);
    std::vector<std::uint8_t> scored(n, 7);
    s2v::Scorer(model).score(batch.view(), expected, expected_flags);
    for (const int threads : {1, 3}) {
        model.inputs(batch.view(), planes, columns, flags, scored, {}, {}, threads);
        model.predict(planes, columns, score);
        for (std::size_t row = 0; row < n; ++row)
            if (scored[row] == 0) score[row] = nan_value;
        CHECK(same_bits(score, expected) && flags == expected_flags);
    }
    for (std::size_t row = 0; row < n; ++row) {
        CHECK(scored[row] == (expected[row] == expected[row] ? 1 : 0));
        for (std::size_t view = 0; view < 2 && scored[row]; ++view)  // the template may be absent, and is 0 then
            if (batch.offset[3 * row + S2V_TEMPLATE] < 0)
                CHECK(planes[row * pixels + (3 * view + 1) * 33 * 33 + 500] == 0.0F);
    }
    model.inputs(batch.view(), {}, {}, flags, scored);  // the verdict alone
    CHECK(flags == expected_flags);
    // Of a network of floats too.
    std::vector<float> again(n * pixels), of_columns(n * 67);
    const s2v::Model floats = floats_of(stored);
    CHECK(floats.needs().runs == 0);
    floats.inputs(batch.view(), again, of_columns, flags, scored);
    CHECK(same_bits(again, planes) && same_bits(of_columns, columns) && flags == expected_flags);

    const s2v::Model foreign = NetworkFile::of(forest_file({"AMP", "mine"}, 1));
    CHECK_THROWS(foreign.inputs(batch.view(), {}, {}, flags, scored), s2v::Error, caught.status() == S2V_BAD_MODEL);
    CHECK_THROWS(model.inputs(batch.view(), std::span(planes).first(7), {}, flags, scored), s2v::Error,
                 caught.status() == S2V_INVALID_ARGUMENT);
    const s2v_stamps view = batch.view().c();
    CHECK(s2v_model_inputs(model.c(), &view, nullptr, nullptr, nullptr, nullptr, scored.data(), 1) ==
          S2V_INVALID_ARGUMENT);
    CHECK(s2v_model_inputs(nullptr, &view, nullptr, nullptr, nullptr, flags.data(), scored.data(), 1) ==
          S2V_INVALID_ARGUMENT);
}

void a_calibration_is_the_last_step() {
    const char *const table = R"(, "calibration": {"x": [0.1, 0.5, 0.9], "y": [0, 0.25, 1]})";
    const std::vector<float> x = {0.1F, 0.5F, 0.9F};
    const std::vector<float> y = {0.0F, 0.25F, 1.0F};
    NetworkFile stored;
    const s2v::Model plain = stored.model();
    stored.file.header.insert(stored.file.header.size() - 1, table);
    const s2v::Model calibrated = stored.model();
    const synthetic::Batch batch = batch_of(1);
    const std::size_t n = batch.size();
    std::vector<float> expected(n), score(n);
    std::vector<std::uint32_t> flags(n);
    s2v::Scorer(plain).score(batch.view(), expected, flags);
    const std::vector<float> before = expected;
    s2v::calibrate(x, y, expected);
    CHECK(!same_bits(before, expected));
    s2v::Scorer(calibrated, 2).score(batch.view(), score, flags);
    CHECK(same_bits(score, expected));

    synthetic::Random random(16);
    const std::vector<float> planes = synthetic::planes_of(stored.network, 1, random);
    const std::vector<float> columns = synthetic::columns_of(stored.network, 1, random);
    float one[2] = {};
    plain.predict(planes, columns, {one, 1});
    calibrated.predict(planes, columns, {one + 1, 1});
    s2v::calibrate(x, y, {one, 1});
    CHECK(one[0] == one[1]);

    stored.file.header.replace(stored.file.header.find("[0.1, 0.5"), 9, "[0.5, 0.1");
    CHECK_THROWS(stored.model(), s2v::Error, caught.status() == S2V_BAD_MODEL);
}

// A header or a call that cannot be followed.
void what_is_wrong_is_refused() {
    const auto refused = [](const std::string &bytes) {
        CHECK_THROWS(NetworkFile::of(bytes), s2v::Error, caught.status() == S2V_BAD_MODEL);
    };
    const auto changed = [](const std::string &from, const std::string &to) {
        NetworkFile stored;
        const std::size_t at = stored.file.header.find(from);
        CHECK(at != std::string::npos);
        stored.file.header.replace(at, from.size(), to);
        return stored.file.bytes();
    };
    refused("");
    CHECK(std::strstr(s2v_last_error(), "safetensors"));
    refused(changed("\"network\"", "\"other\""));
    refused(changed("\"code\"", "\"codex\""));
    refused(changed("\"median-mad\"", "\"median\""));
    refused(changed("\"softening\": 1.0", "\"softening\": 0"));
    refused(changed("\"softening\": 1.0", "\"soft\": 1.0"));
    refused(changed("\"l2\", \"version\": 1", "\"l2\", \"version\": 2"));
    refused(changed("\"side\": 33", "\"side\": 31"));
    refused(changed("\"side\": 33", "\"side\": 0"));
    refused(changed("\"science\", \"template\"", "\"science\", \"science\""));
    refused(changed("[\"science\", \"template\", \"difference\"]", "[]"));
    refused(changed("\"optional\": [\"template\"]", "\"optional\": [\"template\", \"science\", \"difference\"]"));
    refused(changed("\"optional\": [\"template\"]", "\"optional\": [\"sky\"]"));
    refused(changed("\"temperature\": 1.25", "\"temperature\": 0"));
    refused(changed("\"integer\": {\"version\": 1}", "\"integer\": {\"version\": 2}"));
    refused(changed("\"set\": \"stamp\", \"version\": 1", "\"set\": \"stamp\", \"version\": 2"));
    refused(changed("\"AMP\", ", ""));
    refused(changed("\"AMP\"", "\"COLMEDS\""));
    refused(forest_file({"AMP"}, 1));
    const std::string whole = NetworkFile().file.bytes();
    for (std::size_t size = 0; size < whole.size(); size += size < 20000 ? 97 : 9001) refused(whole.substr(0, size));
    // A tensor without a byte, of whatever shape; the header keeps its length, and so all others their places.
    std::size_t emptied = 0;
    for (std::size_t at = whole.find("data_offsets"); at < whole.size(); at = whole.find("data_offsets", at + 1)) {
        const std::size_t comma = whole.find(',', at), first = whole.find('[', at) + 1, last = whole.find(']', at);
        const std::string begin = whole.substr(first, comma - first);
        std::string empty = whole;
        empty.replace(comma + 1, last - comma - 1, std::string(last - comma - 1 - begin.size(), ' ') + begin);
        refused(empty);
        emptied += 1;
    }
    CHECK(emptied > 20);
    CHECK(std::strlen(s2v_last_error()) > 10);
    CHECK_THROWS(s2v::Model::load("no-such-model"), s2v::Error, caught.status() == S2V_IO_ERROR);

    // Loaded, but not to be run on stamps.
    s2v_scorer *scorer = nullptr;
    refused(changed(", \"integer\": {\"version\": 1}", ""));  // and holds them all the same
    const s2v::Model floats = floats_of(NetworkFile());
    CHECK(floats.needs().runs == 0 && s2v_scorer_create(floats.c(), nullptr, &scorer) == S2V_BAD_MODEL);
    const s2v::Model foreign = NetworkFile::of(forest_file({"AMP", "mine"}, 1));
    CHECK(foreign.needs().foreign == 1 && s2v_scorer_create(foreign.c(), nullptr, &scorer) == S2V_BAD_MODEL);
    CHECK(scorer == nullptr);
    const float row[2] = {0.0F, 1.0F};
    float score = 0.0F;
    foreign.predict({}, row, {&score, 1});
    CHECK(score == 0.75F);

    const s2v::Model model = NetworkFile().model();
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.size -= 1;
    CHECK(s2v_scorer_create(model.c(), &options, &scorer) == S2V_INVALID_ARGUMENT);
    options.size += 1;
    options.threads = -1;
    CHECK(s2v_scorer_create(model.c(), &options, &scorer) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_scorer_create(nullptr, nullptr, &scorer) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_score_stamps(nullptr, nullptr, nullptr, nullptr, nullptr) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_model_from_memory(nullptr, 8, nullptr) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_model_header(nullptr) == nullptr && s2v_model_column(nullptr, 0) == nullptr);
    CHECK(s2v_model_column(model.c(), 67) == nullptr && s2v_model_column(model.c(), -1) == nullptr);
}

void a_model_tells_what_it_is() {
    const NetworkFile stored;
    const std::string path = (std::filesystem::temp_directory_path() / "space2vec_test_model.safetensors").string();
    std::ofstream(path, std::ios::binary) << stored.file.bytes();
    const s2v::Model model = s2v::Model::load(path);
    std::filesystem::remove(path);
    CHECK(model.name() == "made" && model.header() == stored.file.header && model.columns() == stamp_columns());
    const s2v_needs needs = model.needs();
    CHECK(needs.planes == 7 && needs.optional == 1U << S2V_TEMPLATE && needs.sets == 3 && needs.runs == 1);
    CHECK(needs.shape[0] == 6 && needs.shape[1] == 33 && needs.shape[2] == 33 && needs.columns == 67);
    CHECK(needs.catalogue == 0 && needs.foreign == 0 && needs.convention == S2V_CONVENTION_CODE);
}

}  // namespace

int main() {
    forests_look_at_the_catalogue();
    predict_takes_what_is_prepared();
    tables_follow_the_rule();
    inputs_are_what_a_scorer_takes();
    a_calibration_is_the_last_step();
    what_is_wrong_is_refused();
    a_model_tells_what_it_is();
    return check::report();
}
