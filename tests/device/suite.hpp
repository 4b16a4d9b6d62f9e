// The exported parity suite: stamps, and what the CPU made of them. Little endian; written by tests/parity/suite.py.
#pragma once

#include "space2vec/space2vec.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace s2v::cuda {

class SuiteError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Reads one file from its start; throws where it is too short or too long.
class SuiteFile {
public:
    explicit SuiteFile(const std::filesystem::path &path) : path_(path), stream_(path, std::ios::binary) {
        if (!stream_) throw SuiteError(path_.string() + ": cannot be opened");
        left_ = static_cast<std::int64_t>(std::filesystem::file_size(path_));
    }

    template <class T>
    std::vector<T> array(std::int64_t n) {
        if (n < 0 || n > left_ / static_cast<std::int64_t>(sizeof(T)))
            throw SuiteError(path_.string() + ": is too short, or its sizes are wrong");
        const std::int64_t bytes = n * static_cast<std::int64_t>(sizeof(T));
        std::vector<T> values(static_cast<std::size_t>(n));
        stream_.read(reinterpret_cast<char *>(values.data()), static_cast<std::streamsize>(bytes));
        if (!stream_) throw SuiteError(path_.string() + ": cannot be read");
        left_ -= bytes;
        return values;
    }
    template <class T>
    T value() {
        return array<T>(1)[0];
    }
    // A size: not negative, and small enough for products of sizes.
    std::int64_t size() {
        const auto n = value<std::int64_t>();
        if (n < 0 || n > std::int64_t{1} << 40) throw SuiteError(path_.string() + ": a size is " + std::to_string(n));
        return n;
    }
    void require(bool holds, const std::string &what) const {
        if (!holds) throw SuiteError(path_.string() + ": " + what);
    }
    void end() const {
        require(left_ == 0, "has " + std::to_string(left_) + " bytes too many");
    }

private:
    std::filesystem::path path_;
    std::ifstream stream_;
    std::int64_t left_ = 0;
};

struct SuiteStamps {
    std::int64_t n;
    std::vector<float> pixels;
    std::vector<std::int64_t> offset;
    std::vector<std::int32_t> shape;
    std::vector<std::int32_t> centre;
    float saturation;
};

inline SuiteStamps read_stamps(const std::filesystem::path &folder) {
    SuiteFile file(folder / "stamps.bin");
    SuiteStamps s{};
    s.n = file.size();
    const std::int64_t pixels = file.size();
    s.pixels = file.array<float>(pixels);
    s.offset = file.array<std::int64_t>(s.n * 3);
    s.shape = file.array<std::int32_t>(s.n * 6);
    s.centre = file.array<std::int32_t>(s.n * 2);
    s.saturation = file.value<float>();
    file.end();
    for (std::size_t i = 0; i < s.offset.size(); ++i) {
        if (s.offset[i] < 0) continue;
        const std::int64_t size = std::int64_t{s.shape[2 * i]} * s.shape[2 * i + 1];
        file.require(s.shape[2 * i] > 0 && s.shape[2 * i + 1] > 0 && s.offset[i] + size <= pixels,
                     "plane " + std::to_string(i) + " lies outside the pixels");
    }
    return s;
}

// What a feature set or a recipe gave: `values` has `columns` a row.
struct SuiteValues {
    std::int64_t columns;
    std::vector<float> values;
    std::vector<std::uint32_t> flags;
};

inline SuiteValues read_features(const std::filesystem::path &path, std::int64_t n, std::int64_t columns) {
    SuiteFile file(path);
    file.require(file.size() == n && file.size() == columns, "has another shape than (n, features)");
    SuiteValues v{columns, file.array<float>(n * columns), {}};
    v.flags = file.array<std::uint32_t>(n);
    file.end();
    return v;
}

inline SuiteValues read_planes(const std::filesystem::path &path, std::int64_t n, std::int64_t height,
                               std::int64_t width) {
    SuiteFile file(path);
    file.require(file.size() == n && file.size() == 3 && file.size() == height && file.size() == width,
                 "has another shape than (n, 3, height, width)");
    SuiteValues v{3 * height * width, file.array<float>(n * 3 * height * width), {}};
    v.flags = file.array<std::uint32_t>(n);
    file.end();
    return v;
}

// The planes that are normalised, and what is masked of them.
struct SuiteSquares {
    std::int64_t n, height, width;
    std::vector<float> planes;
    std::vector<std::uint8_t> mask;
};

inline SuiteSquares read_squares(const std::filesystem::path &folder) {
    SuiteFile file(folder / "squares.bin");
    SuiteSquares s{};
    s.n = file.size();
    s.height = file.size();
    s.width = file.size();
    file.require(s.height > 0 && s.width > 0 && s.height < 1 << 14 && s.width < 1 << 14, "has planes of a wrong size");
    s.planes = file.array<float>(s.n * s.height * s.width);
    s.mask = file.array<std::uint8_t>(s.n * s.height * s.width);
    file.end();
    return s;
}

inline SuiteValues read_normalised(const std::filesystem::path &path, const SuiteSquares &squares) {
    SuiteFile file(path);
    file.require(file.size() == squares.n && file.size() == squares.height && file.size() == squares.width,
                 "has another shape than (n, height, width)");
    const std::int64_t size = squares.height * squares.width;
    SuiteValues v{size, file.array<float>(squares.n * size), {}};
    v.flags = file.array<std::uint32_t>(squares.n);
    file.end();
    return v;
}

// What a reader knows of the stamps.
struct SuiteKnown {
    std::vector<std::uint32_t> raised;
    std::vector<float> catalogue;
};

inline SuiteKnown read_known(const std::filesystem::path &folder, std::int64_t n) {
    SuiteFile file(folder / "known.bin");
    file.require(file.size() == n && file.size() == S2V_CATALOGUE_COLUMNS, "is of another suite");
    SuiteKnown known{file.array<std::uint32_t>(n), {}};
    known.catalogue = file.array<float>(n * S2V_CATALOGUE_COLUMNS);
    file.end();
    return known;
}

}  // namespace s2v::cuda
