// A good guest in its host's process: sentences for errors, a log, cores, threads that are kept, forks, small stacks.
#include "check.hpp"
#include "cores.hpp"
#include "process_threads.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr const char *kModels[] = {"stampnet", "stampnet-fast", "tablenet", "forest", "autoscan"};
constexpr std::int32_t kBoth = S2V_SET_AUTOSCAN | S2V_SET_S2V;

std::string model_file(const std::string &name) {
    return std::string(S2V_TEST_MODELS) + "/" + name + ".safetensors";
}

synthetic::Batch some_stamps(int n) {
    synthetic::Batch batch;
    synthetic::Random random(5);
    for (int i = 0; i < n; ++i) batch.add(63, 63, 31, 31, synthetic::Fault::kNone, random);
    return batch;
}

struct Features {
    std::vector<float> values;
    std::vector<std::uint32_t> flags;

    explicit Features(const s2v_stamps &stamps, int threads)
        : values(static_cast<std::size_t>(stamps.n * s2v_stamp_feature_count(kBoth))),
          flags(static_cast<std::size_t>(stamps.n)) {
        CHECK(s2v_features(&stamps, kBoth, S2V_CONVENTION_CODE, values.data(), flags.data(), threads) == S2V_OK);
    }
    bool operator==(const Features &other) const {
        return flags == other.flags &&
               std::memcmp(values.data(), other.values.data(), values.size() * sizeof(float)) == 0;
    }
};

