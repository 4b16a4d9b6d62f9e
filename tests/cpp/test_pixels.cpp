// Pixels that are taken from a reader: whose memory they are in, how long, and what becomes of it.
#include "check.hpp"
#include "decode/buffer.hpp"
#include "decode/store.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using s2v::decode::Store;
using synthetic::Octets;

// An allocator that counts, and refuses where it is told to.
struct Memory {
    std::mutex lock;
    std::map<void *, std::int64_t> held;
    std::vector<std::int64_t> released;
    int asked = 0;
    bool refuses = false;

    s2v_allocator allocator() {
        return {sizeof(s2v_allocator),
                [](void *context, std::int64_t bytes) -> void * {
                    auto &memory = *static_cast<Memory *>(context);
                    const std::lock_guard<std::mutex> hold(memory.lock);
                    ++memory.asked;
                    if (memory.refuses) return nullptr;
                    void *const at = std::malloc(static_cast<std::size_t>(bytes));
                    memory.held[at] = bytes;
                    return at;
                },
                [](void *context, void *at, std::int64_t bytes) {
                    auto &memory = *static_cast<Memory *>(context);
                    const std::lock_guard<std::mutex> hold(memory.lock);
                    CHECK(memory.held.contains(at) && memory.held[at] == bytes);
                    memory.held.erase(at);
                    memory.released.push_back(bytes);
                    std::free(at);
                },
                this};
    }
};

s2v_reader *open(const Octets &input, const s2v_allocator *allocator, bool keep_pixels = true, int threads = 2) {
    const void *const memory[] = {input.data()};
    const auto size = static_cast<std::int64_t>(input.size());
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = 1;
    reading.memory = memory;
    reading.memory_size = &size;
    reading.keep_pixels = keep_pixels;
    reading.sets = keep_pixels ? 0 : S2V_SET_AUTOSCAN;
    reading.threads = threads;
    reading.allocator = allocator;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    return reader;
}

std::vector<float> values_of(const s2v_pixels &pixels) {
    return {pixels.pixels, pixels.pixels + pixels.pixel_count};
}

