// An Avro file: its parts one by one, and all of it as the pipeline decodes it.
#include "decode/container.hpp"
#include "decode_all.hpp"
#include "walk.hpp"

#include <optional>

namespace {

using fuzz::require;
using s2v::decode::Bytes;

constexpr std::int64_t kMostRecords = 256;

std::optional<s2v::decode::Schema> compile(std::string_view text) {
    try {
        return s2v::decode::Schema(text, fuzz::kPaths);
    } catch (const s2v::decode::SchemaError &error) {
        require(static_cast<bool>(error.finding) && !error.reason.empty(), "a schema that is refused has a reason");
        return std::nullopt;
    }
}

void read_blocks(Bytes data, const s2v::decode::ContainerHeader &header) {
    const std::optional<s2v::decode::Schema> schema = compile(header.schema);
    std::vector<std::uint8_t> room;
    while (!data.empty()) {
        const s2v::decode::BlockHead head = s2v::decode::read_block_head(data);
        if (head.finding) {
            require(head.size == 0 && head.finding.offset <= data.size(), "a block head that is damaged");
            return;
        }
        require(head.size <= data.size() && head.records >= 0, "a block head within its bytes");
        require(head.packed <= s2v::decode::kLargestBlock, "the size of a block");
        data = data.subspan(head.size);
        const fuzz::Exact packed(data.first(std::min(head.packed, data.size())));
        const s2v::decode::Unpacked block = s2v::decode::unpack_block(header.codec, packed.all(), room);
        require(block.plain.size() <= s2v::decode::kLargestBlock, "the size of a block, unpacked");
        require(block.finding.offset <= packed.all().size(), "the offset of a finding in a block");
        if (schema) fuzz::walk_records(*schema, block.plain, std::min(head.records, kMostRecords));
        data = data.subspan(std::min(data.size(), head.packed + header.sync.size()));
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const Bytes input(data, size);
    const s2v::decode::ContainerHeader header = s2v::decode::read_header(input);
    if (header.finding) {
        require(header.size == 0 && header.finding.offset <= size, "a header that is damaged");
    } else {
        require(header.size <= size, "a header within its file");
        if (header.codec != s2v::decode::Codec::unknown) read_blocks(input.subspan(header.size), header);
    }
    fuzz::decode_all(input);
    return 0;
}
