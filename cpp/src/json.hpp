// A strict JSON reader for the headers of model files and for schemas. Its limits are those of Python's
// (space2vec/model_files/strict_json.py): keys are unique, and size, depth and number of values are bounded.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace s2v::json {

// Bytes of a text, brackets and commas in it outside of strings, and how deep it is nested: a schema takes four levels
// for each record in a record.
inline constexpr std::size_t kMostBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMostValues = std::size_t{1} << 18;
inline constexpr int kMostDepth = 128;

struct Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;

struct Value {
    std::variant<std::nullptr_t, bool, double, std::string, Array, Object> held;

    // The member of an object, or null where there is none or this is no object.
    [[nodiscard]] const Value *find(std::string_view key) const noexcept;
    [[nodiscard]] const std::string *string() const noexcept {
        return std::get_if<std::string>(&held);
    }
    [[nodiscard]] const double *number() const noexcept {
        return std::get_if<double>(&held);
    }
    [[nodiscard]] const Array *array() const noexcept {
        return std::get_if<Array>(&held);
    }
    [[nodiscard]] const Object *object() const noexcept {
        return std::get_if<Object>(&held);
    }
};

struct Member {
    std::string name;
    Value value;
};

// A text that is not one JSON value: why, and the byte at which that was noticed.
class Error : public std::runtime_error {
public:
    Error(std::size_t offset, const char *reason)
        : std::runtime_error("JSON, byte " + std::to_string(offset) + ": " + reason), offset_(offset) {}
    [[nodiscard]] std::size_t offset() const noexcept {
        return offset_;
    }

private:
    std::size_t offset_;
};

// Whether a text is UTF-8, as the headers of model files must be.
bool is_utf8(std::string_view text) noexcept;

// Throws Error.
Value parse(std::string_view text);

}  // namespace s2v::json
