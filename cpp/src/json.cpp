#include "json.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace s2v::json {
namespace {

// Whether a key comes twice; sorted first, since a hostile object may have a million keys.
bool has_twins(const Object &members) {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const Member &member : members) keys.emplace_back(member.name);
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Value document() {
        if (text_.size() > kMostBytes) throw Error(kMostBytes, "more than 16 MiB");
        Value value = any(1);
        skip_space();
        if (at_ != text_.size()) fail("text after the value");
        return value;
    }

private:
    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t values_ = 0;

    [[noreturn]] void fail(const char *reason) const {
        throw Error(at_, reason);
    }
    [[nodiscard]] char peek() const noexcept {
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    char next() {
        if (at_ == text_.size()) fail("the text ends too early");
        return text_[at_++];
    }
    void skip_space() noexcept {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
    }
    // Take a character, and the space around it, if it comes next.
    bool take(char wanted) noexcept {
        skip_space();
        if (peek() != wanted) return false;
        ++at_;
        skip_space();
        return true;
    }
    void expect(char wanted, const char *reason) {
        if (!take(wanted)) fail(reason);
    }
    // The same of a bracket or a comma, which begins a value.
    void expect_value(char wanted, const char *reason) {
        expect(wanted, reason);
        if (++values_ > kMostValues) fail("more than 262144 values");
    }
    Value literal(std::string_view word, Value value) {
        if (text_.substr(at_, word.size()) != word) fail("not a value");
        at_ += word.size();
        return value;
    }

    Value any(int depth) {
        skip_space();
        switch (peek()) {
            case '{':
            case '[':
                if (depth > kMostDepth) fail("nested more than 128 deep");
                return peek() == '{' ? object(depth) : array(depth);
            case '"':
                return {string()};
            case 't':
                return literal("true", {true});
            case 'f':
                return literal("false", {false});
            case 'n':
                return literal("null", {nullptr});
            default:
                return number();
        }
    }

    Value object(int depth) {
        Object members;
        expect_value('{', "no object");
        while (!take('}')) {
            if (!members.empty()) expect_value(',', "a comma is missing");
            std::string key = string();
            expect(':', "a colon is missing");
            members.push_back({std::move(key), any(depth + 1)});
        }
        if (has_twins(members)) fail("a key comes twice");
        return {std::move(members)};
    }

    Value array(int depth) {
        Array items;
        expect_value('[', "no array");
        while (!take(']')) {
            if (!items.empty()) expect_value(',', "a comma is missing");
            items.push_back(any(depth + 1));
        }
        return {std::move(items)};
    }

    void digits() {
        if (peek() < '0' || peek() > '9') fail("not a value");
        while (peek() >= '0' && peek() <= '9') ++at_;
    }

    Value number() {
        const std::size_t start = at_;
        if (peek() == '-') ++at_;
        if (peek() == '0')
            ++at_;
        else
            digits();
        if (peek() == '.') {
            ++at_;
            digits();
        }
        if (peek() == 'e' || peek() == 'E') {
            ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            digits();
        }
        double value = 0.0;
        if (std::from_chars(text_.data() + start, text_.data() + at_, value).ec != std::errc())
            fail("a number out of range");
        return {value};
    }

    std::uint32_t hex4() {
        std::uint32_t unit = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = next();
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) fail("a bad \\u escape");
            unit = unit * 16 + static_cast<std::uint32_t>(digit);
        }
        return unit;
    }

    void escaped_unicode(std::string &out) {
        std::uint32_t code = hex4();
        if (code >= 0xD800 && code < 0xDC00) {
            if (next() != '\\' || next() != 'u') fail("half a surrogate pair");
            const std::uint32_t low = hex4();
            if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code <= 0xDFFF) {
            fail("half a surrogate pair");
        }
        const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
        if (code < 0x80) {
            put(code);
        } else if (code < 0x800) {
            put(0xC0 | code >> 6);
            put(0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            put(0xE0 | code >> 12);
            put(0x80 | (code >> 6 & 0x3F));
            put(0x80 | (code & 0x3F));
        } else {
            put(0xF0 | code >> 18);
            put(0x80 | (code >> 12 & 0x3F));
            put(0x80 | (code >> 6 & 0x3F));
            put(0x80 | (code & 0x3F));
        }
    }

    std::string string() {
        if (next() != '"') fail("no string");
        std::string out;
        for (char c = next(); c != '"'; c = next()) {
            if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
            if (c != '\\') {
                out.push_back(c);
                continue;
            }
            switch (next()) {
                case '"':
                    out.push_back('"');
                    break;
                case '\\':
                    out.push_back('\\');
                    break;
                case '/':
                    out.push_back('/');
                    break;
                case 'b':
                    out.push_back('\b');
                    break;
                case 'f':
                    out.push_back('\f');
                    break;
                case 'n':
                    out.push_back('\n');
                    break;
                case 'r':
                    out.push_back('\r');
                    break;
                case 't':
                    out.push_back('\t');
                    break;
                case 'u':
                    escaped_unicode(out);
                    break;
                default:
                    fail("an unknown escape");
            }
        }
        return out;
    }
};

}  // namespace

const Value *Value::find(std::string_view key) const noexcept {
    if (const Object *members = object())
        for (const auto &[name, value] : *members)
            if (name == key) return &value;
    return nullptr;
}

bool is_utf8(std::string_view text) noexcept {
    const auto *at = reinterpret_cast<const unsigned char *>(text.data());
    const auto *const end = at + text.size();
    while (at < end) {
        const unsigned char lead = *at++;
        if (lead < 0x80) continue;
        const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
        if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
        // The second byte of what could be said in fewer, of half a surrogate pair, and of what is beyond the last.
        const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (*at < low || *at > high) return false;
        for (int k = 1; k < more; ++k)
            if (at[k] < 0x80 || at[k] > 0xBF) return false;
        at += more;
    }
    return true;
}

Value parse(std::string_view text) {
    return Parser(text).document();
}

}  // namespace s2v::json
