// The main of a fuzz target where libFuzzer is absent: every seed, and changed copies of it that are the same each
// time.
//
//     fuzz_NAME FOLDER [COPIES [FILE]]
//
// COPIES: changed copies a seed; FILE: where each input is written before it is run, for whoever looks for the one that
// crashed.
#include "fuzz.hpp"
#include "space2vec/space2vec.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

// A target may have these or not.
#pragma weak LLVMFuzzerInitialize
#pragma weak LLVMFuzzerCustomMutator

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kRoom = 1 << 17;
constexpr std::uint8_t kTelling[] = {0x00, 0x01, 0x02, 0x7F, 0x80, 0xFE, 0xFF, '"', '{', '[', '9', ' '};

// SplitMix64: the same numbers everywhere.
class Dice {
public:
    void start(std::uint64_t seed) noexcept {
        state_ = seed;
    }
    // A number below `sides`.
    std::size_t roll(std::size_t sides) noexcept {
        state_ += 0x9E3779B97F4A7C15U;
        std::uint64_t z = state_;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
        z = (z ^ z >> 27) * 0x94D049BB133111EBU;
        return static_cast<std::size_t>((z ^ z >> 31) % sides);
    }

private:
    std::uint64_t state_ = 0;
};

Dice dice;
std::vector<Input> seeds;

void splice(Input &input) {
    const Input &other = seeds[dice.roll(seeds.size())];
    if (other.empty()) return;
    const std::size_t begin = dice.roll(other.size());
    const std::size_t count = 1 + dice.roll(std::min<std::size_t>(other.size() - begin, 64));
    const std::size_t at = dice.roll(input.size() + 1);
    const auto from = other.begin() + static_cast<std::ptrdiff_t>(begin);
    input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), from, from + static_cast<std::ptrdiff_t>(count));
}

void change(Input &input) {
    const auto position = [&input](std::size_t at) { return input.begin() + static_cast<std::ptrdiff_t>(at); };
    if (input.empty()) return splice(input);
    const std::size_t at = dice.roll(input.size());
    switch (dice.roll(6)) {
        case 0:
            input[at] ^= static_cast<std::uint8_t>(1U << dice.roll(8));
            break;
        case 1:
            input[at] = kTelling[dice.roll(std::size(kTelling))];
            break;
        case 2:
            input.resize(at);
            break;
        case 3:
            input.erase(position(at), position(at + 1 + dice.roll(std::min<std::size_t>(input.size() - at, 16))));
            break;
        case 4: {
            const Input again(position(at), position(at + 1 + dice.roll(std::min<std::size_t>(input.size() - at, 32))));
            input.insert(position(at), again.begin(), again.end());
            break;
        }
        default:
            splice(input);
    }
}

void run(const Input &input) {
    const fuzz::Exact exact(input);
    LLVMFuzzerTestOneInput(exact.data(), input.size());
}

}  // namespace

std::size_t LLVMFuzzerMutate(std::uint8_t *data, std::size_t size, std::size_t room) {
    Input input(data, data + size);
    change(input);
    const std::size_t kept = std::min(input.size(), room);
    std::copy_n(input.begin(), kept, data);
    return kept;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (s2v_isa() == nullptr) return 77;  // SPACE2VEC_ISA asks for what this processor lacks
    const std::size_t copies = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 300;
    if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
    std::vector<std::filesystem::path> paths;
    for (const auto &entry : std::filesystem::directory_iterator(argv[1])) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const auto &path : paths) {
        std::ifstream file(path, std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    std::size_t runs = 0;
    Input input;
    input.reserve(kRoom);
    for (std::size_t seed = 0; seed < seeds.size(); ++seed) {
        for (std::size_t copy = 0; copy <= copies; ++copy, ++runs) {
            dice.start(seed << 32 | copy);
            input = seeds[seed];
            for (std::size_t i = copy == 0 ? 0 : 1 + dice.roll(4); i > 0; --i) {
                if (LLVMFuzzerCustomMutator != nullptr && dice.roll(2) == 0) {
                    const std::size_t size = input.size();
                    input.resize(std::max(kRoom, size));
                    input.resize(LLVMFuzzerCustomMutator(input.data(), size, input.size(),
                                                         static_cast<unsigned>(dice.roll(1U << 31))));
                } else {
                    change(input);
                }
            }
            if (argc > 3)
                std::ofstream(argv[3], std::ios::binary)
                    .write(reinterpret_cast<const char *>(input.data()), static_cast<std::streamsize>(input.size()));
            run(input);
        }
    }
    std::printf("%zu seeds, %zu inputs\n", seeds.size(), runs);
    return seeds.empty() ? 1 : 0;
}
