#include "decode/avro_types.hpp"

#include "decode/avro.hpp"
#include "json.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace s2v::decode {
namespace {

using Kind = AvroType::Kind;

// Schemas of surveys take 10 to 300 kB. JSON values take more memory than their text.
constexpr std::size_t kLongestSchema = std::size_t{2} << 20;
constexpr std::size_t kLongestName = 512;
constexpr std::int64_t kLargestSize = std::numeric_limits<std::int64_t>::max();

[[noreturn]] void bad(std::string reason) {
    throw SchemaError{{Fault::damaged_schema, 0}, std::move(reason)};
}

std::int64_t add_sizes(std::int64_t a, std::int64_t b) noexcept {
    if (a == AvroType::kVaries || b == AvroType::kVaries) return AvroType::kVaries;
    return a > kLargestSize - b ? kLargestSize : a + b;
}

const std::string &string_of(const json::Value &object, std::string_view key) {
    const json::Value *value = object.find(key);
    if (value == nullptr || value->string() == nullptr)
        bad("a type or a field without a string '" + std::string(key) + "'");
    return *value->string();
}

const json::Array &array_of(const json::Value &object, std::string_view key) {
    const json::Value *value = object.find(key);
    if (value == nullptr || value->array() == nullptr) bad("a type without an array '" + std::string(key) + "'");
    return *value->array();
}

class Reader {
public:
    AvroTypes types(const json::Value &schema) {
        for (const auto &[name, kind, size] : kPrimitives) {
            primitives_.emplace(name, add(kind, size));
        }
        types_.root = any(schema, "");
        for (const auto &[name, type] : named_)
            if (type == types_.root) types_.name = name;
        return std::move(types_);
    }

private:
    struct Primitive {
        const char *name;
        Kind kind;
        std::int64_t size;
    };
    static constexpr Primitive kPrimitives[] = {
        {"null", Kind::null, 0},
        {"boolean", Kind::boolean, 1},
        {"int", Kind::int_or_long, AvroType::kVaries},
        {"long", Kind::int_or_long, AvroType::kVaries},
        {"float", Kind::float32, 4},
        {"double", Kind::float64, 8},
        {"bytes", Kind::bytes_or_string, AvroType::kVaries},
        {"string", Kind::bytes_or_string, AvroType::kVaries},
    };

    AvroTypes types_;
    std::map<std::string, std::uint32_t> primitives_;
    std::map<std::string, std::uint32_t> named_;

    std::uint32_t add(Kind kind, std::int64_t size = AvroType::kVaries) {
        types_.all.push_back({kind, size, {}, {}});
        return static_cast<std::uint32_t>(types_.all.size() - 1);
    }

    // space: the enclosing namespace.
    std::uint32_t any(const json::Value &schema, const std::string &space) {
        if (const std::string *name = schema.string()) return reference(*name, space);
        if (const json::Array *branches = schema.array()) return union_of(*branches, space);
        if (schema.object() == nullptr) bad("a type that is no string, array or object");
        const json::Value *type = schema.find("type");
        if (type == nullptr) bad("a type without 'type'");
        const std::string *name = type->string();
        if (name == nullptr) return any(*type, space);
        if (*name == "record" || *name == "error") return record(schema, space);
        if (*name == "enum") return enumeration(schema, space);
        if (*name == "fixed") return fixed(schema, space);
        if (*name == "array") return container(Kind::array, schema, "items", space);
        if (*name == "map") return container(Kind::map, schema, "values", space);
        return reference(*name, space);
    }

    std::uint32_t reference(const std::string &name, const std::string &space) const {
        if (const auto found = primitives_.find(name); found != primitives_.end()) return found->second;
        if (name.find('.') == std::string::npos && !space.empty())
            if (const auto found = named_.find(space + '.' + name); found != named_.end()) return found->second;
        // Also a simple name outside its namespace: older writers left that out.
        if (const auto found = named_.find(name); found != named_.end()) return found->second;
        bad("unknown type '" + name + "'");
    }

    // Give a type its full name; returns the namespace for what it encloses.
    std::string define(std::uint32_t type, const json::Value &schema, const std::string &space) {
        std::string full = string_of(schema, "name");
        if (full.find('.') == std::string::npos) {
            const json::Value *own = schema.find("namespace");
            const std::string &prefix = own != nullptr && own->string() != nullptr ? *own->string() : space;
            if (!prefix.empty()) full = prefix + '.' + full;
        }
        // A long namespace would be held once more for each name in it.
        if (full.size() > kLongestName) bad("a name longer than any");
        const std::size_t dot = full.rfind('.');
        std::string inner = dot == std::string::npos ? std::string() : full.substr(0, dot);
        if (primitives_.contains(full)) bad("a type is named '" + full + "'");
        if (!named_.emplace(full, type).second) bad("type '" + full + "' is defined twice");
        return inner;
    }

