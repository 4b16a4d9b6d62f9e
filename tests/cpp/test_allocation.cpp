// Memory that is not to be had: whichever allocation fails, alone or with all after it, a call returns a status,
// nothing aborts and nothing is lost. test_allocation [POINTS [MODEL]]: so many of a model's; 0: all (default 40).
#include "check.hpp"
#include "synthetic_stamps.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

std::atomic<long> calls{0};
std::atomic<long> held{0};
std::atomic<long> first_to_fail{-1};
std::atomic<long> last_to_fail{-1};

void *allocate(std::size_t size, std::size_t alignment) noexcept {
    const long number = calls++;
    if (number >= first_to_fail && number <= last_to_fail) return nullptr;
    void *const memory = alignment > alignof(std::max_align_t)
                             ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                             : std::malloc(size > 0 ? size : 1);
    if (memory != nullptr) ++held;
    return memory;
}

void *allocate_or_throw(std::size_t size, std::size_t alignment) {
    void *const memory = allocate(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void release(void *memory) noexcept {
    if (memory == nullptr) return;
    --held;
    std::free(memory);
}

}  // namespace

void *operator new(std::size_t size) {
    return allocate_or_throw(size, 0);
}
void *operator new[](std::size_t size) {
    return allocate_or_throw(size, 0);
}
void *operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void *operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
    return allocate(size, 0);
}
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept {
    return allocate(size, 0);
}
void operator delete(void *memory) noexcept {
    release(memory);
}
void operator delete[](void *memory) noexcept {
    release(memory);
}
void operator delete(void *memory, std::size_t) noexcept {
    release(memory);
}
void operator delete[](void *memory, std::size_t) noexcept {
    release(memory);
}
void operator delete(void *memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void *memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete(void *memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void *memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}

namespace {

constexpr long kMostAllocations = 10000;  // of a run: there are networks of half a million weights
constexpr const char *kModels[] = {"autoscan", "forest", "tablenet", "stampnet-fast", "stampnet", "vectornet"};

struct World {
    synthetic::Batch batch;
    s2v_stamps stamps{};
    std::string path;
    float score[4] = {};
    std::int8_t vectors[4 * 64] = {};  // of a network of vectors, instead of scores
    std::uint32_t flags[4];
    std::uint8_t scored[4];
    std::vector<float> planes = std::vector<float>(std::size_t{4} * 3 * 63 * 63);
    std::vector<float> features = std::vector<float>(std::size_t{4} * 80);
    std::vector<float> expected_score;
    std::vector<std::int8_t> expected_vectors;

    explicit World(const char *model) : path(std::string(S2V_TEST_MODELS) + "/" + model + ".safetensors") {
        synthetic::Random random(9);
        for (int i = 0; i < 4; ++i) batch.add(63, 63, 31, 31, synthetic::Fault::kNone, random);
        stamps = batch.view().c();
    }

    void keep_results() {
        expected_score.assign(score, score + 4);
        expected_vectors.assign(vectors, vectors + sizeof vectors);
    }
    [[nodiscard]] bool has_kept_results() const {
        return std::memcmp(score, expected_score.data(), sizeof score) == 0 &&
               std::memcmp(vectors, expected_vectors.data(), sizeof vectors) == 0;
    }

    // From a file to scores or vectors and all that lies beside; the first status that is not S2V_OK.
    s2v_status run() {
        s2v_model *model = nullptr;
        s2v_scorer *scorer = nullptr;
        s2v_reader *reader = nullptr;
        s2v_reading reading;
        s2v_reading_init(&reading);
        const char *const nothing = "/dev/null";
        reading.count = 1;
        reading.paths = &nothing;
        reading.threads = 1;
        s2v_scorer_options options;
        s2v_scorer_options_init(&options);
        options.threads = 2;
        s2v_batch rows{};
        rows.size = sizeof rows;
        s2v_status status = s2v_model_load(path.c_str(), &model);
        if (status == S2V_OK) status = s2v_scorer_create(model, &options, &scorer);
        s2v_needs needs{};
        needs.size = sizeof needs;
        if (status == S2V_OK) status = s2v_model_needs(model, &needs);
        const bool embeds = needs.vector > 0;
        if (status == S2V_OK)
            status = embeds ? s2v_embed_stamps(scorer, &stamps, nullptr, vectors, flags)
                            : s2v_score_stamps(scorer, &stamps, nullptr, score, flags);
        (embeds ? reading.embedder : reading.model) = model;
        if (status == S2V_OK) {
            const s2v_status other =
                s2v_features(&stamps, S2V_SET_AUTOSCAN | S2V_SET_S2V, 0, features.data(), flags, 1);
            if (other != S2V_OK) status = other;
        }
        if (status == S2V_OK) status = s2v_prepare(&stamps, "braai", planes.data(), flags, 1);
        if (status == S2V_OK) status = s2v_model_inputs(model, &stamps, nullptr, nullptr, nullptr, flags, scored, 1);
        if (status == S2V_OK) status = s2v_reader_open(&reading, &reader);
        if (status == S2V_OK) status = s2v_reader_next(reader, 10, &rows);
        s2v_reader_close(reader);
        s2v_scorer_free(scorer);
        s2v_model_free(model);
        return status;
    }
};

// Returns whether a run in which allocations [first, last] of it fail is as it should be.
bool survives(World &world, long first, long last) {
    const long before = held;
    first_to_fail = calls + first;
    last_to_fail = last < 0 ? 1L << 60 : calls + last;
    const s2v_status status = world.run();
    first_to_fail = last_to_fail = -1;
    const bool same = status != S2V_OK || world.has_kept_results();
    // A thread or a kept thing that could not be had is done without.
    const bool told = status == S2V_OK || status == S2V_OUT_OF_MEMORY || status == S2V_SYSTEM_ERROR;
    // Memory that was kept for a next use may have been given up; then that use takes as much again.
    if (held < before) CHECK(world.run() == S2V_OK);
    // Fewer blocks than before are no loss. It was seen once, under an emulator on a busy machine, and not again.
    if (held < before) std::printf("allocations %ld to %ld: %ld fewer held\n", first, last, before - held);
    if (held <= before && same && told && (status == S2V_OK || s2v_last_error()[0] != 0)) return true;
    std::printf("allocations %ld to %ld: %s (%s), %ld more held\n", first, last, s2v_status_message(status),
                s2v_last_error(), held - before);
    return false;
}

// What a child of this process returns from task(), from 0 to 255; -1 where it was killed.
template <class Task>
int in_a_child(Task task) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) _exit(task());
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// What a process keeps is made in its first run: of that too any allocation may fail.
void check_first_runs(const char *name, long points) {
    World world(name);
    const long begin = calls;
    void *const shared = mmap(nullptr, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    if (shared == MAP_FAILED) return;
    long &count = *static_cast<long *>(shared);
    CHECK(in_a_child([&] {
              const s2v_status whole = world.run();
              count = calls - begin;
              return whole == S2V_OK ? 0 : 1;
          }) == 0);
    const long all = count;
    munmap(shared, sizeof(long));
    for (long k = 0; k < all; k += points > 0 ? std::max(1L, all / points) : 1)
        for (const long last : {begin + k, 1L << 60}) {
            const int status = in_a_child([&] {
                first_to_fail = begin + k;
                last_to_fail = last;
                const s2v_status got = world.run();
                return got == S2V_OK || got == S2V_OUT_OF_MEMORY || got == S2V_SYSTEM_ERROR ? 0 : 1;
            });
            CHECK(status == 0);
            if (status != 0) std::printf("%s: allocation %ld of a new process: status %d\n", name, k, status);
        }
    std::printf("%s: %ld allocations in the first run of a process\n", name, all);
}

void check_model(const char *name, long points) {
    World world(name);
    CHECK(world.run() == S2V_OK);
    CHECK(world.run() == S2V_OK);
    world.keep_results();
    const long first = calls;
    CHECK(world.run() == S2V_OK);
    const long count = calls - first;
    CHECK(count < kMostAllocations);
    const long stride = points > 0 ? std::max(1L, count / points) : 1;
    long bad = 0;
    for (long k = 0; k < count; k += stride) bad += (survives(world, k, k) ? 0 : 1) + (survives(world, k, -1) ? 0 : 1);
    CHECK(bad == 0);
    CHECK(world.run() == S2V_OK && world.has_kept_results());
    std::printf("%s: %ld allocations in a later run, every %ld failed\n", name, count, stride);
}

}  // namespace

int main(int count, char **argument) {
    const long points = count > 1 ? std::atol(argument[1]) : 40;
    const std::string only = count > 2 ? argument[2] : "";
    for (const auto check : {check_first_runs, check_model})
        for (const char *name : kModels)
            if (only.empty() || only == name) check(name, points);
    return check::report();
}
