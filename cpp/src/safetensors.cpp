#include "safetensors.hpp"

#include "error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

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

constexpr std::streamoff kLargestFile = std::streamoff{1} << 31;
// Elements of a tensor: more than any file has, few enough for their bytes to be counted.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 48;

// Bytes of an element; 0 of a type that the format has not.
std::uint64_t width_of(std::string_view dtype) {
    constexpr std::pair<std::string_view, std::uint64_t> kWidths[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2},
                                                                      {"U16", 2},  {"F16", 2}, {"I32", 4}, {"U32", 4},
                                                                      {"F32", 4},  {"F64", 8}, {"I64", 8}, {"U64", 8}};
    for (const auto &[name, width] : kWidths)
        if (name == dtype) return width;
    return 0;
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
    const std::string_view text = bytes.substr(8, length);
    if (text.size() <= json::kMostBytes && !json::is_utf8(text)) bad("the header is no UTF-8");
    const json::Value header = parse_json(text);
    if (header.object() == nullptr) bad("the header is no JSON object");
    if (header.object()->size() > kMostTensors + 1) bad("more than 4096 tensors");
    data_ = bytes.substr(8 + length);
    for (const json::Member &member : *header.object()) {
        if (member.name != "__metadata__") {
            tensors_.emplace(member.name, entry_of(member.name, member.value));
            continue;
        }
        if (member.value.object() == nullptr) bad("the metadata are no texts");
        for (const json::Member &said : *member.value.object()) {
            if (said.value.string() == nullptr) bad("the metadata are no texts");
            if (said.name == "space2vec") model_text_ = *said.value.string();
        }
    }
    check_places();
}

Safetensors::Entry Safetensors::entry_of(const std::string &name, const json::Value &plain) {
    const std::string what = "tensor " + printable(name);
    if (name.size() > kLongestName) bad(what + " has a name of more than 256 bytes");
    const json::Value *const dtype = plain.find("dtype");
    const json::Value *const shape = plain.find("shape");
    const json::Value *const offsets = plain.find("data_offsets");
    if (dtype == nullptr || dtype->string() == nullptr || shape == nullptr || shape->array() == nullptr ||
        offsets == nullptr || offsets->array() == nullptr || offsets->array()->size() != 2)
        bad(what + " has no type, shape and place");
    const std::uint64_t width = width_of(*dtype->string());
    if (width == 0) bad(what + " has the unknown type " + printable(*dtype->string()));
    if (shape->array()->size() > kMostAxes) bad(what + " has more than 8 axes");
    Entry entry{*dtype->string(),
                {},
                size_of(offsets->array()->front(), "an offset"),
                size_of(offsets->array()->back(), "an offset")};
    std::uint64_t count = 1;
    bool empty = false;
    for (const json::Value &length : *shape->array()) {
        const std::uint64_t n = size_of(length, "a shape");
        if (n > 0 && count > kMostElements / n) bad(what + " has a shape beyond all use");
        entry.shape.push_back(static_cast<std::int64_t>(n));
        count *= n > 0 ? n : 1;
        empty = empty || n == 0;
    }
    if (entry.begin > entry.end || entry.end - entry.begin != (empty ? 0 : count * width))
        bad(what + " does not fit its shape");
    return entry;
}

void Safetensors::check_places() const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> spans;
    spans.reserve(tensors_.size());
    for (const auto &[name, entry] : tensors_) spans.emplace_back(entry.begin, entry.end);
    std::sort(spans.begin(), spans.end());
    std::uint64_t last = 0;
    for (const auto &[begin, end] : spans) {
        if (begin != last) bad("byte " + std::to_string(last) + " is of no tensor, or of two");
        last = end;
    }
    if (last != data_.size()) bad(last > data_.size() ? "the file is cut short" : "bytes behind the last tensor");
}

const std::string &Safetensors::model_text() const {
    if (!model_text_) bad("not a space2vec model: the header has no entry 'space2vec'");
    return *model_text_;
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

std::size_t Safetensors::count(std::string_view prefix) const {
    const std::string begin = prefix_ + std::string(prefix);
    return static_cast<std::size_t>(
        std::count_if(tensors_.begin(), tensors_.end(), [&](const auto &one) { return one.first.starts_with(begin); }));
}

const Safetensors::Entry &Safetensors::entry(std::string_view name) const {
    const auto found = tensors_.find(prefix_ + std::string(name));
    if (found == tensors_.end()) bad("tensor " + printable(prefix_ + std::string(name)) + " is missing");
    return found->second;
}

std::vector<std::int64_t> Safetensors::shape(std::string_view name) const {
    return entry(name).shape;
}

template <typename T>
std::vector<T> Safetensors::values(std::string_view name) const {
    const Entry &own = entry(name);
    if (own.dtype != kDtype<T>) bad("tensor " + printable(name) + " is not of dtype " + std::string(kDtype<T>));
    std::vector<T> values(static_cast<std::size_t>(own.end - own.begin) / sizeof(T));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = little<T>(data_.data() + own.begin + i * sizeof(T));
    return values;
}

template <typename T>
std::vector<T> Safetensors::tensor(std::string_view name, std::initializer_list<std::int64_t> wanted) const {
    const std::vector<std::int64_t> found = shape(name);
    bool good = found.size() == wanted.size();
    for (std::size_t i = 0; good && i < found.size(); ++i)
        good = wanted.begin()[i] < 0 || wanted.begin()[i] == found[i];
    if (!good) bad("tensor " + printable(name) + " has another shape than the model asks for");
    return values<T>(name);
}

template std::vector<float> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int8_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::uint8_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int16_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int32_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;
template std::vector<std::int64_t> Safetensors::tensor(std::string_view, std::initializer_list<std::int64_t>) const;

std::string read_file(const std::string &path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (!std::filesystem::is_regular_file(status))  // opening a pipe would wait for who writes into it
        throw Failure(S2V_IO_ERROR, "cannot open " + path);
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    const std::streamoff size = stream ? static_cast<std::streamoff>(stream.tellg()) : -1;
    if (size < 0) throw Failure(S2V_IO_ERROR, "cannot open " + path);
    if (size > kLargestFile) bad("a file of more than 2 GiB");
    std::string bytes(static_cast<std::size_t>(size), '\0');
    stream.seekg(0);
    if (!stream.read(bytes.data(), size)) throw Failure(S2V_IO_ERROR, "cannot read " + path);
    return bytes;
}

}  // namespace s2v
