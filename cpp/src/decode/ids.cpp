#include "decode/ids.hpp"

#include <charconv>
#include <cmath>
#include <optional>

namespace s2v::decode {
namespace {

constexpr std::int64_t kNone = -1;                       // what stands for an unknown id
constexpr double kBeyondSigned = 9223372036854775808.0;  // 2^63

std::string_view text_of(const Field &field) noexcept {
    return {reinterpret_cast<const char *>(field.bytes.data()), field.bytes.size()};
}

template <typename Number, typename... How>
void append(std::string &text, Number number, How... how) {
    char digits[32];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, number, how...).ptr);
}

// The number that a text writes without a sign too many, a leading zero or anything else.
template <typename Number>
std::optional<Number> number_in(std::string_view text) noexcept {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    const bool negative = text.front() == '-';
    if (text[negative] == '0' && (negative || text.size() > 1)) return std::nullopt;
    return number;
}

// The whole number that a real one is.
std::optional<std::int64_t> whole(double value) noexcept {
    if (!(value >= -kBeyondSigned && value < kBeyondSigned) || std::nearbyint(value) != value) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

// As Python and NumPy write it: with an exponent below 1e-4 and from 1e16 on.
void append_real(std::string &text, double value) {
    const double size = std::fabs(value);
    append(text, value, size >= 1e-4 && size < 1e16 ? std::chars_format::fixed : std::chars_format::scientific);
}

}  // namespace

CandidateId read_candidate_id(const Field &field, std::string &text) {
    std::optional<std::int64_t> number;
    switch (field.kind) {
        case Field::Kind::integer:
            number = field.integer;
            break;
        case Field::Kind::real:
            if (!std::isfinite(field.real)) return {};
            number = whole(field.real);
            if (number) break;
            append_real(text, field.real);
            return {S2V_ID_TEXT, -1};
        case Field::Kind::bytes: {
            const std::string_view id = text_of(field);
            if (id.empty()) return {};
            number = number_in<std::int64_t>(id);
            if (number && *number != kNone) return {S2V_ID_SIGNED, *number};
            if (number) return {};
            text += id;
            return {number_in<std::uint64_t>(id) ? S2V_ID_UNSIGNED : S2V_ID_TEXT, -1};
        }
        default:
            return {};
    }
    if (*number == 0 || *number == kNone) return {};
    return {S2V_ID_SIGNED, *number};
}

void append_object_id(const Field &field, std::string &text) {
    if (field.kind == Field::Kind::bytes)
        text += text_of(field);
    else if (field.kind == Field::Kind::integer && field.integer != 0)
        append(text, field.integer);
    else if (field.kind == Field::Kind::real && std::isfinite(field.real) && field.real != 0) {
        if (const std::optional<std::int64_t> number = whole(field.real))
            append(text, *number);
        else
            append_real(text, field.real);
    }
}

}  // namespace s2v::decode
