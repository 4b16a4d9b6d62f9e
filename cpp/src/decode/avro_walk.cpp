// The walk over a record. Nothing is read past the end, and every step takes bytes or ends: a record of n bytes is
// walked in a time that n bounds.
#include "decode/avro.hpp"
#include "decode/avro_program.hpp"

#include <bit>
#include <cstring>

namespace s2v::decode {
namespace {

using Code = AvroStep::Code;
using Kind = Field::Kind;

// Records in records, of recursive types; each takes a frame of the stack.
constexpr int kDeepest = 256;
constexpr std::size_t kLongestLong = 10;

template <typename T>
T little(const std::uint8_t *bytes) noexcept {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value | static_cast<T>(bytes[i]) << 8 * i);
    return value;
}

class Walk {
public:
    Walk(const AvroProgram &program, Bytes data, Field *fields) noexcept
        : program_(program), begin_(data.data()), end_(data.data() + data.size()), fields_(fields) {}

    Schema::Walked record() noexcept {
        const std::uint8_t *at = run(0, begin_, 0);
        if (at == nullptr) return {0, finding_};
        return {static_cast<std::size_t>(at - begin_), {}};
    }

private:
    // Places in the record are pointers; null: a finding.
    using At = const std::uint8_t *;

    const AvroProgram &program_;
    At begin_;
    At end_;
    Field *fields_;
    Finding finding_;

    At fail(Fault fault, At at) noexcept {
        finding_ = {fault, static_cast<std::size_t>(at - begin_)};
        return nullptr;
    }
    [[nodiscard]] std::uint64_t left(At at) const noexcept {
        return static_cast<std::uint64_t>(end_ - at);
    }

    At get_long(At at, std::int64_t &value) noexcept {
        const Long read = read_long({at, end_});
        if (read.size == 0) return fail(left(at) >= kLongestLong ? Fault::damaged_record : Fault::truncated, at);
        value = read.value;
        return at + read.size;
    }

    At skip_long(At at) noexcept {
        if (at != end_ && *at < 0x80) return at + 1;
        if (left(at) >= 8) {
            const std::uint64_t ends = ~little<std::uint64_t>(at) & 0x8080808080808080U;
            if (ends != 0) return at + std::countr_zero(ends) / 8 + 1;
        }
        std::int64_t value = 0;
        return get_long(at, value);
    }

    At skip(At at, std::uint64_t size) noexcept {
        return size <= left(at) ? at + size : fail(Fault::truncated, at);
    }

    // Bytes behind their length.
    At get_text(At at, Bytes &text) noexcept {
        std::int64_t size = 0;
        const At from = get_long(at, size);
        if (from == nullptr) return nullptr;
        if (size < 0) return fail(Fault::damaged_record, at);
        if (static_cast<std::uint64_t>(size) > left(from)) return fail(Fault::truncated, at);
        text = {from, static_cast<std::size_t>(size)};
        return from + size;
    }

    At skip_text(At at) noexcept {
        Bytes text;
        return get_text(at, text);
    }

    // Unions of null and something that `pass` passes over.
    template <typename Pass>
    At nullables(const AvroStep &step, At at, Pass pass) noexcept {
        for (unsigned i = 0; i < step.count; ++i) {
            if (at == end_) return fail(Fault::truncated, at);
            const unsigned byte = *at;
            if (byte == step.null_byte) {
                ++at;
            } else if (byte == (step.null_byte ^ 2U)) {
                at = pass(at + 1);
                if (at == nullptr) return nullptr;
            } else {  // a branch that there is not, or one that is written in more bytes than it needs
                const At from = at;
                std::int64_t branch = 0;
                at = get_long(at, branch);
                if (at == nullptr) return nullptr;
                if (branch != 0 && branch != 1) return fail(Fault::damaged_record, from);
                if (2 * branch != step.null_byte) at = pass(at);
                if (at == nullptr) return nullptr;
            }
        }
        return at;
    }

    // The count of a block of items: 0 after the last one. A block that tells its size is passed over at once.
    At next_block(At at, std::int64_t &count) noexcept {
        for (;;) {
            at = get_long(at, count);
            if (at == nullptr || count >= 0) return at;
            const At from = at;
            std::int64_t size = 0;
            at = get_long(at, size);
            if (at == nullptr) return nullptr;
            if (size < 0) return fail(Fault::damaged_record, from);
            at = skip(at, static_cast<std::uint64_t>(size));
            if (at == nullptr) return nullptr;
        }
    }

    At items(std::uint32_t routine, At at, int depth) noexcept {
        for (std::int64_t count = 0;;) {
            at = next_block(at, count);
            if (at == nullptr || count == 0) return at;
            for (std::int64_t i = 0; i < count; ++i) {
                at = run(routine, at, depth);
                if (at == nullptr) return nullptr;
            }
        }
    }

