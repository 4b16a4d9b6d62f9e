// parity_dump: what the library gives for a suite, to be compared with what it gives elsewhere.
//
//     parity_dump DIR FILE [models]
//
// DIR holds a suite that tests/parity/suite.py exports. FILE gets a section for each result, or for each of a model:
// its name (int32 length, bytes), int64 rows, int64 words a row, then these words of 32 bits, little-endian.
// tests/parity/dumps.py compares such files.
#include "kernel/feature_sets.hpp"
#include "space2vec/space2vec.h"
#include "suite.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace s2v;
using namespace s2v::cuda;

void require(s2v_status status) {
    if (status != S2V_OK) throw std::runtime_error(s2v_last_error());
}

class Dump {
public:
    explicit Dump(const char *path) : stream_(path, std::ios::binary) {}

    template <class T>
    void add(const std::string &name, std::int64_t rows, const std::vector<T> &values) {
        static_assert(sizeof(T) == 4);
        const auto length = static_cast<std::int32_t>(name.size());
        const std::int64_t shape[2] = {rows, rows ? static_cast<std::int64_t>(values.size()) / rows : 0};
        write(&length, sizeof length);
        write(name.data(), name.size());
        write(shape, sizeof shape);
        write(values.data(), values.size() * sizeof(T));
    }
    void finish() {
        stream_.close();
        if (!stream_) throw std::runtime_error("the results cannot be written");
    }

private:
    void write(const void *data, std::size_t bytes) {
        stream_.write(static_cast<const char *>(data), static_cast<std::streamsize>(bytes));
    }

    std::ofstream stream_;
};

std::size_t product(std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * columns);
}

// All normalisers with the parameters of their definitions.
std::vector<s2v_step> every_step() {
    std::vector<s2v_step> steps;
    for (const kernel::NormaliserEntry &entry : kernel::kNormaliserEntries) {
        s2v_step step{};
        require(s2v_step_init(entry.name, &step));
        steps.push_back(step);
    }
    return steps;
}

void dump_stamps(const s2v_stamps &stamps, Dump &dump) {
    const std::int64_t n = stamps.n;
    std::vector<std::uint32_t> flags(product(n, 1));
    constexpr int both = S2V_SET_AUTOSCAN | S2V_SET_S2V;
    for (const bool paper : {false, true}) {
        const std::string name = paper ? "features of the paper" : "features of the code";
        std::vector<float> values(product(n, s2v_stamp_feature_count(both)));
        const auto convention = paper ? S2V_CONVENTION_PAPER : S2V_CONVENTION_CODE;
        require(s2v_features(&stamps, both, convention, values.data(), flags.data(), 1));
        dump.add(name, n, values);
        dump.add(name + ", flags", n, flags);
    }
    for (const char *const recipe : kernel::kRecipeNames) {
        std::int32_t shape[3];
        require(s2v_recipe_shape(recipe, shape));
        std::vector<float> planes(product(n, std::int64_t{shape[0]} * shape[1] * shape[2]));
        require(s2v_prepare(&stamps, recipe, planes.data(), flags.data(), 1));
        dump.add(std::string("recipe ") + recipe, n, planes);
        dump.add(std::string("recipe ") + recipe + ", flags", n, flags);
    }
    std::vector<s2v_step> steps = every_step();
    std::reverse(steps.begin(), steps.end());
    const auto count = static_cast<std::int32_t>(steps.size());
    const s2v_composition how = {sizeof how, 41, 2, {S2V_DIFFERENCE, S2V_SCIENCE}, count, steps.data()};
    std::vector<float> planes(product(n, std::int64_t{2} * how.side * how.side));
    require(s2v_compose(&stamps, &how, planes.data(), flags.data(), 1));
    dump.add("composition", n, planes);
    dump.add("composition, flags", n, flags);
}

void dump_normalisers(const SuiteSquares &squares, Dump &dump) {
    s2v_planes planes{};
    planes.size = sizeof planes;
    planes.pixels = squares.planes.data();
    planes.n = squares.n;
    planes.height = static_cast<std::int32_t>(squares.height);
    planes.width = static_cast<std::int32_t>(squares.width);
    const std::vector<s2v_step> all = every_step();
    std::vector<float> out(squares.planes.size());
    std::vector<std::uint32_t> flags(product(squares.n, 1));
    for (const bool masked : {true, false}) {
        planes.mask = masked ? squares.mask.data() : nullptr;
        for (std::size_t which = 0; which <= all.size(); ++which) {
            const bool one = which < all.size();
            const std::string name = std::string("normaliser ") +
                                     (one ? kernel::kNormaliserEntries[which].name : "of all") +
                                     (masked ? "" : ", without a mask");
            const std::int32_t count = one ? 1 : static_cast<std::int32_t>(all.size());
            require(s2v_normalise(&planes, &all[one ? which : 0], count, std::numeric_limits<float>::quiet_NaN(),
                                  out.data(), flags.data(), 1));
            dump.add(name, squares.n, out);
            dump.add(name + ", flags", squares.n, flags);
        }
    }
}

