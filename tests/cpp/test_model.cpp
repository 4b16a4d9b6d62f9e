// Models and scorers through the C ABI: scores against a plain transcription of the rule and of the network, threads,
// memory, and what is refused.
#include "check.hpp"
#include "made_models.hpp"
#include "space2vec/space2vec.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <thread>

// Every allocation of the process is counted, but under a sanitizer, which has its own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define S2V_COUNTED
#include <atomic>
static std::atomic<long> allocations{0};
extern "C" {
void *__libc_malloc(std::size_t);
void *__libc_memalign(std::size_t, std::size_t);
void *malloc(std::size_t size) {
    ++allocations;
    return __libc_malloc(size);
}
void *aligned_alloc(std::size_t alignment, std::size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}
}
#endif

namespace {

constexpr float nan_value = made::nan_value;

const std::vector<std::string> &stamp_columns() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> out;
        for (std::int32_t i = 0; const char *name = s2v_stamp_feature_name(S2V_SET_AUTOSCAN | S2V_SET_S2V, i); ++i)
            out.emplace_back(name);
        return out;
    }();
    return names;
}

const char *const kRecipe =
    R"(, "recipe": {"name": "made", "version": 1, "side": 33, "channels": ["science", "template", "difference"],)"
    R"( "steps": [{"name": "median-mad", "version": 1, "parameters": {}},)"
    R"( {"name": "asinh", "version": 1, "parameters": {"softening": 1.0}}],)"
    R"( "further": [[{"name": "l2", "version": 1, "parameters": {}}]]})";

