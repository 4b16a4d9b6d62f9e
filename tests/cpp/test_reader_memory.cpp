// A file that asks for more memory than there is costs its own rows, and not those of files beside it.
#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <atomic>
#include <cstdlib>
#include <new>
#include <set>
#include <string>

namespace {

// What one allocation may ask for, as on a machine that has no more.
std::atomic<std::size_t> most{~std::size_t{0}};

void *allocate(std::size_t size, std::size_t alignment) {
    const std::size_t padded = (size + alignment - 1) / alignment * alignment;
    void *const memory = size > most ? nullptr : std::aligned_alloc(alignment, padded);
    if (!memory) throw std::bad_alloc();
    return memory;
}

}  // namespace

void *operator new(std::size_t size) {
    return allocate(size ? size : 1, alignof(std::max_align_t));
}
void *operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size ? size : 1, static_cast<std::size_t>(alignment));
}
void operator delete(void *memory) noexcept {
    std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void *memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void *memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

using synthetic::Octets;

// A container of one alert with a cutout, 300 kB of noise, that claims to unpack to 15 MB.
Octets greedy() {
    Octets cutout(300 << 10, 0x5a);
    const Octets head = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    std::copy(head.begin(), head.end(), cutout.begin());
    const std::uint32_t announced = 15U << 20;
    for (int i = 0; i < 4; ++i) cutout[cutout.size() - 4 + i] = static_cast<std::uint8_t>(announced >> 8 * i);
    synthetic::Avro alert;
    alert.text("greedy").number(7).number(0).real(1.0).real(2.0).number(0);
    alert.number(0).number(0).number(1).number(static_cast<std::int64_t>(cutout.size())).raw(cutout);
    const Octets block = alert.bytes();
    synthetic::Avro file;
    file.raw({'O', 'b', 'j', 1})
        .number(1)
        .text("avro.schema")
        .text(synthetic::kPacketSchema)
        .number(0)
        .raw(synthetic::sync());
    file.number(1).number(static_cast<std::int64_t>(block.size())).raw(block).raw(synthetic::sync());
    return file.bytes();
}

struct Found {
    std::size_t rows = 0;
    std::set<std::string> sound;    // alerts with all planes
    std::set<std::int32_t> blamed;  // inputs
};

Found read(const std::vector<Octets> &inputs, int threads) {
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
    reading.threads = threads;
    s2v_reader *reader = nullptr;
    CHECK(s2v_reader_open(&reading, &reader) == S2V_OK);
    Found found;
    s2v_batch batch = s2v::sized<s2v_batch>();
    while (s2v_reader_next(reader, 5, &batch) == S2V_OK && batch.stamps.n > 0) {
        found.rows += static_cast<std::size_t>(batch.stamps.n);
        for (std::int64_t row = 0, begin = 0; row < batch.stamps.n; begin = batch.object_end[row++])
            if (batch.flags[row] == 0 && batch.stamps.offset[3 * row] >= 0)
                found.sound.emplace(batch.object_ids + begin, batch.object_ids + batch.object_end[row]);
        for (std::int64_t i = 0; i < batch.problem_count; ++i) {
            CHECK(std::string(s2v_fault_name(batch.problems[i].fault)) == "too_large");
            found.blamed.insert(batch.problems[i].place.source);
        }
    }
    s2v_reader_close(reader);
    return found;
}

void files_beside_keep_their_rows() {
    // Alerts of small stamps: all files are read into one unit, by one worker.
    std::vector<Octets> inputs;
    for (const int number : {0, 8, 16, 24, 31, 39, 47}) inputs.push_back(synthetic::container(number, number + 1, 1));
    inputs.insert(inputs.begin() + 3, greedy());
    for (const int threads : {1, 2, 5}) {
        most = std::size_t{8} << 20;
        const Found found = read(inputs, threads);
        most = ~std::size_t{0};
        CHECK(found.rows == 8);
        CHECK(found.sound.size() == 7);
        CHECK(found.blamed == std::set<std::int32_t>{3});
    }
}

}  // namespace

int main() {
    files_beside_keep_their_rows();
    return check::report();
}
