// From the types of a schema to the steps of a walk.
#include "decode/avro.hpp"
#include "decode/avro_program.hpp"
#include "decode/avro_types.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace s2v::decode {
namespace {

using Kind = AvroType::Kind;
using Code = AvroStep::Code;

// A path through unions of records is compiled once for each branch: a hostile schema must not multiply without end.
constexpr std::size_t kMostValues = std::size_t{1} << 19;

// A path that is wanted, from some type on; empty where it ends there.
struct Want {
    std::string_view path;
    std::uint32_t field;
};
using Wants = std::vector<Want>;

Wants wants_below(const Wants &wants, std::string_view name) {
    Wants below;
    for (const Want &want : wants) {
        const std::size_t dot = want.path.find('.');
        if (want.path.substr(0, dot) != name || want.path.empty()) continue;
        below.push_back({dot == std::string_view::npos ? std::string_view() : want.path.substr(dot + 1), want.field});
    }
    return below;
}

class Compiler {
public:
    Compiler(const AvroTypes &types, std::span<const std::string_view> wanted)
        : types_(types), routines_(types.all.size(), kNone) {
        program_.kinds.resize(wanted.size());
        for (std::uint32_t field = 0; field < wanted.size(); ++field) {
            std::uint32_t first = 0;
            while (wanted[first] != wanted[field]) ++first;
            if (first == field)
                wants_.push_back({wanted[field], field});
            else
                program_.same.emplace_back(first, field);
        }
    }

    AvroProgram program() {
        value(types_.root, wants_);
        step({Code::done});
        // Records that hold one another are routines: no recursion here, whatever the schema.
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            routines_[waiting_[i]] = next_step();
            fields(waiting_[i], {});
            step({Code::done});
        }
        for (const auto &[at, type] : calls_) program_.steps[at].target = routines_[type];
        for (const auto &[from, to] : program_.same) program_.kinds[to] = program_.kinds[from];
        return std::move(program_);
    }

private:
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

    const AvroTypes &types_;
    Wants wants_;
    AvroProgram program_;
    std::vector<std::uint32_t> routines_;  // where the routine of a record begins
    std::vector<std::uint32_t> waiting_;   // records whose routines are asked for, in order
    std::vector<std::pair<std::uint32_t, std::uint32_t>> calls_;
    std::unordered_map<std::uint32_t, std::size_t> symbols_;  // where those of an enumeration are
    std::size_t values_ = 0;
    std::size_t joinable_ = 0;  // steps from here on may be joined: nothing leads between them

    // A place that others lead to.
    std::uint32_t next_step() noexcept {
        joinable_ = program_.steps.size();
        return static_cast<std::uint32_t>(program_.steps.size());
    }

    std::uint32_t step(AvroStep next) {
        std::vector<AvroStep> &steps = program_.steps;
        if (steps.size() > joinable_ && join(steps.back(), next)) return static_cast<std::uint32_t>(steps.size() - 1);
        steps.push_back(next);
        return static_cast<std::uint32_t>(steps.size() - 1);
    }

    static bool join(AvroStep &last, const AvroStep &next) noexcept {
        if (last.code != next.code) return false;
        if (next.code == Code::skip) {
            if (last.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - next.size)
                return false;
            last.size += next.size;
            return true;
        }
        const bool nullable =
            next.code == Code::nullable || next.code == Code::nullable_long || next.code == Code::nullable_text;
        if (next.code != Code::skip_longs && !nullable) return false;
        if (last.null_byte != next.null_byte || last.size != next.size) return false;
        if (last.count == std::numeric_limits<std::uint16_t>::max()) return false;
        ++last.count;
        return true;
    }

    void value(std::uint32_t index, const Wants &wants) {
        if (++values_ > kMostValues) throw SchemaError{{Fault::damaged_schema, 0}, "more types than a walk can hold"};
        if (wants.empty()) return skip(index);
        const AvroType &type = types_.all[index];
        switch (type.kind) {
            case Kind::record:
                if (std::all_of(wants.begin(), wants.end(), [](const Want &want) { return want.path.empty(); })) break;
                return fields(index, wants);
            case Kind::union_of:
                return union_of(type, wants);
            case Kind::null:
                for (const Want &want : wants) step({.code = Code::take_null, .target = want.field});
                return;
            case Kind::array:
            case Kind::map:
                break;
            default:
                for (const Want &want : wants)
                    if (want.path.empty()) return take(index, want.field);
        }
        skip(index);
    }

    void fields(std::uint32_t index, const Wants &wants) {
        const AvroType &type = types_.all[index];
        for (std::size_t i = 0; i < type.parts.size(); ++i) value(type.parts[i], wants_below(wants, type.names[i]));
    }

    static Field::Kind kind_of(const AvroType &type) noexcept {
        switch (type.kind) {
            case Kind::boolean:
            case Kind::int_or_long:
                return Field::Kind::integer;
            case Kind::float32:
            case Kind::float64:
                return Field::Kind::real;
            default:
                return Field::Kind::bytes;
        }
    }

