// A schema, up to the first zero byte, and records that are walked with it.
#include "walk.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::uint8_t *const end = std::find(data, data + size, std::uint8_t{0});
    const fuzz::Exact text({data, end});
    const fuzz::Exact records({std::min(end + 1, data + size), data + size});
    try {
        const s2v::decode::Schema schema({reinterpret_cast<const char *>(text.data()), text.all().size()},
                                         fuzz::kPaths);
        fuzz::walk_records(schema, records.all(), 64);
    } catch (const s2v::decode::SchemaError &error) {
        fuzz::require(static_cast<bool>(error.finding) && !error.reason.empty(),
                      "a schema that is refused has a reason");
        fuzz::require(error.finding.offset <= text.all().size(), "the offset of a finding in a schema");
    }
    return 0;
}