// Every way to be refused has a sentence of its own.
void errors_say_why() {
    const synthetic::Batch batch = some_stamps(2);
    const s2v_stamps good = batch.view().c();
    std::vector<float> out(2 * 18);
    std::vector<std::uint32_t> flags(2);
    std::set<std::string> sentences;
    const auto refused = [&](s2v_status status, const char *word) {
        const std::string why = s2v_last_error();
        CHECK(status == S2V_INVALID_ARGUMENT);
        if (why.find(word) == std::string::npos) std::printf("%s: %s\n", word, why.c_str());
        CHECK(why.find(word) != std::string::npos);
        CHECK(sentences.insert(why).second);
    };
    const auto features = [&](const s2v_stamps *stamps, int sets = S2V_SET_AUTOSCAN, int convention = 0,
                              int threads = 1) {
        return s2v_features(stamps, sets, convention, out.data(), flags.data(), threads);
    };
    const auto with = [&](auto damage) {
        s2v_stamps stamps = good;
        damage(stamps);
        return features(&stamps);
    };
    refused(features(nullptr), "null s2v_stamps");
    refused(features(&good, 4), "sets");
    refused(features(&good, 1, 2), "convention");
    refused(features(&good, 1, 0, -1), "threads is negative");
    refused(with([](s2v_stamps &s) { s.n = -1; }), "n of the stamps is negative");
    refused(with([](s2v_stamps &s) { s.pixel_count = -1; }), "pixel_count");
    refused(with([](s2v_stamps &s) { s.offset = nullptr; }), "offset");
    refused(with([](s2v_stamps &s) { s.shape = nullptr; }), "shape");
    refused(with([](s2v_stamps &s) { s.pixels = nullptr; }), "pixels of the stamps");
    refused(with([](s2v_stamps &s) { s.pixel_count -= 1; }), "beyond pixel_count");
    refused(s2v_features(&good, 1, 0, nullptr, flags.data(), 1), "output");
    refused(s2v_features(&good, 1, 0, out.data(), nullptr, 1), "flags");
    // A structure of another version.
    s2v_stamps old = good;
    for (const std::size_t size : {std::size_t{0}, sizeof(s2v_stamps) - 1}) {
        old.size = size;
        CHECK(features(&old) == S2V_INVALID_ARGUMENT && std::strstr(s2v_last_error(), "sizeof(s2v_stamps)"));
    }
    old.size = sizeof(s2v_stamps) + 8;
    CHECK(features(&old) == S2V_OK);

    std::int32_t shape[3];
    CHECK(s2v_recipe_shape("no\nsuch", shape) == S2V_UNKNOWN_NAME);
    CHECK(std::string(s2v_last_error()) == "there is no recipe \"no\\x0asuch\"");
    s2v_step step;
    CHECK(s2v_step_init("nothing", &step) == S2V_UNKNOWN_NAME && std::strstr(s2v_last_error(), "\"nothing\""));

    // Planes: every size.
    CHECK(s2v_step_init("median-mad", &step) == S2V_OK);
    std::vector<float> pixels(2 * 6 * 8, 1.0F);
    std::vector<float> planes_out(pixels.size());
    const s2v_planes planes = {sizeof(s2v_planes), pixels.data(), nullptr, 2, 6, 8, 0, 0};
    const auto normalised = [&](auto damage) {
        s2v_planes some = planes;
        damage(some);
        return s2v_normalise(&some, &step, 1, 0.0F, planes_out.data(), flags.data(), 1);
    };
    CHECK(normalised([](s2v_planes &) {}) == S2V_OK);
    CHECK(normalised([](s2v_planes &p) { p.width = 4, p.row_stride = 8, p.plane_stride = 48; }) == S2V_OK);
    for (const std::int64_t stride : {std::int64_t{-1}, std::int64_t{7}, INT64_MAX, INT64_MIN})
        CHECK(normalised([&](s2v_planes &p) { p.row_stride = stride; }) == S2V_INVALID_ARGUMENT &&
              std::strstr(s2v_last_error(), "row_stride"));
    for (const std::int64_t stride : {std::int64_t{-1}, std::int64_t{47}, INT64_MAX, INT64_MIN})
        CHECK(normalised([&](s2v_planes &p) { p.plane_stride = stride; }) == S2V_INVALID_ARGUMENT &&
              std::strstr(s2v_last_error(), "plane_stride"));
    CHECK(normalised([](s2v_planes &p) { p.row_stride = 9; }) == S2V_INVALID_ARGUMENT);  // planes would overlap
    refused(normalised([](s2v_planes &p) { p.height = 0; }), "height or width");
    refused(normalised([](s2v_planes &p) { p.pixels = nullptr; }), "pixels of the planes");
    refused(normalised([](s2v_planes &p) { p.n = -1; }), "n of the planes");
    refused(s2v_normalise(nullptr, &step, 1, 0.0F, planes_out.data(), flags.data(), 1), "null s2v_planes");
    refused(s2v_normalise(&planes, nullptr, 1, 0.0F, planes_out.data(), flags.data(), 1), "steps");
    refused(s2v_normalise(&planes, &step, 9, 0.0F, planes_out.data(), flags.data(), 1), "from 1 to 8 steps");

    // What a reader is handed.
    s2v_reading reading;
    s2v_reading_init(&reading);
    const std::uint32_t id = 1;
    const char *const nothing = nullptr;
    s2v_reader *reader = nullptr;
    reading.schema_count = 1;
    reading.schema_ids = &id;
    reading.schemas = &nothing;
    refused(s2v_reader_open(&reading, &reader), "a schema is NULL");
    s2v_reading_init(&reading);
    reading.column_count = 1;
    reading.columns = &nothing;
    refused(s2v_reader_open(&reading, &reader), "a column is NULL");
    s2v_reading_init(&reading);
    reading.field_count = 1;
    reading.fields = &nothing;
    refused(s2v_reader_open(&reading, &reader), "a field is NULL");
    auto lines = s2v::sized<s2v_batch>();
    refused(s2v_reader_next(nullptr, 1, &lines), "reader is NULL");
    CHECK(reader == nullptr);

    // It is the thread's own.
    std::string elsewhere = "?";
    std::thread([&] { elsewhere = s2v_last_error(); }).join();
    CHECK(elsewhere.empty());
}

std::atomic<int> logged{0};

void errors_are_logged() {
    struct Heard {
        int level = 0;
        std::string sentence;
    } heard;
    s2v_set_log(
        [](void *context, s2v_log_level level, const char *sentence) {
            Heard &into = *static_cast<Heard *>(context);
            if (into.sentence.empty()) {
                into.level = level;
                into.sentence = sentence;
            }
            if (++logged < 3) CHECK(s2v_recipe_shape(nullptr, nullptr) == S2V_INVALID_ARGUMENT);  // it may call back
        },
        &heard);
    std::int32_t shape[3];
    CHECK(s2v_recipe_shape("nothing", shape) == S2V_UNKNOWN_NAME);
    CHECK(logged == 3 && heard.level == S2V_LOG_ERROR && heard.sentence.find("\"nothing\"") != std::string::npos);
    s2v_set_log(nullptr, nullptr);
    CHECK(s2v_recipe_shape("nothing", shape) == S2V_UNKNOWN_NAME && logged == 3);
    CHECK(s2v_abi_version() == S2V_ABI_VERSION);
}

