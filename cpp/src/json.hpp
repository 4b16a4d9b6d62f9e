// A strict JSON reader for the headers of model files and for schemas. Depth is bounded, keys are unique.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace s2v::json {

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

// Throws Error.
Value parse(std::string_view text);

}  // namespace s2v::json
