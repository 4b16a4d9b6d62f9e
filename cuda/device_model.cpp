// The copy of a model to a device.
#include "device_model.hpp"

#include "network_scratch.hpp"

#include <algorithm>

namespace s2v::cuda {
namespace {

DeviceNetwork network_of(const Network &network) {
    const PackedNetwork packed(network, DeviceDot::kGroup, PackedFor::kLanes);
    const auto *const bytes = reinterpret_cast<const unsigned char *>(packed.bytes().data());
    DeviceNetwork copy{DeviceArray<unsigned char>(std::vector(bytes, bytes + packed.bytes().size())), {}};
    copy.view = packed.view_at(reinterpret_cast<const std::byte *>(copy.weights.get()));
    return copy;
}

}  // namespace

std::unique_ptr<s2v_cuda_model> copy_model(int device, const s2v_model &model) {
    auto copy = std::make_unique<s2v_cuda_model>();
    copy->device = device;
    copy->needs = model.needs;
    copy->measuring = model.measuring;
    copy->convention = model.convention;
    copy->recipe = model.recipe;
    if (model.recipe) copy->pixels = std::int64_t{model.recipe->planes} * model.recipe->height * model.recipe->width;
    copy->vector = model.vector;
    copy->foreign = std::find(model.place.begin(), model.place.end(), kForeignColumn) != model.place.end();
    copy->place = DeviceArray<std::int32_t>(model.place);
    copy->x = DeviceArray<float>(model.calibration.x);
    copy->y = DeviceArray<float>(model.calibration.y);
    if (model.forest)
        copy->forest = DeviceForest{DeviceArray<kernel::Node>(model.forest->nodes),
                                    DeviceArray<std::int64_t>(model.forest->tree_start),
                                    DeviceArray<float>(model.forest->fill), model.forest->features};
    else if (model.network)
        copy->network = network_of(*model.network);
    if (model.first) copy->first = copy_model(device, *model.first);
    copy->doubt = model.doubt;
    return copy;
}

}  // namespace s2v::cuda
