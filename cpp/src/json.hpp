// A strict JSON reader for the headers of model files. Depth is bounded, keys are unique.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace s2v::json {

struct Value;
using Array = std::vector<Value>;
using Object = std::vector<std::pair<std::string, Value>>;

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

// Throws Failure (S2V_BAD_MODEL) where the text is not one JSON value.
Value parse(std::string_view text);

}  // namespace s2v::json