std::string architecture(const char *name, const char *more) {
    return std::string(R"(, "architecture": {"name": ")") + name + R"(", "settings": {}, "temperature": 1.25)" + more +
           R"(}, "integer": {"version": 1})";
}

struct NetworkFile {
    s2v::Network network;
    made::ModelFile file;

    explicit NetworkFile(const char *more = R"(, "optional": ["template"])") : network(made::network({}, 31)) {
        file.header = made::model_header("network", stamp_columns(), kRecipe + architecture("stampnet", more));
        made::add_network(file, network);
    }
    [[nodiscard]] s2v::Model model() const {
        return of(file.bytes());
    }
    static s2v::Model of(const std::string &bytes) {
        return s2v::Model::from_memory(std::as_bytes(std::span(bytes)));
    }
};

// A forest of one split on one column: .75 where the column is above 0 or missing.
std::string forest_file(const std::vector<std::string> &columns, std::int16_t feature, bool filled = false) {
    made::ModelFile file;
    file.header = made::model_header("forest", columns, "");
    file.add("tree_start", "I64", {2}, std::vector<std::int64_t>{0, 3});
    file.add("right", "I32", {3}, std::vector<std::int32_t>{2, 0, 0});
    file.add("feature", "I16", {3}, std::vector<std::int16_t>{feature, 0, 0});
    file.add("missing_left", "U8", {3}, std::vector<std::uint8_t>{0, 0, 0});
    file.add("value", "F32", {3}, std::vector<float>{0.0F, 0.25F, 0.75F});
    if (filled) file.add("fill", "F32", {2}, std::vector<float>{-1.0F, -1.0F});
    return file.bytes();
}

bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::uint32_t flag(const char *name) {
    static const std::string registry = s2v_registry();
    const std::size_t at = registry.find("\"name\": \"" + std::string(name) + "\"");
    return 1U << std::atoi(registry.c_str() + registry.find("\"bit\": ", at) + 7);
}

// The stamps of one row of a batch.
struct OneRow {
    explicit OneRow(const s2v_stamps &of, std::int64_t row) : stamps(of) {
        stamps.n = 1;
        stamps.offset += 3 * row;
        stamps.shape += 6 * row;
        stamps.centre += 2 * row;
    }
    s2v_stamps stamps;
};

// What the network scores, and the flags, row by row by other calls of the ABI: the rule in words.
void expected_of(const NetworkFile &made, const s2v_stamps &stamps, std::vector<float> &score,
                 std::vector<std::uint32_t> &flags) {
    const std::uint32_t refusing = flag("constant") | flag("bad_stamp") | flag("missing") | flag("off_shape");
    const std::size_t pixels = std::size_t{33} * 33;
    s2v_step median[2] = {};
    s2v_step norm[1] = {};
    CHECK(s2v_step_init("median-mad", &median[0]) == S2V_OK && s2v_step_init("asinh", &median[1]) == S2V_OK &&
          s2v_step_init("l2", &norm[0]) == S2V_OK);
    for (std::int64_t row = 0; row < stamps.n; ++row) {
        const OneRow one(stamps, row);
        std::vector<float> columns(stamp_columns().size());
        std::uint32_t met = 0;
        CHECK(s2v_features(&one.stamps, 3, S2V_CONVENTION_CODE, columns.data(), &met, 1) == S2V_OK);
        std::vector<std::int32_t> there;
        for (std::int32_t c = 0; c < S2V_CHANNELS; ++c)
            if (one.stamps.offset[c] >= 0) there.push_back(c);
        const bool spared = there.size() == 2 && one.stamps.offset[S2V_TEMPLATE] < 0;
        std::vector<float> planes(6 * pixels, 0.0F);
        bool unprepared = there.size() < 3 && !spared;
        if (there.size() < 3) met |= flag("missing");
        for (int view = 0; view < 2 && !unprepared; ++view) {
            s2v_composition how = {33, static_cast<std::int32_t>(there.size()), {}, view ? 1 : 2, view ? norm : median};
            std::copy(there.begin(), there.end(), how.channels);
            std::vector<float> some(there.size() * pixels);
            std::uint32_t raised = 0;
            CHECK(s2v_compose(&one.stamps, &how, some.data(), &raised, 1) == S2V_OK);
            met |= raised;
            unprepared = unprepared || some[0] != some[0];
            for (std::size_t k = 0; k < there.size(); ++k)
                std::copy_n(some.data() + k * pixels, pixels,
                            planes.data() + (static_cast<std::size_t>(3 * view + there[k])) * pixels);
        }
        if (!unprepared || there.size() == 3)  // the second view may have been left out above
            for (const std::int32_t c : there) {
                const std::int32_t *const shape = one.stamps.shape + 2 * c;
                const std::int32_t *const centre = one.stamps.centre;
                if (shape[0] < 5 || shape[1] < 5 || centre[0] < 0 || centre[1] < 0 || centre[0] >= shape[0] ||
                    centre[1] >= shape[1])
                    met |= flag("off_shape");
            }
        const bool refused = unprepared || (met & refusing & ~(spared ? flag("missing") : 0U)) != 0;
        flags.push_back(met);
        score.push_back(refused ? nan_value : made::PlainNetwork(made.network)(planes.data(), columns.data()));
    }
}

made::Batch batch_of(int repeats) {
    made::Batch batch = made::everything(repeats);
    made::Random random(5);
    batch.add(51, 51, 25, 60, made::Fault::kNone, random);  // beside its candidate
    batch.add(4, 51, 2, 25, made::Fault::kNone, random);
    batch.add(51, 51, -1, 25, made::Fault::kNone, random);
    batch.add(51, 51, 25, 25, made::Fault::kNone, random);
    batch.offset[3 * (batch.size() - 1) + S2V_SCIENCE] = -1;
    batch.add(51, 51, 25, 25, made::Fault::kNone, random);
    for (int c = 0; c < 3; ++c) batch.offset[3 * (batch.size() - 1) + static_cast<std::size_t>(c)] = -1;
    return batch;
}

void scores_follow_the_rule_and_the_network() {
    const NetworkFile made;
    const s2v::Model model = made.model();
    const made::Batch batch = batch_of(2);
    const s2v_stamps stamps = batch.view().c();
    std::vector<float> expected;
    std::vector<std::uint32_t> expected_flags;
    expected_of(made, stamps, expected, expected_flags);
    const auto n = static_cast<std::size_t>(stamps.n);
    std::size_t scored = 0;
    for (const float score : expected) scored += score == score ? 1 : 0;
    CHECK(scored > n / 3 && scored < n);
    for (const int threads : {1, 3, 0}) {
        s2v::Scorer scorer(model, threads);
        for (int again = 0; again < 3; ++again) {
            std::vector<float> score(n, -1.0F);
            std::vector<std::uint32_t> flags(n, ~0U);
            scorer.score(batch.view(), score, flags);
            CHECK(same_bits(score, expected));
            CHECK(flags == expected_flags);
        }
        float score = 0.0F;  // a row alone
        std::uint32_t flags = 0;
        for (std::int64_t row = 0; row < stamps.n; row += 7) {
            const OneRow one(stamps, row);
            CHECK(s2v_score_stamps(scorer.c(), &one.stamps, nullptr, &score, &flags) == S2V_OK);
            CHECK(std::memcmp(&score, &expected[static_cast<std::size_t>(row)], sizeof score) == 0);
        }
    }
}

void what_the_reader_raised_is_joined() {
    const NetworkFile made;
    const s2v::Model model = made.model();
    s2v::Scorer scorer(model);
    made::Batch batch;
    made::Random random(8);
    for (int row = 0; row < 3; ++row) batch.add(51, 51, 25, 25, made::Fault::kNone, random);
    batch.offset[3 + S2V_TEMPLATE] = batch.offset[6 + S2V_TEMPLATE] = -1;
    const std::vector<std::uint32_t> raised = {flag("bad_stamp"), flag("missing"), flag("bad_stamp")};
    std::vector<float> score(3);
    std::vector<std::uint32_t> flags(3);
    scorer.score(batch.view(), score, flags, {}, raised);
    CHECK(score[0] != score[0] && flags[0] == flag("bad_stamp"));
    CHECK(score[1] > 0.0F && (flags[1] & flag("missing")));         // the template is missing, and spared
    CHECK(score[2] != score[2] && (flags[2] & flag("bad_stamp")));  // it could not be decoded
}

void forests_look_at_the_catalogue() {
    const made::Batch batch = batch_of(1);
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
    std::vector<float> values(n * 18);
    std::vector<std::uint32_t> measured(n);
    s2v::features(batch.view(), S2V_SET_AUTOSCAN, values, measured);
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
            CHECK(flags[row] == (most ? measured[row] | flag("missing") : measured[row]));
        }
    }
}