void cores_are_counted() {
    CHECK(s2v::cores_of_quota("max 100000") == 0);
    CHECK(s2v::cores_of_quota("-1 100000") == 0);
    CHECK(s2v::cores_of_quota("") == 0);
    CHECK(s2v::cores_of_quota("200000") == 0);
    CHECK(s2v::cores_of_quota("50000 100000\n") == 1);
    CHECK(s2v::cores_of_quota("100000 100000\n") == 1);
    CHECK(s2v::cores_of_quota("150000 100000") == 2);
    CHECK(s2v::cores_of_quota("1600000 100000") == 16);
    cpu_set_t before;
    CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(s2v::usable_cores() >= 1 && s2v::usable_cores() <= CPU_COUNT(&before));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; ++i)
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(s2v::usable_cores() == 1 && s2v::workers_for(0) == 1 && s2v::workers_for(3) == 3 && s2v_usable_cores() == 1);
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
}

// A call starts threads once; they block the program's signals.
void threads_are_kept() {
    const synthetic::Batch batch = some_stamps(200);
    const s2v_stamps stamps = batch.view().c();
    const Features expected(stamps, 1);
    for (int i = 0; i < 5; ++i) CHECK(Features(stamps, 4) == expected);
    CHECK(s2v::kept_threads() == 3);
    std::vector<std::thread> callers;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            for (int k = 0; k < 3; ++k) good += Features(stamps, 3) == expected ? 1 : 0;
        });
    for (std::thread &caller : callers) caller.join();
    CHECK(good == 12 && s2v::kept_threads() <= 8);
    const std::int64_t kept = s2v::kept_threads();
    CHECK(Features(stamps, 2) == expected && s2v::kept_threads() == kept);
}

