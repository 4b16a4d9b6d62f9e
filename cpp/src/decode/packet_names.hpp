// The names that packets and tables of alerts give to what a reader looks for, and how they tell their survey.
#pragma once

#include "space2vec/space2vec.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace s2v::decode {

// What a reader looks for in every packet.
enum class Role : std::uint8_t {
    object_id,
    candidate_id,
    candidate_id_in_record,
    dia_source_id,
    dia_source_id_in_record,
    dia_object_id,
    ss_object_id,
    x,
    y,
    publisher,
    cutout,                              // as bytes, one a channel
    stamp_data = cutout + S2V_CHANNELS,  // in a record
    count = stamp_data + S2V_CHANNELS,
};
inline constexpr std::size_t kRoles = static_cast<std::size_t>(Role::count);

// The name of a role in ZTF's and Rubin's own packets.
std::string_view packet_name(std::size_t role) noexcept;

// The paths of a packet, or the columns of a table, to look names up in.
class Paths {
public:
    explicit Paths(std::vector<std::string> paths);

    // The path that plays a role, or null. Case, underscores and dots do not count, so that cutout_science is
    // cutoutScience, and a table's flat cutoutScience_stampData is cutoutScience.stampData; nor do the prefixes that
    // Fink gives its columns: i:candid is candidate.candid, r:snr diaSource.snr, b:cutoutScience_stampData a cutout.
    [[nodiscard]] const std::string *of_role(std::size_t role) const;
    // The path that a user means, or null: the path itself, a role under any of its names, a field of `candidate` or
    // `diaSource` without that, and another name if it is the end of one path only.
    [[nodiscard]] const std::string *find(std::string_view wanted) const;
    // Whether there are fields that are ZTF's alone.
    [[nodiscard]] bool ztf_fields() const;
    [[nodiscard]] const std::vector<std::string> &all() const noexcept {
        return paths_;
    }

private:
    std::vector<std::string> paths_;
    std::vector<std::string> plain_;  // lower case, without separators

    [[nodiscard]] const std::string *find_exact(std::string_view path) const;
    [[nodiscard]] const std::string *of_plain(std::string_view name) const;
};

// What tells the survey of an alert.
struct AlertOrigin {
    std::string_view schema;     // full name of the packet's type, or empty
    std::string_view publisher;  // or empty
    std::string_view object_id;  // text, or empty
    bool ztf_fields = false;     // as Paths tells
};

// Whether an alert is of ZTF's own camera. What brokers pass on stays ZTF's: its objects keep their names
// (ZTF18abcdefg). Other cameras have taken over the layout of the packets; they name themselves in schema, publisher or
// object.
bool is_ztf(const AlertOrigin &origin) noexcept;

}  // namespace s2v::decode
