// The scores and ids of messages in memory: no allocation, and threads that share a model.
#include "check.hpp"
#include "synthetic_messages.hpp"
#include "synthetic_scoring.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <thread>

namespace {

std::atomic<long> allocations{0};

}  // namespace

[[gnu::noinline]] void *operator new(std::size_t size) {
    ++allocations;
    if (void *const memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void *operator new(std::size_t size, std::align_val_t alignment) {
    ++allocations;
    const auto to = static_cast<std::size_t>(alignment);
    if (void *const memory = std::aligned_alloc(to, (size + to - 1) / to * to)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void *operator new(std::size_t size, const std::nothrow_t &) noexcept {  // of a stable sort
    ++allocations;
    return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void *memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

using synthetic::Decoder;
using synthetic::kSchema;
using synthetic::Messages;
using synthetic::Octets;
using synthetic::plain;

void sound_messages_cost_no_allocation() {
    const s2v::Model models[] = {synthetic::NetworkFile().model(), synthetic::CascadeFile().model(0.0F, 1.0F),
                                 synthetic::NetworkFile::of(synthetic::forest_file({"MASKFRAC", "SNR"}, 0))};
    std::vector<Octets> all;
    for (int number = 0; number < 60; ++number) all.push_back(synthetic::message(number, kSchema));
    for (int number = 60; number < 70; ++number) all.push_back(synthetic::container(number, number + 1, 1));
    const Messages messages(all);
    for (const s2v::Model &model : models) {
        s2v_reading reading = plain();
        reading.keep_pixels = 0;
        reading.model = model.c();
        Decoder decoder(reading);
        std::vector<float> score(all.size());
        std::vector<std::uint32_t> flags(all.size());
        std::vector<s2v_id> candidates(all.size()), objects(all.size());
        long before = 0;
        for (int round = 0; round < 3; ++round) {
            if (round == 1) before = allocations;
            CHECK(s2v_score_messages(decoder.c, messages.at.data(), messages.size.data(), messages.count(),
                                     candidates.data(), objects.data(), score.data(), flags.data()) == S2V_OK);
            for (std::size_t k = 0; k < all.size(); ++k)
                s2v_score_messages(decoder.c, &messages.at[k], &messages.size[k], 1, candidates.data(), objects.data(),
                                   &score[k], &flags[k]);
        }
        CHECK(allocations == before);
        CHECK(std::isfinite(score[0]));
    }
}

void ids_are_spans_of_text() {
    std::string schema = synthetic::kPacketSchema;
    const std::string number = R"("candid", "type": "long")";
    schema.replace(schema.find(number), number.size(), R"("candid", "type": "string")");
    const s2v::Model model = synthetic::NetworkFile().model();
    s2v_reading reading = plain();
    reading.model = model.c();
    Decoder decoder(reading);
    CHECK(s2v_decoder_set_bare_schema(decoder.c, schema.c_str()) == S2V_OK);
    const struct {
        const char *text;
        std::int32_t kind;
    } cases[] = {{"18446744073709551615", S2V_ID_UNSIGNED},
                 {"-9223372036854775808", S2V_ID_SIGNED},
                 {"007", S2V_ID_TEXT},
                 {"12", S2V_ID_SIGNED},
                 {"", S2V_ID_UNKNOWN},
                 {"abc", S2V_ID_TEXT}};
    std::vector<Octets> all;
    for (const auto &one : cases) {
        const Octets packet = synthetic::packet(3);
        Octets changed = synthetic::Avro().text("name").text(one.text).bytes();
        changed.insert(changed.end(), packet.begin() + 10, packet.end());  // "object3" and 1003 go
        all.push_back(changed);
    }
    const Messages messages(all);
    std::vector<float> score(all.size());
    std::vector<std::uint32_t> flags(all.size());
    std::vector<s2v_id> candidates(all.size()), objects(all.size());
    CHECK(s2v_score_messages(decoder.c, messages.at.data(), messages.size.data(), messages.count(), candidates.data(),
                             objects.data(), score.data(), flags.data()) == S2V_OK);
    for (std::size_t k = 0; k < all.size(); ++k) {
        CHECK(candidates[k].kind == cases[k].kind);
        CHECK(std::string(candidates[k].text, static_cast<std::size_t>(candidates[k].size)) == cases[k].text);
        CHECK(std::string(objects[k].text, static_cast<std::size_t>(objects[k].size)) == "name");
        CHECK(objects[k].kind == S2V_ID_TEXT && std::isfinite(score[k]));
    }
}

void threads_share_a_model() {
    const s2v::Model model = synthetic::NetworkFile().model();
    std::vector<Octets> all;
    for (int number = 0; number < 30; ++number) all.push_back(synthetic::message(number, kSchema));
    const Messages messages(all);
    std::vector<std::vector<float>> scores(8, std::vector<float>(all.size()));
    std::vector<std::thread> threads;
    for (std::vector<float> &score : scores)
        threads.emplace_back([&] {
            s2v_reading reading = plain();
            reading.keep_pixels = 0;
            reading.model = model.c();
            s2v_decoder *decoder = nullptr;
            if (s2v_decoder_create(&reading, &decoder) != S2V_OK) return;
            s2v_decoder_add_schema(decoder, kSchema, synthetic::kPacketSchema.c_str());
            std::vector<std::uint32_t> flags(all.size());
            for (int round = 0; round < 3; ++round)
                s2v_score_messages(decoder, messages.at.data(), messages.size.data(), messages.count(), nullptr,
                                   nullptr, score.data(), flags.data());
            s2v_decoder_free(decoder);
        });
    for (std::thread &thread : threads) thread.join();
    CHECK(std::isfinite(scores[0][0]));
    for (const std::vector<float> &score : scores) CHECK(synthetic::same_bits(score, scores[0]));
}

}  // namespace

int main() {
    sound_messages_cost_no_allocation();
    ids_are_spans_of_text();
    threads_share_a_model();
    return check::report();
}
