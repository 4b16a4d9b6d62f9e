#include "safetensors.hpp"

#include "error.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

namespace s2v {
namespace {

[[noreturn]] void bad(const std::string &reason) {
    throw Failure(S2V_BAD_MODEL, reason);
}

template <typename T>
constexpr std::string_view kDtype = "";
template <>
constexpr std::string_view kDtype<float> = "F32";
template <>
constexpr std::string_view kDtype<std::int8_t> = "I8";
template <>
constexpr std::string_view kDtype<std::uint8_t> = "U8";
template <>
constexpr std::string_view kDtype<std::int16_t> = "I16";
template <>
constexpr std::string_view kDtype<std::int32_t> = "I32";
template <>
constexpr std::string_view kDtype<std::int64_t> = "I64";

// One little-endian value, wherever it lies.
template <typename T>
T little(const char *bytes) {
    char native[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i)
        native[i] = bytes[std::endian::native == std::endian::little ? i : sizeof(T) - 1 - i];
    T value;
    std::memcpy(&value, native, sizeof(T));
    return value;
}

json::Value parse_json(std::string_view text) {
    try {
        return json::parse(text);
    } catch (const json::Error &error) {
        bad(error.what());
    }
}

// A JSON number as a size: whole, not negative, exact in a double.
std::uint64_t size_of(const json::Value &value, const char *what) {
    const double *number = value.number();
    if (number == nullptr || !(*number >= 0.0 && *number < 9007199254740992.0) || std::floor(*number) != *number)
        bad(std::string(what) + " is not a size");
    return static_cast<std::uint64_t>(*number);
}

}  // namespace

Safetensors::Safetensors(std::string_view bytes) {
    if (bytes.size() < 8) bad("shorter than a safetensors header");
    const auto length = little<std::uint64_t>(bytes.data());
    if (length > bytes.size() - 8) bad("the header is longer than the file");
    header_ = parse_json(bytes.substr(8, length));
    if (header_.object() == nullptr) bad("the header is no JSON object");
    data_ = bytes.substr(8 + length);
    for (const json::Member &entry : *header_.object()) {  // those that nobody asks for too
        const json::Value *offsets = entry.value.find("data_offsets");
        if (offsets == nullptr || offsets->array() == nullptr || offsets->array()->size() != 2) continue;
        if (size_of(offsets->array()->back(), "an offset") > data_.size()) bad("the file is cut short");
    }
}

const std::string &Safetensors::model_text() const {
    const json::Value *metadata = header_.find("__metadata__");
    const json::Value *own = metadata == nullptr ? nullptr : metadata->find("space2vec");
    if (own == nullptr || own->string() == nullptr) bad("not a space2vec model: the header has no entry 'space2vec'");
    return *own->string();
}

json::Value Safetensors::model() const {
    json::Value model = parse_json(model_text());
    const json::Value *format = model.find("format");
    if (format == nullptr || format->number() == nullptr || *format->number() != 1.0)
        bad("of a format that this version does not know");
    return model;
}

Safetensors Safetensors::part(std::string_view prefix) const {
    Safetensors own = *this;
    own.prefix_ += prefix;
    return own;
}

std::vector<std::int64_t> Safetensors::shape(std::string_view name) const {
    const json::Value *entry = find(name);
    const json::Value *shape = entry == nullptr ? nullptr : entry->find("shape");
    if (shape == nullptr || shape->array() == nullptr) bad("tensor " + std::string(name) + " is missing or incomplete");
    std::vector<std::int64_t> out;
    for (const json::Value &length : *shape->array())
        out.push_back(static_cast<std::int64_t>(size_of(length, "a shape")));
    return out;
}

template <typename T>
std::vector<T> Safetensors::values(std::string_view name) const {
    const std::string what = "tensor " + std::string(name);
    const json::Value *entry = find(name);
    const json::Value *type = entry == nullptr ? nullptr : entry->find("dtype");
    const json::Value *offsets = entry == nullptr ? nullptr : entry->find("data_offsets");
    if (type == nullptr || offsets == nullptr) bad(what + " is missing or incomplete");
    if (type->string() == nullptr || *type->string() != kDtype<T>)
        bad(what + " is not of dtype " + std::string(kDtype<T>));
    if (offsets->array() == nullptr || offsets->array()->size() != 2) bad(what + " has no place in the file");
    const std::uint64_t begin = size_of(offsets->array()->front(), "an offset");
    const std::uint64_t end = size_of(offsets->array()->back(), "an offset");
    if (begin > end || end > data_.size() || (end - begin) % sizeof(T) != 0) bad(what + " does not fit the file");
    const std::uint64_t size = (end - begin) / sizeof(T);
    std::uint64_t count = size;
    bool empty = false;
    for (const std::int64_t length : shape(name)) {  // divided, since a product could overflow
        const auto n = static_cast<std::uint64_t>(length);
        empty = empty || n == 0;
        if (n != 0 && count % n != 0) bad(what + " does not fit its shape");
        if (n != 0) count /= n;
    }
    if (empty ? size != 0 : count != 1) bad(what + " does not fit its shape");
    std::vector<T> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = little<T>(data_.data() + begin + i * sizeof(T));
    return values;
}

template <typename T>
std::vector<T> Safetensors::tensor(std::string_view name, std::initializer_list<std::int64_t> wanted) const {
    const std::vector<std::int64_t> found = shape(name);
    bool good = found.size() == wanted.size();
    for (std::size_t i = 0; good && i < found.size(); ++i)
        good = wanted.begin()[i] < 0 || wanted.begin()[i] == found[i];
    if (!good) bad("tensor " + std::string(name) + " has another shape than the model asks for");
    return values<T>(name);
}

template std::vector<float> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int8_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::uint8_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int16_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int32_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int64_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;

std::string read_file(const std::string &path) {
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    const std::streamoff size = stream ? static_cast<std::streamoff>(stream.tellg()) : -1;
    if (size < 0 || size == std::numeric_limits<std::streamoff>::max())  // a folder opens, and has no size
        throw Failure(S2V_IO_ERROR, "cannot open " + path);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    stream.seekg(0);
    if (!stream.read(bytes.data(), size)) throw Failure(S2V_IO_ERROR, "cannot read " + path);
    return bytes;
}

}  // namespace s2v