void dump_model(const std::filesystem::path &file, const s2v_stamps &stamps, const s2v_catalogue &known, Dump &dump) {
    s2v_model *loaded = nullptr;
    require(s2v_model_load(file.string().c_str(), &loaded));
    const std::unique_ptr<s2v_model, decltype(&s2v_model_free)> model(loaded, &s2v_model_free);
    s2v_needs needs{};
    needs.size = sizeof needs;
    require(s2v_model_needs(loaded, &needs));
    if (needs.foreign) return;  // stamps do not give its columns
    const std::string name = "model " + file.stem().string();
    const std::int64_t n = stamps.n;
    const std::int64_t pixels = std::int64_t{needs.shape[0]} * needs.shape[1] * needs.shape[2];
    std::vector<float> planes(product(n, pixels));
    std::vector<float> columns(product(n, needs.columns));
    std::vector<float> score(product(n, 1));
    std::vector<std::int8_t> vectors(product(n, needs.vector));
    std::vector<std::uint32_t> flags(product(n, 1));
    std::vector<std::uint8_t> scored(product(n, 1));
    require(s2v_model_inputs(loaded, &stamps, &known, planes.data(), columns.data(), flags.data(), scored.data(), 1));
    if (pixels) dump.add(name + ", planes", n, planes);
    if (needs.columns) dump.add(name + ", columns", n, columns);
    dump.add(name + ", flags of inputs", n, flags);
    dump.add(name + ", rows with a score", n, std::vector<std::uint32_t>(scored.begin(), scored.end()));
    if (!needs.runs) return;
    s2v_scorer *created = nullptr;
    require(s2v_scorer_create(loaded, nullptr, &created));
    const std::unique_ptr<s2v_scorer, decltype(&s2v_scorer_free)> scorer(created, &s2v_scorer_free);
    for (const s2v_catalogue *const what : {&known, static_cast<const s2v_catalogue *>(nullptr)}) {
        const std::string of = name + (what ? "" : " of pixels alone");
        if (needs.vector) {
            require(s2v_embed_stamps(created, &stamps, what, vectors.data(), flags.data()));
            dump.add(of + ", vectors", n, std::vector<std::uint32_t>(vectors.begin(), vectors.end()));
        } else {
            require(s2v_score_stamps(created, &stamps, what, score.data(), flags.data()));
            dump.add(of + ", scores", n, score);
        }
        dump.add(of + ", flags", n, flags);
    }
}

void dump_suite(const std::filesystem::path &folder, bool models, Dump &dump) {
    const SuiteStamps suite = read_stamps(folder);
    const SuiteKnown known = read_known(folder, suite.n);
    s2v_stamps stamps{};
    stamps.size = sizeof stamps;
    stamps.pixels = suite.pixels.data();
    stamps.pixel_count = static_cast<std::int64_t>(suite.pixels.size());
    stamps.offset = suite.offset.data();
    stamps.shape = suite.shape.data();
    stamps.centre = suite.centre.data();
    stamps.n = suite.n;
    stamps.saturation = suite.saturation;
    if (!models) {
        dump_stamps(stamps, dump);
        dump_normalisers(read_squares(folder), dump);
    }
    std::vector<std::filesystem::path> files;
    for (const auto &entry : std::filesystem::directory_iterator(folder / "models")) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto &file : files)
        dump_model(file, stamps, {sizeof(s2v_catalogue), known.catalogue.data(), known.raised.data()}, dump);
}

}  // namespace

int main(int count, char **argument) {
    const bool models = count == 4 && std::strcmp(argument[3], "models") == 0;
    if (count != 3 && !models) {
        std::fprintf(stderr, "usage: parity_dump DIR FILE [models]\n");
        return 2;
    }
    try {
        if (!s2v_isa()) {
            std::printf("this processor does not have the instruction set that SPACE2VEC_ISA names\n");
            return 77;
        }
        Dump dump(argument[2]);
        dump_suite(argument[1], models, dump);
        dump.finish();
        std::printf("%s\n", s2v_isa());
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "parity_dump: %s\n", error.what());
        return 1;
    }
}