void large_stamps_are_flagged() {
    const NetworkFile made;
    const s2v::Model model = made.model();
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.largest_side = 63;
    s2v::Scorer scorer(model, options);
    made::Batch batch;
    made::Random random(3);
    batch.add(63, 63, 31, 31, made::Fault::kNone, random);
    batch.add(63, 64, 31, 31, made::Fault::kNone, random);
    std::vector<float> score(2);
    std::vector<std::uint32_t> flags(2);
    scorer.score(batch.view(), score, flags);
    CHECK(score[0] == score[0] && score[1] != score[1] && (flags[1] & flag("off_shape")));
}

struct Counted {
    std::int64_t bytes = 0;
    std::int64_t calls = 0;
    std::int64_t left = 1 << 30;
    s2v_allocator allocator() {
        return {[](void *context, std::int64_t bytes) -> void * {
                    auto &own = *static_cast<Counted *>(context);
                    if (own.left-- <= 0) return nullptr;
                    ++own.calls;
                    own.bytes += bytes;
                    return std::malloc(static_cast<std::size_t>(bytes));
                },
                [](void *context, void *memory, std::int64_t bytes) {
                    static_cast<Counted *>(context)->bytes -= bytes;
                    std::free(memory);
                },
                this};
    }
};

void memory_and_threads_may_be_the_callers() {
    const NetworkFile made;
    const s2v::Model model = made.model();
    const made::Batch batch = batch_of(1);
    const std::size_t n = batch.size();
    std::vector<float> expected(n), score(n);
    std::vector<std::uint32_t> flags(n);
    s2v::Scorer(model).score(batch.view(), expected, flags);
    Counted counted;
    const s2v_allocator allocator = counted.allocator();
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.threads = 3;
    options.allocator = &allocator;
    int ran = 0;
    options.pool = &ran;
    options.run = [](void *pool, std::int32_t tasks, void (*task)(void *, std::int32_t), void *argument) {
        *static_cast<int *>(pool) += tasks;
        std::vector<std::thread> threads;
        for (std::int32_t i = 0; i < tasks; ++i) threads.emplace_back(task, argument, i);
        for (std::thread &one : threads) one.join();
    };
    {
        s2v::Scorer scorer(model, options);
        CHECK(counted.calls == 3 && counted.bytes > 3 * 26136);
        scorer.score(batch.view(), score, flags);
        CHECK(ran == 3 && counted.calls == 3 && same_bits(score, expected));
    }
    CHECK(counted.bytes == 0);
    for (std::int64_t left = 0; left < 3; ++left) {
        counted.left = left;
        s2v_scorer *scorer = nullptr;
        CHECK(s2v_scorer_create(model.c(), &options, &scorer) == S2V_OUT_OF_MEMORY && scorer == nullptr);
        CHECK(counted.bytes == 0);
    }
}

void nothing_is_allocated_in_a_call() {
#if defined(S2V_COUNTED)
    const made::Batch batch = batch_of(3);
    const std::size_t n = batch.size();
    std::vector<float> score(n);
    std::vector<std::uint32_t> flags(n);
    const NetworkFile made;
    const s2v::Model models[] = {made.model(), NetworkFile::of(forest_file({"AMP", "SNR"}, 0, true))};
    for (const s2v::Model &model : models)
        for (const int threads : {1, 4}) {
            s2v::Scorer scorer(model, threads);
            const long before = allocations;
            for (int again = 0; again < 5; ++again) scorer.score(batch.view(), score, flags);
            CHECK(allocations == before);
        }
    const long before = allocations;
    std::free(std::malloc(1));
    delete[] new char[10];
    CHECK(allocations >= before + 1);  // the count counts
#endif
}