bool same(const std::vector<float> &a, const std::vector<float> &b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// The pixels of each batch, copied before the next is read.
std::vector<std::vector<float>> batches_of(const Octets &input, std::int64_t rows) {
    std::vector<std::vector<float>> out;
    s2v_reader *const reader = open(input, nullptr);
    auto batch = s2v::sized<s2v_batch>();
    while (s2v_reader_next(reader, rows, &batch) == S2V_OK && batch.stamps.n > 0)
        out.emplace_back(batch.stamps.pixels, batch.stamps.pixels + batch.stamps.pixel_count);
    s2v_reader_close(reader);
    return out;
}

void test_they_stay_while_others_are_read() {
    const Octets input = synthetic::container(0, 40, 3);
    const std::vector<std::vector<float>> expected = batches_of(input, 6);
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    for (const s2v_allocator *const given : {&allocator, static_cast<const s2v_allocator *>(nullptr)}) {
        s2v_reader *const reader = open(input, given);
        std::vector<s2v_pixels> taken;
        auto batch = s2v::sized<s2v_batch>();
        while (s2v_reader_next(reader, 6, &batch) == S2V_OK && batch.stamps.n > 0) {
            auto pixels = s2v::sized<s2v_pixels>();
            CHECK(s2v_reader_take_pixels(reader, &pixels) == S2V_OK);
            CHECK(pixels.pixels == batch.stamps.pixels && pixels.pixel_count == batch.stamps.pixel_count);
            CHECK(pixels.allocated == (given != nullptr));
            auto again = s2v::sized<s2v_pixels>();
            CHECK(s2v_reader_take_pixels(reader, &again) == S2V_OK && !again.pixels && again.pixel_count == 0);
            taken.push_back(pixels);
        }
        auto none = s2v::sized<s2v_pixels>();
        CHECK(s2v_reader_take_pixels(reader, &none) == S2V_OK && !none.pixels);
        s2v_reader_close(reader);
        CHECK(taken.size() == expected.size());
        for (std::size_t k = 0; k < taken.size(); ++k) CHECK(same(values_of(taken[k]), expected[k]));
        if (given) CHECK(memory.held.size() >= taken.size());
        for (s2v_pixels &pixels : taken) {
            s2v_pixels_release(&pixels);
            CHECK(!pixels.pixels && !pixels.owner);
            s2v_pixels_release(&pixels);
        }
        CHECK(memory.held.empty());
    }
}

void test_memory_is_used_again() {
    const Octets input = synthetic::container(0, 120, 3);
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    s2v_reader *const reader = open(input, &allocator);
    auto batch = s2v::sized<s2v_batch>();
    std::set<const float *> places;
    int batches = 0, asked = 0;
    while (s2v_reader_next(reader, 5, &batch) == S2V_OK && batch.stamps.n > 0) {
        auto pixels = s2v::sized<s2v_pixels>();
        CHECK(s2v_reader_take_pixels(reader, &pixels) == S2V_OK);
        // Stamps of all sizes come in the first dozen batches, and room for the most of them is there then.
        if (++batches == 12) asked = memory.asked;
        if (batches > 12) places.insert(pixels.pixels);
        s2v_pixels_release(&pixels);
    }
    CHECK(batches == 24 && places.size() == 1 && memory.asked == asked);
    // A second reader finds what the first has left.
    s2v_reader *const second = open(input, &allocator);
    CHECK(s2v_reader_next(second, 5, &batch) == S2V_OK && batch.stamps.pixels == *places.begin());
    CHECK(memory.asked == asked);
    s2v_reader_close(reader);
    CHECK(!memory.held.empty());
    s2v_reader_close(second);
    CHECK(memory.held.empty());
}

void test_an_allocator_that_has_none_left() {
    const Octets input = synthetic::container(0, 40, 3);
    const std::vector<std::vector<float>> expected = batches_of(input, 10);
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    s2v_reader *const reader = open(input, &allocator);
    auto batch = s2v::sized<s2v_batch>();
    std::vector<s2v_pixels> taken(expected.size(), s2v::sized<s2v_pixels>());
    for (std::size_t k = 0; k < expected.size(); ++k) {
        memory.refuses = k % 2 == 0;
        const int before = memory.asked;
        CHECK(s2v_reader_next(reader, 10, &batch) == S2V_OK);
        CHECK(s2v_reader_take_pixels(reader, &taken[k]) == S2V_OK);
        CHECK(memory.asked > before && taken[k].allocated == (k % 2 == 1));
    }
    s2v_reader_close(reader);
    for (std::size_t k = 0; k < expected.size(); ++k) {
        CHECK(same(values_of(taken[k]), expected[k]));
        s2v_pixels_release(&taken[k]);
    }
    CHECK(memory.held.empty());
}

void test_where_there_are_none() {
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    const Octets sound = synthetic::container(0, 9, 3), foreign = {'x', 'y'};
    s2v_reader *reader = open(sound, &allocator, false);
    auto batch = s2v::sized<s2v_batch>();
    auto pixels = s2v::sized<s2v_pixels>();
    CHECK(s2v_reader_take_pixels(reader, &pixels) == S2V_OK && !pixels.pixels);
    CHECK(s2v_reader_next(reader, 100, &batch) == S2V_OK && batch.stamps.n == 9 && batch.features);
    CHECK(s2v_reader_take_pixels(reader, &pixels) == S2V_OK && !pixels.pixels && pixels.pixel_count == 0);
    s2v_reader_close(reader);
    reader = open(foreign, &allocator);  // one row without planes
    CHECK(s2v_reader_next(reader, 100, &batch) == S2V_OK && batch.stamps.n == 1);
    CHECK(s2v_reader_take_pixels(reader, &pixels) == S2V_OK && !pixels.pixels);
    s2v_reader_close(reader);
    CHECK(memory.asked == 0);
    s2v_pixels_release(nullptr);
    CHECK(s2v_reader_take_pixels(nullptr, &pixels) == S2V_INVALID_ARGUMENT);
    s2v_reading reading;
    s2v_reading_init(&reading);
    const s2v_allocator half{sizeof(s2v_allocator), allocator.allocate, nullptr, nullptr};
    reading.allocator = &half;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_INVALID_ARGUMENT);
}

