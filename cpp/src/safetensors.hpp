// Safetensors: a JSON header, then tensors.
#pragma once

#include "json.hpp"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace s2v {

// Tensors of a file, and axes of one, at most; bytes of a name.
inline constexpr std::size_t kMostTensors = 4096;
inline constexpr std::size_t kMostAxes = 8;
inline constexpr std::size_t kLongestName = 256;

// The bytes of a file, which must outlive it. Whatever is wrong throws Failure (S2V_BAD_MODEL). All tensors are looked
// at, those that nobody asks for too: each has a type of the format and a shape that its bytes fill, and they lie one
// after another without a gap. Nothing is allocated by what a header asks for.
class Safetensors {
public:
    explicit Safetensors(std::string_view bytes);

    // A model's own header, as JSON text, and the same parsed. Throws where it is no model of space2vec, or of a format
    // that this version does not know.
    [[nodiscard]] const std::string &model_text() const;
    [[nodiscard]] json::Value model() const;

    // The same file, of whose tensors only those are met whose names begin with a prefix, without it.
    [[nodiscard]] Safetensors part(std::string_view prefix) const;

    [[nodiscard]] bool has(std::string_view name) const {
        return tensors_.contains(prefix_ + std::string(name));
    }
    // How many tensors there are whose names begin so.
    [[nodiscard]] std::size_t count(std::string_view prefix) const;
    [[nodiscard]] std::vector<std::int64_t> shape(std::string_view name) const;

    // The values of a tensor of any shape; T is double to float, or an integer of 8 to 64 bits.
    template <typename T>
    [[nodiscard]] std::vector<T> values(std::string_view name) const;

    // The same of a tensor that has this shape; -1 where any length will do.
    template <typename T>
    [[nodiscard]] std::vector<T> tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const;

private:
    struct Entry {
        std::string dtype;
        std::vector<std::int64_t> shape;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    static Entry entry_of(const std::string &name, const json::Value &plain);
    void check_places() const;
    [[nodiscard]] const Entry &entry(std::string_view name) const;

    std::optional<std::string> model_text_;
    std::map<std::string, Entry, std::less<>> tensors_;
    std::string prefix_;
    std::string_view data_;
};

// The bytes of a regular file of at most 2 GiB. Throws Failure (S2V_IO_ERROR, S2V_BAD_MODEL).
std::string read_file(const std::string &path);

}  // namespace s2v
