// Scorers through the C ABI: scores against a plain transcription of the rule and of the network, threads, and memory.
#include "check.hpp"
#include "synthetic_frames.hpp"
#include "synthetic_scoring.hpp"

#include <cstdlib>
#include <new>
#include <thread>

// Every allocation of the process is counted, but under a sanitizer, which has its own.
#if !defined(S2V_ADDRESS_SANITIZER) && !defined(S2V_THREAD_SANITIZER) && defined(__GLIBC__)
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

using synthetic::batch_of;
using synthetic::flag;
using synthetic::forest_file;
using synthetic::nan_value;
using synthetic::NetworkFile;
using synthetic::OneRow;
using synthetic::same_bits;
using synthetic::stamp_columns;

// What the network scores, and the flags, row by row by other calls of the ABI: the rule in words.
void expected_of(const NetworkFile &file, const s2v_stamps &stamps, std::vector<float> &score,
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
            s2v_composition how = {
                sizeof(s2v_composition), 33, static_cast<std::int32_t>(there.size()), {}, view ? 1 : 2,
                view ? norm : median};
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
        score.push_back(refused ? nan_value : synthetic::PlainNetwork(file.network)(planes.data(), columns.data()));
    }
}

void scores_follow_the_rule_and_the_network() {
    const NetworkFile file;
    const s2v::Model model = file.model();
    const synthetic::Batch batch = batch_of(2);
    const s2v_stamps stamps = batch.view().c();
    std::vector<float> expected;
    std::vector<std::uint32_t> expected_flags;
    expected_of(file, stamps, expected, expected_flags);
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
    const NetworkFile file;
    const s2v::Model model = file.model();
    s2v::Scorer scorer(model);
    synthetic::Batch batch;
    synthetic::Random random(8);
    for (int row = 0; row < 3; ++row) batch.add(51, 51, 25, 25, synthetic::Fault::kNone, random);
    batch.offset[3 + S2V_TEMPLATE] = batch.offset[6 + S2V_TEMPLATE] = -1;
    const std::vector<std::uint32_t> raised = {flag("bad_stamp"), flag("missing"), flag("bad_stamp")};
    std::vector<float> score(3);
    std::vector<std::uint32_t> flags(3);
    scorer.score(batch.view(), score, flags, {}, raised);
    CHECK(score[0] != score[0] && flags[0] == flag("bad_stamp"));
    CHECK(score[1] > 0.0F && (flags[1] & flag("missing")));         // the template is missing, and spared
    CHECK(score[2] != score[2] && (flags[2] & flag("bad_stamp")));  // it could not be decoded
}

void large_stamps_are_flagged() {
    const NetworkFile file;
    const s2v::Model model = file.model();
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.largest_side = 63;
    s2v::Scorer scorer(model, options);
    synthetic::Batch batch;
    synthetic::Random random(3);
    batch.add(63, 63, 31, 31, synthetic::Fault::kNone, random);
    batch.add(63, 64, 31, 31, synthetic::Fault::kNone, random);
    batch.add(63, 64, 31, 31, synthetic::Fault::kFolded, random);
    std::vector<float> score(3);
    std::vector<std::uint32_t> flags(3);
    scorer.score(batch.view(), score, flags);
    CHECK(score[0] == score[0] && score[1] != score[1] && (flags[1] & flag("off_shape")));
    // Where nothing is prepared, the flags of the stamp are there too.
    CHECK(score[2] != score[2] && (flags[2] & flag("off_shape")) && (flags[2] & flag("no_flux_scale")));
    CHECK(!(flags[1] & flag("no_flux_scale")));
}

struct Counted {
    std::int64_t bytes = 0;
    std::int64_t calls = 0;
    std::int64_t left = 1 << 30;
    s2v_allocator allocator() {
        return {sizeof(s2v_allocator),
                [](void *context, std::int64_t bytes) -> void * {
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
    const NetworkFile file;
    const s2v::Model model = file.model();
    const synthetic::Batch batch = batch_of(1);
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
        CHECK(counted.calls == 6 && counted.bytes > 3 * 26136);  // a worker's, and that of its frames
        scorer.score(batch.view(), score, flags);
        CHECK(ran == 3 && counted.calls == 6 && same_bits(score, expected));
    }
    CHECK(counted.bytes == 0);
    for (std::int64_t left = 0; left < 6; ++left) {
        counted.left = left;
        s2v_scorer *scorer = nullptr;
        CHECK(s2v_scorer_create(model.c(), &options, &scorer) == S2V_OUT_OF_MEMORY && scorer == nullptr);
        CHECK(counted.bytes == 0);
    }
}

void nothing_is_allocated_in_a_call() {
#if defined(S2V_COUNTED)
    const synthetic::Batch batch = batch_of(3);
    const std::size_t n = batch.size();
    std::vector<float> score(n);
    std::vector<std::uint32_t> flags(n);
    synthetic::Plain science(90, 100, S2V_SCIENCE), other(90, 100, S2V_DIFFERENCE);
    science.put_mask<std::int16_t>(S2V_INT16, true);
    std::vector<double> x(n);  // some beyond
    for (std::size_t i = 0; i < n; ++i) x[i] = 1.3 * static_cast<double>(i);
    const NetworkFile file;
    const s2v::Model models[] = {file.model(), synthetic::CascadeFile().model(0.3F, 0.7F),
                                 NetworkFile::of(forest_file({"AMP", "SNR"}, 0, true))};
    for (const s2v::Model &model : models)
        for (const int threads : {1, 4}) {
            s2v::Scorer scorer(model, threads);
            const long before = allocations;
            for (int again = 0; again < 5; ++again) scorer.score(batch.view(), score, flags);
            for (int again = 0; again < 5; ++again)
                CHECK(s2v_score_frames(scorer.c(), &science.frame, &other.frame, &other.frame,
                                       static_cast<std::int64_t>(n), x.data(), x.data(), nullptr, score.data(),
                                       flags.data()) == S2V_OK);
            CHECK(allocations == before);
        }
    const long before = allocations;
    std::free(std::malloc(1));
    delete[] new char[10];
    CHECK(allocations >= before + 1);  // the count counts
#endif
}

// Every pattern of planes and flags is held against an oracle in Python.
void flags_are_joined() {
    const std::int64_t offset[] = {0, -1, 9, 0, 3, 6};
    const auto missing = flag("missing"), bad = flag("bad_stamp");
    const std::uint32_t raised[] = {bad, bad};
    std::uint32_t flags[] = {0, missing};
    CHECK(s2v_join_flags(offset, raised, 2, flags) == S2V_OK && flags[0] == 0 && flags[1] == bad);
    CHECK(s2v_join_flags(nullptr, nullptr, 0, nullptr) == S2V_OK);
    CHECK(s2v_join_flags(offset, raised, -1, flags) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_join_flags(offset, nullptr, 2, flags) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_join_flags(nullptr, raised, 2, flags) == S2V_INVALID_ARGUMENT);
    CHECK(s2v_join_flags(offset, raised, 2, nullptr) == S2V_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    scores_follow_the_rule_and_the_network();
    what_the_reader_raised_is_joined();
    large_stamps_are_flagged();
    memory_and_threads_may_be_the_callers();
    nothing_is_allocated_in_a_call();
    flags_are_joined();
    return check::report();
}