void test_cutouts_of_a_table() {
    synthetic::Random random(3);
    const Octets image = synthetic::fits(random, 21);
    const std::int64_t begin[] = {0, static_cast<std::int64_t>(image.size())};
    auto cutouts = s2v::sized<s2v_cutouts>();
    cutouts.n = 1;
    cutouts.data[2] = image.data();
    cutouts.begin[2] = begin;
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.allocator = &allocator;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open_cutouts(&cutouts, &reading, &reader) == S2V_OK);
    auto batch = s2v::sized<s2v_batch>();
    auto pixels = s2v::sized<s2v_pixels>();
    CHECK(s2v_reader_next(reader, 1, &batch) == S2V_OK && s2v_reader_take_pixels(reader, &pixels) == S2V_OK);
    CHECK(pixels.allocated && pixels.pixel_count == 21 * 21);
    s2v_reader_close(reader);
    s2v_pixels_release(&pixels);
    CHECK(memory.held.empty());
}

void test_an_interrupted_reader() {
    // A pipe that stays open: rows are waited for in vain.
    const std::string path = "test_pixels.pipe";
    std::remove(path.c_str());
    CHECK(mkfifo(path.c_str(), 0600) == 0);
    const int pipe = ::open(path.c_str(), O_RDWR);
    const Octets input = synthetic::container(0, 3, 1);
    CHECK(write(pipe, input.data(), std::min<std::size_t>(input.size(), 4096)) > 0);
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    const char *const paths[] = {path.c_str()};
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = 1;
    reading.paths = paths;
    reading.interrupted = [](void *) { return 1; };
    reading.allocator = &allocator;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    auto batch = s2v::sized<s2v_batch>();
    CHECK(s2v_reader_next(reader, 10, &batch) == S2V_INTERRUPTED && batch.stamps.n == 0);
    auto pixels = s2v::sized<s2v_pixels>();
    CHECK(s2v_reader_take_pixels(reader, &pixels) == S2V_OK && !pixels.pixels);
    close(pipe);
    s2v_reader_close(reader);
    CHECK(memory.held.empty());
    std::remove(path.c_str());
}

void test_released_by_another_thread() {
    const Octets input = synthetic::container(0, 60, 2);
    const std::vector<std::vector<float>> expected = batches_of(input, 4);
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    s2v_reader *const reader = open(input, &allocator);
    std::mutex lock;
    std::vector<s2v_pixels> waiting;
    std::atomic<bool> ended = false;
    std::size_t seen = 0;
    std::thread other([&] {
        for (bool last = false; !last;) {
            last = ended;
            std::vector<s2v_pixels> mine;
            {
                const std::lock_guard<std::mutex> hold(lock);
                mine.swap(waiting);
            }
            for (s2v_pixels &pixels : mine) {
                CHECK(same(values_of(pixels), expected[seen++]));
                s2v_pixels_release(&pixels);
            }
        }
    });
    auto batch = s2v::sized<s2v_batch>();
    while (s2v_reader_next(reader, 4, &batch) == S2V_OK && batch.stamps.n > 0) {
        auto pixels = s2v::sized<s2v_pixels>();
        if (s2v_reader_take_pixels(reader, &pixels) != S2V_OK) break;
        const std::lock_guard<std::mutex> hold(lock);
        waiting.push_back(pixels);
    }
    s2v_reader_close(reader);
    ended = true;
    other.join();
    CHECK(seen == expected.size() && memory.held.empty());
}

