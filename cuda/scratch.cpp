// How many bytes of shared memory a warp of each kernel takes beside a staged plane, as JSON.
#include "kernel/recipe.hpp"
#include "kernel/stamp_features.hpp"

#include <cstdio>

int main() {
    using namespace s2v::kernel;
    const struct {
        const char *kernel;
        std::size_t bytes;
    } scratch[] = {
        {"features_kernel<1>", feature_scratch(kAutoscanSet)},
        {"features_kernel<2>", feature_scratch(kS2vSet)},
        {"features_kernel<3>", feature_scratch(kAutoscanSet | kS2vSet)},
        {"prepare_kernel", sizeof(RecipeScratch)},
        {"compose_kernel", sizeof(StepScratch)},
        {"normalise_kernel", sizeof(StepScratch)},
    };
    const char *separator = "{";
    for (const auto &one : scratch) {
        std::printf("%s\"%s\": %zu", separator, one.kernel, one.bytes);
        separator = ", ";
    }
    std::printf("}\n");
}
