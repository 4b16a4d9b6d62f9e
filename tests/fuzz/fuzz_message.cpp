// Bare messages. The first byte chooses the schema of the first one, whose head is put before it; from 128 on the input
// has its own heads.
#include "decode_all.hpp"
#include "message_schemas.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const s2v::decode::MessageSchemas schemas = [] {
        s2v::decode::MessageSchemas all;
        for (std::uint32_t i = 0; i < std::size(kMessageSchemas); ++i) all.emplace(i, kMessageSchemas[i]);
        return all;
    }();
    if (size == 0) return 0;
    std::vector<std::uint8_t> messages;
    if (data[0] < 128) messages = {0, 0, 0, 0, static_cast<std::uint8_t>(data[0] % std::size(kMessageSchemas))};
    messages.insert(messages.end(), data + 1, data + size);
    fuzz::decode_all(fuzz::Exact(messages).all(), schemas);
    return 0;
}