// What is kept is bounded; these sizes are names only, nothing is written.
void test_what_is_kept() {
    static std::vector<std::int64_t> released;
    released.clear();
    const s2v_allocator allocator{sizeof(s2v_allocator), [](void *, std::int64_t) { return std::malloc(1); },
                                  [](void *, void *at, std::int64_t bytes) {
                                      released.push_back(bytes >> 20);
                                      std::free(at);
                                  },
                                  nullptr};
    constexpr std::size_t kMega = (std::size_t{8} << 20) / 9 + 1;  // an eighth more is taken
    const auto give_back = [&](Store &store, const std::vector<std::size_t> &sizes) {
        std::vector<s2v::decode::Room> rooms;
        for (const std::size_t size : sizes) rooms.push_back(store.take(size * kMega));
        for (s2v::decode::Room &room : rooms) s2v::decode::Room(std::move(room));
    };
    {
        const std::shared_ptr<Store> store = Store::of(&allocator);
        CHECK(Store::of(&allocator) == store && Store::of(nullptr) != store);
        give_back(*store, {60, 90, 70, 100});
        CHECK(released == (std::vector<std::int64_t>{60, 70}));  // the largest are kept
        released.clear();
        give_back(*store, {300});
        CHECK(released == (std::vector<std::int64_t>{300}));
        CHECK(store->take(10 * kMega).size() >= 100 * kMega);
        released.clear();
        give_back(*store, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
        // The first two were given those that were kept; of ten, eight stay.
        CHECK(released == (std::vector<std::int64_t>{3, 4}));
        released.clear();
    }
    std::sort(released.begin(), released.end());
    CHECK(released == (std::vector<std::int64_t>{5, 6, 7, 8, 9, 10, 90, 100}));
}

// Who keeps a small batch does not keep the room of a large one.
void test_small_batches_that_are_kept() {
    Memory memory;
    const s2v_allocator allocator = memory.allocator();
    for (const s2v_allocator *const from : {&allocator, static_cast<const s2v_allocator *>(nullptr)}) {
        const std::shared_ptr<Store> store = Store::of(from);
        s2v::decode::Buffer<float> pixels(store);
        pixels.resize(std::size_t{8} << 20);
        const void *const large = pixels.hand_over().data();  // and gives it back
        const std::vector<float> small(1000, 7.0F);
        std::vector<s2v::decode::Room> kept;
        for (int i = 0; i < 5; ++i) {
            pixels.append(small.data(), small.size());
            kept.push_back(pixels.hand_over());
            CHECK(kept.back().size() <= std::size_t{1} << 20 && kept.back().data() != large);
            CHECK(std::memcmp(kept.back().data(), small.data(), small.size() * sizeof(float)) == 0);
        }
        pixels.resize(std::size_t{3} << 20);
        CHECK(pixels.data() == large);
        CHECK(pixels.hand_over().data() == large);  // over a quarter of it is used
    }
    CHECK(memory.held.empty());
}

void test_the_cpp_face() {
    const std::string path = "test_pixels.avro";
    const Octets bytes = synthetic::container(0, 4, 2);
    std::FILE *const file = std::fopen(path.c_str(), "wb");
    CHECK(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    std::fclose(file);
    Memory memory;
    s2v::Pixels pixels;
    {
        s2v::Reading how;
        how.allocator = memory.allocator();
        s2v::Reader reader({path}, how);
        CHECK(reader.next(4));
        pixels = reader.take_pixels();
        CHECK(reader.take_pixels().values().empty());
    }
    CHECK(pixels.allocated() && same({pixels.values().begin(), pixels.values().end()}, batches_of(bytes, 4).at(0)));
    pixels = s2v::Pixels();
    CHECK(memory.held.empty());
    std::remove(path.c_str());
}

}  // namespace

int main() {
    test_they_stay_while_others_are_read();
    test_memory_is_used_again();
    test_an_allocator_that_has_none_left();
    test_where_there_are_none();
    test_cutouts_of_a_table();
    test_an_interrupted_reader();
    test_released_by_another_thread();
    test_what_is_kept();
    test_small_batches_that_are_kept();
    test_the_cpp_face();
    return check::report();
}