    void take(std::uint32_t index, std::uint32_t field) {
        const AvroType &type = types_.all[index];
        program_.kinds[field] =
            static_cast<std::uint8_t>(program_.kinds[field] | 1U << static_cast<unsigned>(kind_of(type)));
        AvroStep taken{.target = field};
        switch (type.kind) {
            case Kind::boolean:
                taken.code = Code::take_boolean;
                break;
            case Kind::int_or_long:
                taken.code = Code::take_long;
                break;
            case Kind::float32:
                taken.code = Code::take_float;
                break;
            case Kind::float64:
                taken.code = Code::take_double;
                break;
            case Kind::bytes_or_string:
                taken.code = Code::take_text;
                break;
            case Kind::fixed:
                taken.code = Code::take_fixed;
                taken.size = static_cast<std::uint64_t>(type.size);
                break;
            default:
                taken.code = Code::take_symbol;
                taken.size = symbols_.emplace(index, program_.enumerations.size()).first->second;
                if (taken.size == program_.enumerations.size()) program_.enumerations.push_back(type.names);
        }
        step(taken);
    }

    void skip(std::uint32_t index) {
        const AvroType &type = types_.all[index];
        if (type.size == 0) return;
        if (type.size > 0) {
            step({.code = Code::skip, .size = static_cast<std::uint64_t>(type.size)});
            return;
        }
        switch (type.kind) {
            case Kind::int_or_long:
            case Kind::enumeration:
                step({.code = Code::skip_longs});
                return;
            case Kind::bytes_or_string:
                step({.code = Code::skip_text});
                return;
            case Kind::union_of:
                return union_of(type, {});
            case Kind::array:
            case Kind::map:
                return items(type);
            default:
                call(step({.code = Code::call}), index);
        }
    }

    // Let a step lead to the routine of a record.
    void call(std::uint32_t at, std::uint32_t record) {
        calls_.emplace_back(at, record);
        if (routines_[record] != kNone) return;
        routines_[record] = 0;
        waiting_.push_back(record);
    }

    void items(const AvroType &type) {
        const AvroType &item = types_.all[type.parts[0]];
        if (type.kind == Kind::array && item.size >= 0) {
            step({.code = Code::items_of_size, .size = static_cast<std::uint64_t>(item.size)});
            return;
        }
        const std::uint32_t head = step({.code = Code::items});
        if (type.kind == Kind::array && item.kind == Kind::record) return call(head, type.parts[0]);
        const std::uint32_t around = step({.code = Code::jump});
        program_.steps[head].target = next_step();
        if (type.kind == Kind::map) step({.code = Code::skip_text});
        value(type.parts[0], {});
        step({.code = Code::done});
        program_.steps[around].target = next_step();
    }

    // Whether a union is skipped in one step.
    bool nullable(const AvroType &type) {
        if (type.parts.size() != 2) return false;
        const bool first = types_.all[type.parts[0]].kind == Kind::null;
        const AvroType &other = types_.all[type.parts[first ? 1 : 0]];
        if (!first && types_.all[type.parts[1]].kind != Kind::null) return false;
        AvroStep next{.code = Code::nullable, .null_byte = static_cast<std::uint8_t>(first ? 0 : 2)};
        if (other.size >= 0)
            next.size = static_cast<std::uint64_t>(other.size);
        else if (other.kind == Kind::int_or_long || other.kind == Kind::enumeration)
            next.code = Code::nullable_long;
        else if (other.kind == Kind::bytes_or_string)
            next.code = Code::nullable_text;
        else
            return false;
        step(next);
        return true;
    }

    void union_of(const AvroType &type, const Wants &wants) {
        if (wants.empty() && nullable(type)) return;
        const auto first = static_cast<std::uint32_t>(program_.targets.size());
        step({.code = Code::choose, .target = first, .size = type.parts.size()});
        program_.targets.resize(first + type.parts.size());
        std::vector<std::uint32_t> ends;
        for (std::size_t i = 0; i < type.parts.size(); ++i) {
            program_.targets[first + i] = next_step();
            value(type.parts[i], wants);
            ends.push_back(step({.code = Code::jump}));
        }
        for (const std::uint32_t end : ends) program_.steps[end].target = next_step();
    }
};

}  // namespace

Schema::Schema(std::string_view json, std::span<const std::string_view> wanted) : Schema(read_types(json), wanted) {}

Schema::Schema(const AvroTypes &types, std::span<const std::string_view> wanted) {
    program_ = std::make_unique<const AvroProgram>(Compiler(types, wanted).program());
}

Schema::~Schema() = default;
Schema::Schema(Schema &&) noexcept = default;
Schema &Schema::operator=(Schema &&) noexcept = default;

std::uint8_t Schema::kinds(std::size_t wanted) const noexcept {
    return program_->kinds[wanted];
}

}  // namespace s2v::decode
