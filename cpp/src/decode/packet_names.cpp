#include "decode/packet_names.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace s2v::decode {
namespace {

// A role's own name, then the plain forms of every name that it goes by, the likeliest first.
struct Names {
    std::string_view own;
    std::array<std::string_view, 2> plain;
};
constexpr std::array<Names, kRoles> kNames = {{
    {"objectId", {"objectid", "candidateobjectid"}},
    {"candid", {"candid", "candidatecandid"}},
    {"candidate.candid", {"candidatecandid", "candidateid"}},
    {"diaSourceId", {"diasourceid", "diasourcediasourceid"}},
    {"diaSource.diaSourceId", {"diasourcediasourceid", ""}},
    {"diaSource.diaObjectId", {"diasourcediaobjectid", "diaobjectid"}},
    {"diaSource.ssObjectId", {"diasourcessobjectid", "ssobjectid"}},
    {"candidate.xpos", {"candidatexpos", "xpos"}},
    {"candidate.ypos", {"candidateypos", "ypos"}},
    {"publisher", {"publisher", ""}},
    {"cutoutScience", {"cutoutscience", ""}},
    {"cutoutTemplate", {"cutouttemplate", ""}},
    {"cutoutDifference", {"cutoutdifference", ""}},
    {"cutoutScience.stampData", {"cutoutsciencestampdata", ""}},
    {"cutoutTemplate.stampData", {"cutouttemplatestampdata", ""}},
    {"cutoutDifference.stampData", {"cutoutdifferencestampdata", ""}},
}};

// The records that hold what is known of the candidate, and the letters that Fink puts before their fields.
constexpr std::pair<std::string_view, char> kRecords[] = {{"candidate", 'i'}, {"diaSource", 'r'}};

// Cameras whose packets have ZTF's layout, or parts of it.
constexpr std::string_view kOtherCameras[] = {"atlas", "blackgem", "decam", "gattini", "goto",   "growth", "ls4",
                                              "lsst",  "pgir",     "rubin", "turbo",   "winter", "wntr",   "zuds"};

char lower(char letter) noexcept {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}
bool is_letter(char letter) noexcept {
    return lower(letter) >= 'a' && lower(letter) <= 'z';
}
bool is_digit(char letter) noexcept {
    return letter >= '0' && letter <= '9';
}

// A path in lower case without separators, a prefix of one letter spelled out.
std::string plain(std::string_view path) {
    std::string out;
    if (path.size() > 2 && path[1] == ':') {
        for (const auto &[record, letter] : kRecords)
            if (lower(path[0]) == letter)
                for (const char of : record) out += lower(of);
        path.remove_prefix(2);
    }
    for (const char letter : path)
        if (letter != '.' && letter != '_' && letter != ' ') out += lower(letter);
    return out;
}

std::string_view last_name(std::string_view path) noexcept {
    const std::size_t at = path.find_last_of(".:");
    return at == std::string_view::npos ? path : path.substr(at + 1);
}

// The one string of which something holds; null where there is none, or more than one.
template <typename Holds>
const std::string *only(const std::vector<std::string> &strings, Holds holds) {
    const auto found = std::ranges::find_if(strings, holds);
    if (found == strings.end() || std::any_of(found + 1, strings.end(), holds)) return nullptr;
    return &*found;
}

bool begins(std::string_view text, std::string_view with) noexcept {
    return text.size() >= with.size() &&
           std::equal(with.begin(), with.end(), text.begin(), [](char a, char b) { return a == lower(b); });
}

// Whether an object is named as surveys name theirs: letters, the year, letters.
bool is_designation(std::string_view id) noexcept {
    std::size_t at = 0;
    while (at < id.size() && is_letter(id[at])) ++at;
    return at >= 2 && at + 2 < id.size() && is_digit(id[at]) && is_digit(id[at + 1]) && is_letter(id[at + 2]);
}

bool is_other_camera(std::string_view name) noexcept {
    return std::ranges::any_of(kOtherCameras, [&](std::string_view other) { return begins(name, other); });
}

}  // namespace

std::string_view packet_name(std::size_t role) noexcept {
    return kNames[role].own;
}

Paths::Paths(std::vector<std::string> paths) : paths_(std::move(paths)) {
    plain_.reserve(paths_.size());
    for (const std::string &path : paths_) plain_.push_back(plain(path));
}

const std::string *Paths::find_exact(std::string_view path) const {
    const auto found = std::ranges::find(paths_, path);
    return found == paths_.end() ? nullptr : &*found;
}

const std::string *Paths::of_plain(std::string_view name) const {
    const auto found = std::ranges::find(plain_, name);
    return found == plain_.end() ? nullptr : &paths_[static_cast<std::size_t>(found - plain_.begin())];
}

const std::string *Paths::of_role(std::size_t role) const {
    const std::string *found = find_exact(kNames[role].own);
    for (const std::string_view name : kNames[role].plain)
        if (found == nullptr && !name.empty()) found = of_plain(name);
    return found;
}

const std::string *Paths::find(std::string_view wanted) const {
    if (const std::string *const found = find_exact(wanted)) return found;
    for (std::size_t role = 0; role < kRoles; ++role)
        if (wanted == kNames[role].own) return of_role(role);
    for (const auto &[record, letter] : kRecords)
        if (const std::string *const found = find_exact(std::string(record) + '.' + std::string(wanted))) return found;
    const std::string name = plain(wanted);
    if (name.empty()) return nullptr;
    for (const std::string &prefix : {std::string(), plain(kRecords[0].first), plain(kRecords[1].first)})
        if (const std::string *const found = only(plain_, [&](const std::string &of) { return of == prefix + name; }))
            return &paths_[static_cast<std::size_t>(found - plain_.data())];
    return only(paths_, [&](const std::string &path) { return plain(last_name(path)) == name; });
}

bool Paths::ztf_fields() const {
    return of_plain("candidatercid") != nullptr && of_plain("candidatepdiffimfilename") != nullptr;
}

bool is_ztf(const AlertOrigin &origin) noexcept {
    if (is_other_camera(origin.schema) || is_other_camera(origin.publisher)) return false;
    // Simulated candidates ("SIM20aaaaaao") are of the survey whose packets they come in.
    if (is_designation(origin.object_id) && !begins(origin.object_id, "sim")) return begins(origin.object_id, "ztf");
    return origin.schema.starts_with("ztf.") || begins(origin.publisher, "ztf") || origin.ztf_fields;
}

}  // namespace s2v::decode
