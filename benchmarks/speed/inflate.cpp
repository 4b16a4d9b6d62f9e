// Times how one thread unpacks gzip'd cutouts: libdeflate, zlib, and the library here with one to six streams at a
// time.
//
//     bench_inflate CUTOUTS ROUNDS
//
// CUTOUTS is a file of gzip streams, each behind its length (4 bytes, lowest first). In each round every contender
// unpacks all streams. The program prints a line for each contender: its name, then the microseconds of processor time
// a stream in each round. It fails where a contender unpacks other bytes than the first.
#include "decode/inflate.hpp"
#include "shared_library.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

using namespace s2v::decode;

namespace {

constexpr std::size_t kTogether = 32;  // streams of a call, about as many as the pipeline unpacks in one

struct Cutouts {
    std::vector<std::vector<std::uint8_t>> packed;
    std::vector<std::vector<std::uint8_t>> out;
};

struct Contender {
    std::string name;
    std::function<bool(Cutouts &)> unpack_all;  // false where a stream fails
    std::vector<double> microseconds;
};

Contender space2vec(int lanes) {
    return {"space2vec-" + std::to_string(lanes),
            [lanes](Cutouts &cutouts) {
                Stream streams[kTogether];
                bool good = true;
                for (std::size_t begin = 0; begin < cutouts.packed.size(); begin += kTogether) {
                    const std::size_t count = std::min(kTogether, cutouts.packed.size() - begin);
                    for (std::size_t i = 0; i < count; ++i) {
                        streams[i].packed = cutouts.packed[begin + i];
                        streams[i].out = cutouts.out[begin + i].data();
                        streams[i].capacity = cutouts.out[begin + i].size();
                    }
                    unpack_in_lanes({streams, count}, Wrapping::gzip, lanes);
                    for (std::size_t i = 0; i < count; ++i) good = good && !streams[i].finding;
                }
                return good;
            },
            {}};
}

void add_libdeflate(std::vector<Contender> &contenders) {
    const s2v::SharedLibrary library{"libdeflate.so.0"};
    void *(*allocate)() = nullptr;
    int (*decompress)(void *, const void *, std::size_t, void *, std::size_t, std::size_t *) = nullptr;
    if (!library.find("libdeflate_alloc_decompressor", allocate) ||
        !library.find("libdeflate_gzip_decompress", decompress))
        return;
    void *const decompressor = allocate();
    contenders.push_back({"libdeflate",
                          [=](Cutouts &cutouts) {
                              bool good = true;
                              for (std::size_t i = 0; i < cutouts.packed.size(); ++i)
                                  good = decompress(decompressor, cutouts.packed[i].data(), cutouts.packed[i].size(),
                                                    cutouts.out[i].data(), cutouts.out[i].size(), nullptr) == 0 &&
                                         good;
                              return good;
                          },
                          {}});
}

void add_zlib(std::vector<Contender> &contenders) {
    struct Stream {
        const unsigned char *next_in;
        unsigned avail_in;
        unsigned long total_in;
        unsigned char *next_out;
        unsigned avail_out;
        unsigned long total_out;
        const char *message;
        void *rest[4];
        int data_type;
        unsigned long checksum;
        unsigned long reserved;
    };
    const s2v::SharedLibrary library{"libz.so.1"};
    int (*begin)(Stream *, int, const char *, int) = nullptr;
    int (*reset)(Stream *) = nullptr;
    int (*inflate)(Stream *, int) = nullptr;
    if (!library.find("inflateInit2_", begin) || !library.find("inflateReset", reset) ||
        !library.find("inflate", inflate))
        return;
    static Stream stream{};
    if (begin(&stream, 16 + 15, "1.2.11", static_cast<int>(sizeof stream)) != 0) return;
    contenders.push_back({"zlib",
                          [=](Cutouts &cutouts) {
                              constexpr int kFinish = 4;
                              constexpr int kStreamEnd = 1;
                              bool good = true;
                              for (std::size_t i = 0; i < cutouts.packed.size(); ++i) {
                                  reset(&stream);
                                  stream.next_in = cutouts.packed[i].data();
                                  stream.avail_in = static_cast<unsigned>(cutouts.packed[i].size());
                                  stream.next_out = cutouts.out[i].data();
                                  stream.avail_out = static_cast<unsigned>(cutouts.out[i].size());
                                  good = inflate(&stream, kFinish) == kStreamEnd && good;
                              }
                              return good;
                          },
                          {}});
}

Cutouts read(const char *path) {
    Cutouts cutouts;
    std::FILE *const file = std::fopen(path, "rb");
    std::uint8_t head[4];
    while (file != nullptr && std::fread(head, 1, sizeof head, file) == sizeof head) {
        std::vector<std::uint8_t> packed(head[0] | head[1] << 8 | head[2] << 16);
        if (std::fread(packed.data(), 1, packed.size(), file) != packed.size()) break;
        cutouts.out.emplace_back(announced_size(packed));
        cutouts.packed.push_back(std::move(packed));
    }
    if (file != nullptr) std::fclose(file);
    return cutouts;
}

double processor_time() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 3) return 2;
    Cutouts cutouts = read(arguments[1]);
    if (cutouts.packed.empty()) return 2;
    std::vector<Contender> contenders;
    add_libdeflate(contenders);
    add_zlib(contenders);
    for (int lanes = 1; lanes <= kMostLanes; ++lanes) contenders.push_back(space2vec(lanes));

    std::vector<std::vector<std::uint8_t>> expected;
    for (Contender &contender : contenders) {
        for (auto &out : cutouts.out) std::fill(out.begin(), out.end(), 0xee);
        if (!contender.unpack_all(cutouts)) return 1;
        if (expected.empty()) expected = cutouts.out;
        if (expected != cutouts.out) return 1;
    }
    for (int round = 0; round < std::atoi(arguments[2]); ++round)
        for (Contender &contender : contenders) {
            const double start = processor_time();
            contender.unpack_all(cutouts);
            contender.microseconds.push_back((processor_time() - start) / static_cast<double>(cutouts.packed.size()));
        }
    for (const Contender &contender : contenders) {
        std::printf("%s", contender.name.c_str());
        for (const double microseconds : contender.microseconds) std::printf(" %.4f", microseconds);
        std::printf("\n");
    }
    return 0;
}
