// Safetensors: a JSON header, then tensors.
#pragma once

#include "json.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace s2v {

// The bytes of a file, which must outlive it. Whatever is wrong throws Failure (S2V_BAD_MODEL).
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
        return find(name) != nullptr;
    }
    [[nodiscard]] std::vector<std::int64_t> shape(std::string_view name) const;

    // The values of a tensor of any shape; T is double to float, or an integer of 8 to 64 bits.
    template <typename T>
    [[nodiscard]] std::vector<T> values(std::string_view name) const;

    // The same of a tensor that has this shape; -1 where any length will do.
    template <typename T>
    [[nodiscard]] std::vector<T> tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const;

private:
    [[nodiscard]] const json::Value *find(std::string_view name) const {
        return header_.find(prefix_ + std::string(name));
    }

    json::Value header_;
    std::string prefix_;
    std::string_view data_;
};

// The bytes of a file. Throws Failure (S2V_IO_ERROR).
std::string read_file(const std::string &path);

}  // namespace s2v
