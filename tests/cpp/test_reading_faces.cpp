// The C++ face of reading: memory, tables, going on where another reader stopped, interrupts, and messages.
#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <span>
#include <vector>

namespace {

using synthetic::Octets;
using Input = std::span<const std::byte>;

Input bytes_of(const Octets &octets) {
    return std::as_bytes(std::span(octets));
}

std::vector<std::string> rest_of(s2v::Reader &reader) {
    std::vector<std::string> ids;
    while (const s2v_batch *const batch = reader.next(4))
        for (std::int64_t row = 0; row < batch->stamps.n; ++row) {
            CHECK(s2v::candidate_id(*batch, row) == reader.candidate_id(row));
            ids.push_back(s2v::object_id(*batch, row));
        }
    return ids;
}

void memory_is_read_and_gone_on_with() {
    const Octets file = synthetic::container(0, 9, 2);
    const std::vector<Input> inputs = {bytes_of(file)};
    s2v::Reading how;
    how.threads = 1;
    s2v::Reader whole(inputs, how);
    const s2v_batch *const first = whole.next(3);
    CHECK(first && first->stamps.n == 3);
    // The third row is the first of the second block.
    const s2v_place stopped = first->place[2];
    const std::vector<std::string> rest = rest_of(whole);
    CHECK(rest.size() == 6 && rest.front() == "object3");
    how.start = {stopped.source, stopped.block, 1};
    s2v::Reader second(inputs, how);
    CHECK(rest_of(second) == rest);
}

void an_interrupt_ends_reading() {
    const Octets file = synthetic::container(0, 400, 1);
    const std::vector<Input> inputs = {bytes_of(file)};
    s2v::Reading how;
    how.threads = 1;
    bool throws = false;
    how.interrupted = [&throws]() -> bool {
        if (throws) throw std::runtime_error("no question should");
        return true;
    };
    for (int round = 0; round < 2; ++round, throws = true) {
        s2v::Reader reader(inputs, how);
        s2v::Reader moved = std::move(reader);
        s2v_status status = S2V_OK;
        try {
            while (moved.next(1)) continue;
        } catch (const s2v::Error &error) {
            status = error.status();
        }
        // A quick machine may be done before the question is asked.
        CHECK(status == S2V_INTERRUPTED || status == S2V_OK);
    }
}

void tables_are_read() {
    synthetic::Random random(3);
    const Octets image = synthetic::fits(random, 21);
    Octets all = image;
    all.insert(all.end(), image.begin(), image.end());
    const auto size = static_cast<std::int64_t>(image.size());
    const std::vector<std::int64_t> begin = {0, size, 2 * size};
    std::int32_t count = 0;
    const char *const *paths = nullptr;
    CHECK(s2v_catalogue_columns(S2V_SURVEY_ZTF, &paths, &count) == S2V_OK && count == 13);
    std::vector<double> fields(2 * static_cast<std::size_t>(count), 1.0);
    fields[0] = 17.5;
    fields[static_cast<std::size_t>(count)] = -999;
    auto table = s2v::sized<s2v_cutouts>();
    table.n = 2;
    for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
        table.data[channel] = all.data();
        table.begin[channel] = begin.data();
    }
    table.catalogue = fields.data();
    s2v::Reading how;
    how.catalogue = true;
    s2v::Reader reader(table, how);
    const s2v_batch *const batch = reader.next();
    CHECK(batch && batch->stamps.n == 2 && batch->problem_count == 0);
    constexpr int kMag = 9;  // in the registry's order
    CHECK(batch->catalogue[kMag] == 17.5F);
    CHECK(batch->catalogue[S2V_CATALOGUE_COLUMNS + kMag] != batch->catalogue[S2V_CATALOGUE_COLUMNS + kMag]);
}

void messages_are_decoded() {
    s2v::Decoder decoder;
    decoder.add_schema(5, synthetic::kPacketSchema);
    CHECK_THROWS(decoder.set_bare_schema("{"), s2v::Error, caught.status() == S2V_BAD_INPUT);
    const Octets one = synthetic::message(1, 5), two = synthetic::message(2, 6);
    const std::vector<Input> messages = {bytes_of(one), {}, bytes_of(two)};
    const s2v_batch &batch = decoder.decode(messages);
    CHECK(batch.stamps.n == 3 && batch.problem_count == 2);
    CHECK(s2v::candidate_id(batch, 0) == "1001" && s2v::object_id(batch, 0) == "object1");
    CHECK(s2v::candidate_id(batch, 1).empty());
    std::vector<float> score(3);
    std::vector<std::uint32_t> flags(2);
    CHECK_THROWS(decoder.score(messages, score, flags), s2v::Error, caught.status() == S2V_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    memory_is_read_and_gone_on_with();
    an_interrupt_ends_reading();
    tables_are_read();
    messages_are_decoded();
    return check::report();
}
