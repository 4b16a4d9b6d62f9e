// Model files that lie, through the C ABI: the seeds lie_* of the fuzz target (tests/helpers/lying_models.py makes
// them), and large ones, which are to cost little.
#include "check.hpp"
#include "space2vec/model.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string contents_of(const std::filesystem::path &path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

// What is said is a line that any terminal may show.
bool is_shown() {
    const std::string said = s2v_last_error();
    return !said.empty() && std::all_of(said.begin(), said.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

void refused(const std::string &bytes, const std::string &words = "") {
    s2v_model *model = reinterpret_cast<s2v_model *>(1);
    CHECK(s2v_model_from_memory(bytes.data(), static_cast<std::int64_t>(bytes.size()), &model) == S2V_BAD_MODEL);
    CHECK(model == nullptr && is_shown() && std::strstr(s2v_last_error(), words.c_str()) != nullptr);
}

void files_are_refused(const std::filesystem::path &folder) {
    int seen = 0;
    for (const auto &entry : std::filesystem::directory_iterator(folder)) {
        if (!entry.path().filename().string().starts_with("lie_")) continue;
        refused(contents_of(entry.path()));
        s2v_model *model = reinterpret_cast<s2v_model *>(1);
        CHECK(s2v_model_load(entry.path().c_str(), &model) == S2V_BAD_MODEL && model == nullptr && is_shown());
        ++seen;
    }
    CHECK(seen >= 80);
}

std::string file_of(const std::string &header) {
    std::string file(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(std::uint64_t{header.size()} >> (8 * i) & 0xFF);
    return file + header;
}

// 4 MB of something, and the words with which it is refused.
void cheap(const std::string &begin, const std::string &item, const std::string &end, const std::string &words) {
    std::string header = begin;
    while (header.size() < 4'000'000) header += item;
    const std::string file = file_of(header + end);
    const auto start = std::chrono::steady_clock::now();
    refused(file, words);
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    CHECK(spent.count() < 500.0 + 2.0 * static_cast<double>(file.size()) / 1000.0);
}

void large_ones_cost_little() {
    cheap("", "[", "", "nested more than 128 deep");
    cheap("", "{\"a\":", "", "nested more than 128 deep");
    cheap("[", "[],", "1]", "more than 262144 values");
    cheap("[", "\"\",", "1]", "more than 262144 values");
    cheap("{", "\"a\":1,", "\"b\":1}", "more than 262144 values");
    cheap("[", "7", "]", "a number out of range");
    cheap("[0.", "7", "]", "no JSON object");
    cheap("[\"", "\\u0041", "\"]", "no JSON object");
    cheap("[\"", "\\\\", "", "ends too early");
    cheap("", " ", "", "not a value");
    cheap(R"({"a":{"dtype":"F32","data_offsets":[0,0],"shape":[1)", ",4503599627370496", "]}}", "more than 8 axes");
    cheap(std::string(17 << 20, ' '), "", "", "16 MiB");
}

// Opening a pipe would wait for who writes into it.
void what_is_no_file_is_not_opened() {
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    const std::string pipe = (folder / "space2vec_test_pipe").string();
    std::filesystem::remove(pipe);
    CHECK(mkfifo(pipe.c_str(), 0600) == 0);
    s2v_model *model = nullptr;
    CHECK(s2v_model_load(pipe.c_str(), &model) == S2V_IO_ERROR);
    std::filesystem::remove(pipe);
    CHECK(s2v_model_load(folder.c_str(), &model) == S2V_IO_ERROR);
    CHECK(s2v_model_load("/dev/zero", &model) == S2V_IO_ERROR && model == nullptr);
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 2) return 2;
    files_are_refused(arguments[1]);
    large_ones_cost_little();
    what_is_no_file_is_not_opened();
    return check::report();
}
