// The kernels that prepare planes, for one instruction set.
#include "isa.hpp"
#include "isa_symbol.hpp"
#include "kernel/host_team.hpp"
#include "kernel/recipe.hpp"
#include "kernel/views.hpp"
#include "plane_steps.hpp"
#include "triplet.hpp"

namespace {

using namespace s2v::kernel;

void prepare_rows(const s2v_stamps *stamps, int64_t begin, int64_t end, int32_t which, bool flags_measured,
                  float *planes, uint32_t *flags, void *scratch) {
    const RecipeShape shape = recipe_shape(which);
    const int64_t size = int64_t{3} * shape.height * shape.width;
    for (int64_t row = begin; row < end; ++row)
        flags[row] = prepare(HostTeam(), triplet_of(stamps, row), which, flags_measured, planes + row * size,
                             *static_cast<RecipeScratch *>(scratch));
}

void normalise_rows(const s2v_planes *planes, int64_t begin, int64_t end, const s2v_step *steps, int32_t count,
                    float fill, float *out, uint32_t *flags, void *scratch) {
    const Chain chain = chain_of(steps, count);
    const int64_t size = int64_t{planes->height} * planes->width;
    for (int64_t row = begin; row < end; ++row)
        flags[row] = normalise_plane(HostTeam(), plane_of(*planes, row), chain, fill, out + row * size,
                                     *static_cast<StepScratch *>(scratch));
}

void compose_rows(const s2v_stamps *stamps, int64_t begin, int64_t end, const s2v_composition *how, float *planes,
                  uint32_t *flags, void *scratch) {
    const Composition composition = composition_of(*how);
    const int64_t size = int64_t{how->channel_count} * how->side * how->side;
    for (int64_t row = begin; row < end; ++row)
        flags[row] = prepare_composition(HostTeam(), triplet_of(stamps, row), composition, planes + row * size,
                                         *static_cast<StepScratch *>(scratch));
}

void view_rows(const s2v_stamps *stamps, int64_t begin, int64_t end, const ViewRecipe *how, const ModelNeeds *needs,
               float *planes, uint32_t *flags, void *scratch) {
    const int64_t size = int64_t{how->views} * how->channels * how->side * how->side;
    for (int64_t row = begin; row < end; ++row)
        flags[row] = prepare_views(HostTeam(), triplet_of(stamps, row), *how, *needs, planes + (row - begin) * size,
                                   *static_cast<StepScratch *>(scratch));
}

}  // namespace

extern "C" const s2v_plane_kernels S2V_ISA_SYMBOL(planes) = {sizeof(RecipeScratch), prepare_rows, sizeof(StepScratch),
                                                             normalise_rows,        compose_rows, view_rows};
