// What a program of others sees of files through the C ABI, a line for each row and each problem:
//
//     hostile_reader scores MODEL FILE...    rows scored by a model ("-": the default one), without pixels
//     hostile_reader memory MODEL FILE...    the same, of files that lie in memory
//     hostile_reader pixels FILE...          pixels and features, as one sum a row
//     hostile_reader images FILE...          each file as a FITS image
//
// tests/hostile/c_reader.py runs it on files that mean harm, and reads the lines. Texts stand there escaped.
#include <space2vec/limits.h>
#include <space2vec/space2vec.hpp>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Octets = std::vector<char>;

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        char code[5];
        std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
        if (c > ' ' && c < 0x7f && c != '\\')
            out += c;
        else
            out += code;
    }
    return out.empty() ? "-" : out;
}

// FNV-1a.
std::uint64_t sum_of(const void *bytes, std::size_t size, std::uint64_t sum = 0xcbf29ce484222325) {
    for (std::size_t i = 0; i < size; ++i) sum = (sum ^ static_cast<const unsigned char *>(bytes)[i]) * 0x100000001b3;
    return sum;
}

std::uint64_t pixels_of(const s2v_batch &batch, std::int64_t row) {
    std::uint64_t sum = sum_of(batch.stamps.shape + 6 * row, 6 * sizeof *batch.stamps.shape);
    for (std::int64_t at = 3 * row; at < 3 * row + 3; ++at) {
        const std::int64_t offset = batch.stamps.offset[at];
        if (offset < 0) continue;
        const std::size_t count = static_cast<std::size_t>(batch.stamps.shape[2 * at]) * batch.stamps.shape[2 * at + 1];
        sum = sum_of(batch.stamps.pixels + offset, count * sizeof(float), sum);
    }
    return sum;
}

void show(const s2v_batch &batch, std::int32_t sets) {
    const std::int32_t width = sets ? s2v_stamp_feature_count(sets) : 0;
    std::int64_t begin = 0;
    for (std::int64_t row = 0; row < batch.stamps.n; ++row) {
        const std::int64_t end = batch.object_end[row];
        const std::string id(batch.object_ids + begin, static_cast<std::size_t>(end - begin));
        begin = end;
        std::printf("row %d %" PRId64 " %" PRId64 " %s %u", batch.place[row].source, batch.place[row].record,
                    batch.candidate_id[row], escaped(id).c_str(), batch.flags[row]);
        if (batch.score) {
            std::uint32_t bits;
            std::memcpy(&bits, batch.score + row, sizeof bits);
            std::printf(" %08x %u", bits, batch.score_flags[row]);
        }
        if (sets) {
            const std::size_t size = static_cast<std::size_t>(width) * sizeof(float);
            std::printf(" %016" PRIx64 " %u", sum_of(batch.features + row * width, size, pixels_of(batch, row)),
                        batch.feature_flags[row]);
        }
        std::printf("\n");
    }
    for (std::int64_t i = 0; i < batch.problem_count; ++i) {
        const s2v_problem &problem = batch.problems[i];
        std::printf("problem %d %s %d %s %s\n", problem.place.source, s2v_fault_name(problem.fault), problem.channel,
                    escaped(problem.member).c_str(), escaped(problem.detail).c_str());
    }
}

s2v_status read(const s2v_reading &reading) {
    s2v_reader *reader = nullptr;
    s2v_status status = s2v_reader_open(&reading, &reader);
    s2v_batch batch = s2v::sized<s2v_batch>();
    while (status == S2V_OK && (status = s2v_reader_next(reader, 512, &batch)) == S2V_OK && batch.stamps.n > 0)
        show(batch, reading.sets);
    if (status != S2V_OK) std::printf("failed %s\n", escaped(s2v_last_error()).c_str());
    s2v_reader_close(reader);
    return status;
}

bool load(const char *path, Octets &bytes) {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    return !file.bad();
}

void images(int count, char **paths) {
    for (int i = 0; i < count; ++i) {
        Octets bytes;
        load(paths[i], bytes);
        const auto size = static_cast<std::int64_t>(bytes.size());
        auto image = s2v::sized<s2v_image>();
        s2v_status status = s2v_fits_image(bytes.data(), size, nullptr, nullptr, 0, &image);
        std::vector<float> pixels;
        if (status == S2V_OK) {
            pixels.resize(static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width));
            const auto room = static_cast<std::int64_t>(pixels.size());
            status = s2v_fits_image(bytes.data(), size, nullptr, pixels.data(), room, &image);
        }
        std::printf("image %d %s %s %dx%d\n", i, status == S2V_OK ? "ok" : "refused",
                    image.fault ? s2v_fault_name(image.fault) : "-", image.height, image.width);
    }
}

}  // namespace

int main(int count, char **argument) {
    const std::string_view how = count > 1 ? argument[1] : "";
    const bool scores = how == "scores" || how == "memory";
    const int first = scores ? 3 : 2;
    if (count < first || !(scores || how == "pixels" || how == "images")) {
        std::fprintf(stderr, "usage: hostile_reader scores|memory MODEL FILE... | pixels|images FILE...\n");
        return 2;
    }
    if (how == "images") {
        images(count - first, argument + first);
        return 0;
    }
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.count = count - first;
    reading.threads = 2;
    std::vector<Octets> held(how == "memory" ? static_cast<std::size_t>(reading.count) : 0);
    std::vector<const void *> memory;
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 0; i < held.size(); ++i) {
        load(argument[static_cast<std::size_t>(first) + i], held[i]);
        memory.push_back(held[i].data());
        sizes.push_back(static_cast<std::int64_t>(held[i].size()));
    }
    if (held.empty()) {
        reading.paths = const_cast<const char *const *>(argument + first);
    } else {
        reading.memory = memory.data();
        reading.memory_size = sizes.data();
    }
    s2v_model *model = nullptr;
    if (scores && s2v_model_load(std::strcmp(argument[2], "-") == 0 ? "default" : argument[2], &model) != S2V_OK) {
        std::fprintf(stderr, "%s: %s\n", argument[2], s2v_last_error());
        return 2;
    }
    reading.model = model;
    reading.keep_pixels = !scores;
    reading.sets = scores ? 0 : S2V_SET_AUTOSCAN | S2V_SET_S2V;
    const s2v_status status = read(reading);
    s2v_model_free(model);
    return status == S2V_OK ? 0 : 1;
}