    std::uint32_t union_of(const json::Array &branches, const std::string &space) {
        std::vector<std::uint32_t> parts;
        for (const json::Value &branch : branches) parts.push_back(any(branch, space));
        const std::uint32_t type = add(Kind::union_of);
        types_.all[type].parts = std::move(parts);
        return type;
    }

    std::uint32_t record(const json::Value &schema, const std::string &space) {
        const std::uint32_t type = add(Kind::record);  // of unknown size while a field may be the record itself
        const std::string inner = define(type, schema, space);
        std::vector<std::uint32_t> parts;
        std::vector<std::string> names;
        std::int64_t size = 0;
        for (const json::Value &field : array_of(schema, "fields")) {
            names.push_back(string_of(field, "name"));
            const json::Value *of = field.find("type");
            if (of == nullptr) bad("field '" + names.back() + "' without a type");
            parts.push_back(any(*of, inner));
            size = add_sizes(size, types_.all[parts.back()].size);
        }
        types_.all[type].size = size;
        types_.all[type].parts = std::move(parts);
        types_.all[type].names = std::move(names);
        return type;
    }

    std::uint32_t enumeration(const json::Value &schema, const std::string &space) {
        const std::uint32_t type = add(Kind::enumeration);
        define(type, schema, space);
        for (const json::Value &symbol : array_of(schema, "symbols")) {
            if (symbol.string() == nullptr) bad("a symbol that is no string");
            types_.all[type].names.push_back(*symbol.string());
        }
        return type;
    }

    std::uint32_t fixed(const json::Value &schema, const std::string &space) {
        const json::Value *size = schema.find("size");
        const double *number = size == nullptr ? nullptr : size->number();
        if (number == nullptr || !(*number >= 0.0 && *number < 9007199254740992.0) || std::floor(*number) != *number)
            bad("a fixed type without a size");
        const std::uint32_t type = add(Kind::fixed, static_cast<std::int64_t>(*number));
        define(type, schema, space);
        return type;
    }

    std::uint32_t container(Kind kind, const json::Value &schema, const char *key, const std::string &space) {
        const json::Value *items = schema.find(key);
        if (items == nullptr) bad(std::string("a type without '") + key + "'");
        const std::uint32_t part = any(*items, space);
        const std::uint32_t type = add(kind);
        types_.all[type].parts.push_back(part);
        return type;
    }
};

// Paths of records in records, of recursive types too.
constexpr int kDeepest = 16;
constexpr std::size_t kMostSteps = std::size_t{1} << 15;
constexpr std::size_t kMostLetters = std::size_t{4} << 20;

class PathFinder {
public:
    explicit PathFinder(const AvroTypes &types) : types_(types) {}

    std::vector<std::string> paths() {
        value(types_.root, "", 0);
        return std::move(paths_);
    }

private:
    const AvroTypes &types_;
    std::vector<std::string> paths_;
    std::set<std::string> known_;  // branches of a union may give the same path
    std::size_t steps_ = 0;
    std::size_t letters_ = 0;

    void value(std::uint32_t index, const std::string &path, int depth) {
        const AvroType &type = types_.all[index];
        if (depth > kDeepest || ++steps_ > kMostSteps) return;
        switch (type.kind) {
            case Kind::record:
                for (std::size_t i = 0; i < type.parts.size(); ++i)
                    value(type.parts[i], path.empty() ? type.names[i] : path + '.' + type.names[i], depth + 1);
                return;
            case Kind::union_of:
                for (const std::uint32_t part : type.parts) value(part, path, depth + 1);
                return;
            case Kind::array:
            case Kind::map:
            case Kind::null:
                return;
            default:
                letters_ += path.size();
                if (!path.empty() && letters_ <= kMostLetters && known_.insert(path).second) paths_.push_back(path);
        }
    }
};

}  // namespace

std::vector<std::string> value_paths(const AvroTypes &types) {
    return PathFinder(types).paths();
}

AvroTypes read_types(std::string_view text) {
    if (text.size() > kLongestSchema) bad("longer than any schema");
    try {
        return Reader().types(json::parse(text));
    } catch (const json::Error &error) {
        throw SchemaError{{Fault::damaged_schema, error.offset()}, error.what()};
    }
}

}  // namespace s2v::decode