    At items_of_size(std::uint64_t size, At at) noexcept {
        for (std::int64_t count = 0;;) {
            at = next_block(at, count);
            if (at == nullptr || count == 0) return at;
            if (size == 0) continue;
            if (static_cast<std::uint64_t>(count) > left(at) / size) return fail(Fault::truncated, at);
            at += static_cast<std::uint64_t>(count) * size;
        }
    }

    // A step that fills a field.
    At take(const AvroStep &step, At at) noexcept {
        Field &field = fields_[step.target];
        const At from = at;
        switch (step.code) {
            case Code::take_boolean:
                if ((at = skip(at, 1)) == nullptr) return nullptr;
                field.integer = *from != 0;
                field.kind = Kind::integer;
                return at;
            case Code::take_long:
                if ((at = get_long(at, field.integer)) == nullptr) return nullptr;
                field.kind = Kind::integer;
                return at;
            case Code::take_float:
                if ((at = skip(at, 4)) == nullptr) return nullptr;
                field.real = static_cast<double>(std::bit_cast<float>(little<std::uint32_t>(from)));
                field.kind = Kind::real;
                return at;
            case Code::take_double:
                if ((at = skip(at, 8)) == nullptr) return nullptr;
                field.real = std::bit_cast<double>(little<std::uint64_t>(from));
                field.kind = Kind::real;
                return at;
            case Code::take_text:
                if ((at = get_text(at, field.bytes)) == nullptr) return nullptr;
                field.kind = Kind::bytes;
                return at;
            case Code::take_fixed:
                if ((at = skip(at, step.size)) == nullptr) return nullptr;
                field.bytes = {from, static_cast<std::size_t>(step.size)};
                field.kind = Kind::bytes;
                return at;
            case Code::take_symbol: {
                const std::vector<std::string> &symbols = program_.enumerations[step.size];
                std::int64_t index = 0;
                if ((at = get_long(at, index)) == nullptr) return nullptr;
                if (static_cast<std::uint64_t>(index) >= symbols.size()) return fail(Fault::damaged_record, from);
                const std::string &symbol = symbols[static_cast<std::size_t>(index)];
                field.bytes = {reinterpret_cast<const std::uint8_t *>(symbol.data()), symbol.size()};
                field.kind = Kind::bytes;
                return at;
            }
            default:
                field.kind = Kind::null;
                return at;
        }
    }

    At run(std::uint32_t start, At at, int depth) noexcept {
        if (depth == kDeepest) return fail(Fault::damaged_record, at);
        const AvroStep *const steps = program_.steps.data();
        for (const AvroStep *step = steps + start;; ++step) {
            switch (step->code) {
                case Code::done:
                    return at;
                case Code::skip:
                    at = skip(at, step->size);
                    break;
                case Code::skip_longs:
                    for (unsigned i = 0; i < step->count && at != nullptr; ++i) at = skip_long(at);
                    break;
                case Code::skip_text:
                    at = skip_text(at);
                    break;
                case Code::nullable:
                    at = nullables(*step, at, [&](At from) { return skip(from, step->size); });
                    break;
                case Code::nullable_long:
                    at = nullables(*step, at, [&](At from) { return skip_long(from); });
                    break;
                case Code::nullable_text:
                    at = nullables(*step, at, [&](At from) { return skip_text(from); });
                    break;
                case Code::choose: {
                    const At from = at;
                    std::int64_t branch = 0;
                    at = get_long(at, branch);
                    if (at == nullptr) return nullptr;
                    if (static_cast<std::uint64_t>(branch) >= step->size) return fail(Fault::damaged_record, from);
                    step = steps + program_.targets[step->target + static_cast<std::size_t>(branch)] - 1;
                    break;
                }
                case Code::jump:
                    step = steps + step->target - 1;
                    break;
                case Code::call:
                    at = run(step->target, at, depth + 1);
                    break;
                case Code::items:
                    at = items(step->target, at, depth + 1);
                    break;
                case Code::items_of_size:
                    at = items_of_size(step->size, at);
                    break;
                default:
                    at = take(*step, at);
            }
            if (at == nullptr) return nullptr;
        }
    }
};

}  // namespace

Long read_long(Bytes data) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < data.size() && i < kLongestLong; ++i) {
        const std::uint64_t byte = data[i];
        if (i == kLongestLong - 1 && byte > 1) return {};  // more than 64 bits
        value |= (byte & 0x7F) << 7 * i;
        if (byte < 0x80) return {static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1))), i + 1};
    }
    return {};
}

Schema::Walked Schema::walk(Bytes data, Field *fields) const noexcept {
    static constexpr std::uint8_t kNothing = 0;
    if (data.empty()) data = {&kNothing, 0};  // null stands for a finding
    for (std::size_t i = 0; i < program_->kinds.size(); ++i) fields[i] = {};
    const Walked walked = Walk(*program_, data, fields).record();
    for (const auto &[from, to] : program_->same) fields[to] = fields[from];
    return walked;
}

}  // namespace s2v::decode
