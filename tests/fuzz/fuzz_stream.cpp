// Messages in memory, one row each. The first byte says into how many the rest is cut, and whether there is a schema
// for those without a header; the schemas have the numbers from 0.
#include "decode/messages.hpp"
#include "fuzz.hpp"
#include "isa.hpp"
#include "message_schemas.hpp"

#include <memory>
#include <vector>

namespace {

std::unique_ptr<s2v::decode::MessageDecoder> decoder_of(bool bare) {
    const s2v::decode::PacketSelection selection = {{"candidate.magpsf"}, {"objectId", "fid"}, true};
    s2v::decode::DecodeSettings settings;
    settings.shape.columns = selection.columns.size();
    settings.shape.fields = selection.fields.size();
    settings.shape.catalogue = true;
    settings.isa = s2v::active_isa();
    auto decoder = std::make_unique<s2v::decode::MessageDecoder>(selection, settings, s2v::decode::Store::of(nullptr));
    for (std::uint32_t i = 0; i < std::size(kMessageSchemas); ++i) decoder->add_schema(i, kMessageSchemas[i]);
    if (bare) decoder->set_bare_schema(kMessageSchemas[0]);
    return decoder;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const std::unique_ptr<s2v::decode::MessageDecoder> decoders[] = {decoder_of(false), decoder_of(true)};
    if (size == 0) return 0;
    const std::size_t count = 1 + data[0] % 4;
    const std::span<const std::uint8_t> rest(data + 1, size - 1);
    std::vector<fuzz::Exact> held;
    std::vector<s2v::decode::Bytes> messages;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t begin = rest.size() * i / count, end = rest.size() * (i + 1) / count;
        held.emplace_back(rest.subspan(begin, end - begin));
        messages.push_back(held.back().all());
    }
    const s2v::decode::Rows &rows = decoders[data[0] >> 7]->decode(messages);
    fuzz::require(rows.count() == count, "a message is a row");
    for (std::size_t row = 0; row < count; ++row)
        fuzz::require(rows.place[row].source == static_cast<std::int32_t>(row), "in order");
    fuzz::require(rows.catalogue.size() == count * S2V_CATALOGUE_COLUMNS, "every row has its columns");
    for (const s2v::decode::Problem &problem : rows.problems)
        fuzz::require(problem.row >= 0 && problem.row < static_cast<std::int64_t>(count), "a problem has its row");
    return 0;
}
