// How many bytes of shared memory a warp of each kernel takes beside a staged plane, as JSON; of the network's kernel,
// by packaged model, with many rows.
#include "kernel/recipe.hpp"
#include "kernel/stamp_features.hpp"
#include "model.hpp"
#include "network_scratch.hpp"

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace s2v;

std::size_t network_scratch(const std::string &name) {
    s2v_model *model = nullptr;
    if (s2v_model_load((S2V_MODELS "/" + name + ".safetensors").c_str(), &model) != S2V_OK)
        throw std::runtime_error(s2v_last_error());
    const std::unique_ptr<s2v_model, decltype(&s2v_model_free)> owner(model, &s2v_model_free);
    const PackedNetwork packed(model->network.value(), cuda::DeviceDot::kGroup, PackedFor::kLanes);
    return static_cast<std::size_t>(cuda::network_share(packed.view(), cuda::kMany).bytes);
}

}  // namespace

int main() try {
    using namespace kernel;
    std::vector<std::pair<std::string, std::size_t>> scratch = {
        {"features_kernel<1>", feature_scratch(kAutoscanSet)},
        {"features_kernel<2>", feature_scratch(kS2vSet)},
        {"features_kernel<3>", feature_scratch(kAutoscanSet | kS2vSet)},
        {"prepare_kernel", sizeof(RecipeScratch)},
        {"compose_kernel", sizeof(StepScratch)},
        {"normalise_kernel", sizeof(StepScratch)},
    };
    for (const char *name : {"stampnet", "tablenet"})
        scratch.emplace_back(std::string("network_kernel ") + name, network_scratch(name));
    const char *separator = "{";
    for (const auto &[kernel, bytes] : scratch) {
        std::printf("%s\"%s\": %zu", separator, kernel.c_str(), bytes);
        separator = ", ";
    }
    std::printf("}\n");
} catch (const std::exception &error) {
    std::fprintf(stderr, "space2vec_scratch: %s\n", error.what());
    return 1;
}
