#include "decode/mark.hpp"

#include "decode/container.hpp"

#include <algorithm>

namespace s2v::decode {
namespace {

constexpr std::uint8_t kMagic[kMagicSize] = {'O', 'b', 'j', 1};

// Whether a header begins here; it may be cut off where the bytes end.
bool is_header(Bytes bytes) noexcept {
    const Finding finding = read_header(bytes).finding;
    if (!finding) return true;
    // The keys that the format knows begin like this, and one of them comes first.
    constexpr std::string_view kKey = "avro.";
    const Bytes begin = bytes.first(std::min(bytes.size(), kLongestMark));
    return finding.fault == Fault::truncated &&
           std::search(begin.begin(), begin.end(), kKey.begin(), kKey.end()) != begin.end();
}

}  // namespace

bool is_avro(Bytes head) noexcept {
    return head.size() >= kMagicSize && std::equal(kMagic, kMagic + kMagicSize, head.begin());
}

Mark find_mark(Bytes bytes, std::size_t from, Bytes sync) noexcept {
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(std::min(from, bytes.size()));
    const auto marker = sync.empty() ? bytes.end() : std::search(begin, bytes.end(), sync.begin(), sync.end());
    for (auto at = begin; (at = std::search(at, marker, kMagic, kMagic + kMagicSize)) != marker; ++at) {
        const auto place = static_cast<std::size_t>(at - bytes.begin());
        if (is_header(bytes.subspan(place))) return {place, place, true, true};
    }
    const auto end = static_cast<std::size_t>(marker - bytes.begin());
    if (marker == bytes.end()) return {end, end, false, false};
    return {end, end + sync.size(), true, false};
}

}  // namespace s2v::decode
