#include "model_file.hpp"

#include "error.hpp"
#include "json.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string_view>

namespace s2v {
namespace {

[[noreturn]] void bad(const std::string &reason) {
    throw Failure(S2V_BAD_MODEL, reason);
}

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

struct Safetensors {
    json::Value header;
    std::string_view data;

    explicit Safetensors(std::string_view bytes) {
        if (bytes.size() < 8) bad("shorter than a safetensors header");
        const auto length = little<std::uint64_t>(bytes.data());
        if (length > bytes.size() - 8) bad("the header is longer than the file");
        header = parse_json(bytes.substr(8, length));
        if (header.object() == nullptr) bad("the header is no JSON object");
        data = bytes.substr(8 + length);
    }

    // The values of a 1-D tensor.
    template <typename T>
    std::vector<T> tensor(std::string_view name, std::string_view dtype) const {
        const std::string what = "tensor " + std::string(name);
        const json::Value *entry = header.find(name);
        const json::Value *type = entry == nullptr ? nullptr : entry->find("dtype");
        const json::Value *shape = entry == nullptr ? nullptr : entry->find("shape");
        const json::Value *offsets = entry == nullptr ? nullptr : entry->find("data_offsets");
        if (type == nullptr || shape == nullptr || offsets == nullptr) bad(what + " is missing or incomplete");
        if (type->string() == nullptr || *type->string() != dtype) bad(what + " is not of dtype " + std::string(dtype));
        if (shape->array() == nullptr || shape->array()->size() != 1 || offsets->array() == nullptr ||
            offsets->array()->size() != 2)
            bad(what + " is not one-dimensional");
        const std::uint64_t count = size_of(shape->array()->front(), "a shape");
        const std::uint64_t begin = size_of(offsets->array()->front(), "an offset");
        const std::uint64_t end = size_of(offsets->array()->back(), "an offset");
        if (begin > end || end > data.size() || (end - begin) % sizeof(T) != 0 || (end - begin) / sizeof(T) != count)
            bad(what + " does not fit its shape or the file");
        std::vector<T> values(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = little<T>(data.data() + begin + i * sizeof(T));
        return values;
    }
};

std::vector<float> knots(const json::Value &table, std::string_view axis) {
    const json::Value *list = table.find(axis);
    if (list == nullptr || list->array() == nullptr) bad("a calibration without x and y");
    std::vector<float> values;
    for (const json::Value &value : *list->array()) {
        if (value.number() == nullptr) bad("a knot of the calibration is no number");
        values.push_back(static_cast<float>(*value.number()));
    }
    return values;
}

// What is read of the header of a model.
struct ModelHeader {
    std::vector<std::string> names;
    Calibration calibration;
};

ModelHeader model_header(const Safetensors &file) {
    const json::Value *metadata = file.header.find("__metadata__");
    const json::Value *own = metadata == nullptr ? nullptr : metadata->find("space2vec");
    if (own == nullptr || own->string() == nullptr) bad("not a space2vec model: the header has no entry 'space2vec'");
    const json::Value model = parse_json(*own->string());
    const json::Value *format = model.find("format");
    if (format == nullptr || format->number() == nullptr || *format->number() != 1.0)
        bad("of a format that this version does not know");
    const json::Value *kind = model.find("kind");
    if (kind == nullptr || kind->string() == nullptr || *kind->string() != "forest") bad("not a forest");
    const json::Value *features = model.find("features");
    const json::Value *names = features == nullptr ? nullptr : features->find("names");
    if (names == nullptr || names->array() == nullptr) bad("without feature names");
    ModelHeader out;
    for (const json::Value &name : *names->array()) {
        if (name.string() == nullptr) bad("a feature name is no string");
        out.names.push_back(*name.string());
    }
    const json::Value *table = model.find("calibration");
    if (table == nullptr || std::holds_alternative<std::nullptr_t>(table->held)) return out;
    out.calibration = {knots(*table, "x"), knots(*table, "y")};
    try {
        check_calibration(out.calibration.x, out.calibration.y);
    } catch (const Failure &failure) {
        bad(failure.what());
    }
    return out;
}

}  // namespace

s2v_forest parse_forest(const std::string &bytes) {
    const Safetensors file(bytes);
    auto [names, calibration] = model_header(file);
    const auto tree_start = file.tensor<std::int64_t>("tree_start", "I64");
    auto right = file.tensor<std::int32_t>("right", "I32");
    const auto feature = file.tensor<std::int16_t>("feature", "I16");
    const auto missing_left = file.tensor<std::uint8_t>("missing_left", "U8");
    const auto value = file.tensor<float>("value", "F32");
    std::vector<float> fill;
    if (file.header.find("fill") != nullptr) fill = file.tensor<float>("fill", "F32");
    if (file.header.find("fill") != nullptr && fill.size() != names.size())
        bad("tensor fill has another length than there are features");
    if (names.size() > kernel::kNodeFeatureLimit || tree_start.size() < 2 || feature.size() != right.size())
        bad("the sizes of the tensors do not agree");
    if (tree_start.front() != 0 || !std::is_sorted(tree_start.begin(), tree_start.end()) ||
        tree_start.back() != static_cast<std::int64_t>(right.size()))
        bad("tree_start does not divide the nodes into trees");
    // From offsets to children counted from the first node of the tree, as pack_forest takes and checks them.
    std::vector<std::int32_t> left(right.size());
    std::size_t tree = 0;
    for (std::size_t node = 0; node < right.size(); ++node) {
        while (tree + 2 < tree_start.size() && static_cast<std::int64_t>(node) >= tree_start[tree + 1]) ++tree;
        const std::int64_t local = static_cast<std::int64_t>(node) - tree_start[tree];
        const std::int64_t child = local + right[node];
        if (local < 0 || right[node] < 0 || child >= std::numeric_limits<std::int32_t>::max())
            bad("a child lies outside its tree");
        const bool leaf = right[node] == 0;
        left[node] = leaf ? -1 : static_cast<std::int32_t>(local + 1);
        right[node] = leaf ? -1 : static_cast<std::int32_t>(child);
    }
    ForestArrays arrays;
    const std::vector<std::int32_t> features(feature.begin(), feature.end());
    arrays.tree_start = tree_start;
    arrays.left = left;
    arrays.right = right;
    arrays.feature = features;
    arrays.threshold = value;
    arrays.missing_left = missing_left;
    arrays.value = value;
    arrays.features = static_cast<std::int32_t>(names.size());
    arrays.fill = fill;
    try {
        s2v_forest forest = pack_forest(arrays);
        forest.names = std::move(names);
        forest.calibration = std::move(calibration);
        return forest;
    } catch (const Failure &failure) {
        bad(failure.what());
    }
}

s2v_forest load_forest(const std::string &path) {
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    const std::streamoff size = stream ? static_cast<std::streamoff>(stream.tellg()) : -1;
    if (size < 0 || size == std::numeric_limits<std::streamoff>::max())  // a folder opens, and has no size
        throw Failure(S2V_IO_ERROR, "cannot open " + path);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    stream.seekg(0);
    if (!stream.read(bytes.data(), size)) throw Failure(S2V_IO_ERROR, "cannot read " + path);
    return parse_forest(bytes);
}

}  // namespace s2v