// A forked child computes on; what a reader's threads did is over.
[[maybe_unused]] void forks_are_survived() {
    const synthetic::Batch batch = some_stamps(80);
    const s2v_stamps stamps = batch.view().c();
    const Features expected(stamps, 4);
    const s2v::Model model = s2v::Model::load(model_file("stampnet"));
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.threads = 3;
    s2v_scorer *scorer = nullptr;
    CHECK(s2v_scorer_create(model.c(), &options, &scorer) == S2V_OK);
    std::vector<float> score(80), again(80);
    std::vector<std::uint32_t> flags(80);
    CHECK(s2v_score_stamps(scorer, &stamps, nullptr, score.data(), flags.data()) == S2V_OK);
    s2v_reading reading;
    s2v_reading_init(&reading);
    const char *const path = "/dev/null";
    reading.count = 1;
    reading.paths = &path;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        const int failed = check::failed;
        CHECK(s2v::kept_threads() == 0);
        CHECK(Features(stamps, 4) == expected);
        CHECK(s2v::kept_threads() == 2);  // for three blocks
        CHECK(s2v_score_stamps(scorer, &stamps, nullptr, again.data(), flags.data()) == S2V_OK);
        CHECK(std::memcmp(score.data(), again.data(), score.size() * sizeof(float)) == 0);
        s2v_scorer_free(scorer);
        CHECK(s2v_scorer_create(model.c(), &options, &scorer) == S2V_OK);
        CHECK(s2v_score_stamps(scorer, &stamps, nullptr, again.data(), flags.data()) == S2V_OK);
        CHECK(std::memcmp(score.data(), again.data(), score.size() * sizeof(float)) == 0);
        s2v_scorer_free(scorer);
        auto rows = s2v::sized<s2v_batch>();
        CHECK(s2v_reader_next(reader, 1, &rows) == S2V_INVALID_ARGUMENT && std::strstr(s2v_last_error(), "forked"));
        s2v_reader_close(reader);
        CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
        CHECK(s2v_reader_next(reader, 1, &rows) == S2V_OK);
        s2v_reader_close(reader);
        std::fflush(stdout);
        _exit(check::failed == failed ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    s2v_reader_close(reader);
    s2v_scorer_free(scorer);
    CHECK(Features(stamps, 4) == expected);
}

// All that a thread of the caller's does, with a stack of 64 kB.
void *use_a_small_stack(void *) {
    const synthetic::Batch batch = some_stamps(3);
    const s2v_stamps stamps = batch.view().c();
    const Features features(stamps, 1);
    for (const char *name : kModels) {
        s2v_model *model = nullptr;
        s2v_scorer *scorer = nullptr;
        float score[3];
        std::uint32_t flags[3];
        CHECK(s2v_model_load(model_file(name).c_str(), &model) == S2V_OK);
        CHECK(s2v_scorer_create(model, nullptr, &scorer) == S2V_OK);
        CHECK(s2v_score_stamps(scorer, &stamps, nullptr, score, flags) == S2V_OK);
        s2v_scorer_free(scorer);
        s2v_model_free(model);
    }
    for (const char *recipe : {"braai", "transinet", "autoscan-r", "autoscan-b", "acero-3sigma", "zscale"}) {
        std::vector<float> planes(std::size_t{3} * 3 * 63 * 63);
        std::uint32_t flags[3];
        CHECK(s2v_prepare(&stamps, recipe, planes.data(), flags, 1) == S2V_OK);
    }
    for (const char *name : {"median-mad", "sigma-clip", "zscale", "percentile"}) {
        s2v_step step;
        CHECK(s2v_step_init(name, &step) == S2V_OK);
        const s2v_planes planes = {sizeof(s2v_planes), stamps.pixels, nullptr, 3, 63, 63, 0, 0};
        std::vector<float> out(std::size_t{3} * 63 * 63);
        std::uint32_t flags[3];
        CHECK(s2v_normalise(&planes, &step, 1, 0.0F, out.data(), flags, 1) == S2V_OK);
    }
    const std::string deep(100, '[');
    s2v_model *model = nullptr;
    std::string file(8, '\0');
    file[0] = static_cast<char>(deep.size());
    file += deep;
    CHECK(s2v_model_from_memory(file.data(), static_cast<std::int64_t>(file.size()), &model) == S2V_BAD_MODEL);
    std::int64_t size = 0;
    char reason[200];
    const std::string schema = R"({"type": "record", "name": "a", "fields": [{"name": "b", "type": "int"}]})";
    CHECK(s2v_schema_check(schema.c_str(), reason, sizeof reason, &size) == S2V_BAD_INPUT);
    s2v_reading reading;
    s2v_reading_init(&reading);
    const char *const path = "/dev/null";
    reading.count = 1;
    reading.paths = &path;
    s2v_reader *reader = nullptr;
    auto rows = s2v::sized<s2v_batch>();
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    CHECK(s2v_reader_next(reader, 1, &rows) == S2V_OK);
    s2v_reader_close(reader);
    return nullptr;
}

void small_stacks_suffice() {
#if defined(S2V_ADDRESS_SANITIZER) || defined(S2V_THREAD_SANITIZER)
    use_a_small_stack(nullptr);  // these need more of it for themselves
#else
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    const long least = sysconf(_SC_THREAD_STACK_MIN);  // 128 kB by glibc on aarch64
    CHECK(pthread_attr_setstacksize(&attributes, std::max<std::size_t>(64 << 10, least > 0 ? least : 0)) == 0);
    CHECK(pthread_create(&thread, &attributes, use_a_small_stack, nullptr) == 0);
    CHECK(pthread_join(thread, nullptr) == 0);
    pthread_attr_destroy(&attributes);
#endif
}

}  // namespace

int main() {
    errors_say_why();
    errors_are_logged();
    cores_are_counted();
    threads_are_kept();
// Neither sanitizer follows the child of a process with threads: the one for addresses may hold a lock of its
// allocator. Nor does an emulator: QEMU fails in a child that starts threads.
#if !defined(S2V_THREAD_SANITIZER) && !defined(S2V_ADDRESS_SANITIZER) && !defined(S2V_TEST_EMULATED)
    forks_are_survived();
#endif
    small_stacks_suffice();
    return check::report();
}