void predict_takes_what_is_prepared() {
    const NetworkFile made;
    const s2v::Model model = made.model();
    made::Random random(6);
    constexpr std::size_t n = 70;
    std::vector<float> planes = made::planes_of(made.network, n, random);
    const std::vector<float> columns = made::columns_of(made.network, n, random);
    std::vector<float> score(n);
    model.predict(planes, columns, score, 2);
    const std::size_t pixels = planes.size() / n;
    const made::PlainNetwork plain(made.network);
    for (std::size_t row = 0; row < n; ++row) {
        const bool finite = std::all_of(planes.data() + row * pixels, planes.data() + (row + 1) * pixels,
                                        [](float x) { return std::isfinite(x); });
        const float expected = plain(planes.data() + row * pixels, columns.data() + row * 67);
        CHECK(finite ? score[row] == expected : score[row] != score[row]);
    }
    CHECK_THROWS(model.predict({}, columns, score), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
}

void a_calibration_is_the_last_step() {
    const char *const table = R"(, "calibration": {"x": [0.1, 0.5, 0.9], "y": [0, 0.25, 1]})";
    const std::vector<float> x = {0.1F, 0.5F, 0.9F};
    const std::vector<float> y = {0.0F, 0.25F, 1.0F};
    NetworkFile made;
    const s2v::Model plain = made.model();
    made.file.header.insert(made.file.header.size() - 1, table);
    const s2v::Model calibrated = made.model();
    const made::Batch batch = batch_of(1);
    const std::size_t n = batch.size();
    std::vector<float> expected(n), score(n);
    std::vector<std::uint32_t> flags(n);
    s2v::Scorer(plain).score(batch.view(), expected, flags);
    const std::vector<float> before = expected;
    s2v::calibrate(x, y, expected);
    CHECK(!same_bits(before, expected));
    s2v::Scorer(calibrated, 2).score(batch.view(), score, flags);
    CHECK(same_bits(score, expected));

    made::Random random(16);
    const std::vector<float> planes = made::planes_of(made.network, 1, random);
    const std::vector<float> columns = made::columns_of(made.network, 1, random);
    float one[2] = {};
    plain.predict(planes, columns, {one, 1});
    calibrated.predict(planes, columns, {one + 1, 1});
    s2v::calibrate(x, y, {one, 1});
    CHECK(one[0] == one[1]);

    made.file.header.replace(made.file.header.find("[0.1, 0.5"), 9, "[0.5, 0.1");
    CHECK_THROWS(made.model(), s2v::Error, caught.status() == S2V_BAD_MODEL);
}

// A header or a call that cannot be followed.
void what_is_wrong_is_refused() {
    const auto refused = [](const std::string &bytes) {
        CHECK_THROWS(NetworkFile::of(bytes), s2v::Error, caught.status() == S2V_BAD_MODEL);
    };
    const auto changed = [](const std::string &from, const std::string &to) {
        NetworkFile made;
        const std::size_t at = made.file.header.find(from);
        CHECK(at != std::string::npos);
        made.file.header.replace(at, from.size(), to);
        return made.file.bytes();
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
    const s2v::Model floats = NetworkFile::of(changed(", \"integer\": {\"version\": 1}", ""));
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
    const NetworkFile made;
    const std::string path = (std::filesystem::temp_directory_path() / "space2vec_test_model.safetensors").string();
    std::ofstream(path, std::ios::binary) << made.file.bytes();
    const s2v::Model model = s2v::Model::load(path);
    std::filesystem::remove(path);
    CHECK(model.name() == "made" && model.header() == made.file.header && model.columns() == stamp_columns());
    const s2v_needs needs = model.needs();
    CHECK(needs.planes == 7 && needs.optional == 1U << S2V_TEMPLATE && needs.sets == 3 && needs.runs == 1);
    CHECK(needs.shape[0] == 6 && needs.shape[1] == 33 && needs.shape[2] == 33 && needs.columns == 67);
    CHECK(needs.catalogue == 0 && needs.foreign == 0 && needs.convention == S2V_CONVENTION_CODE);
}

}  // namespace

int main() {
    scores_follow_the_rule_and_the_network();
    what_the_reader_raised_is_joined();
    forests_look_at_the_catalogue();
    large_stamps_are_flagged();
    memory_and_threads_may_be_the_callers();
    nothing_is_allocated_in_a_call();
    predict_takes_what_is_prepared();
    a_calibration_is_the_last_step();
    what_is_wrong_is_refused();
    a_model_tells_what_it_is();
    return check::report();
}
