// The kernels for one instruction set. Compiled once for each, with S2V_ISA as its name; nothing of the standard
// library may be instantiated here, or the linker could give another processor's code to the rest of the program.
#include "isa.hpp"
#include "kernel/autoscan.hpp"
#include "kernel/big_endian.hpp"
#include "kernel/host_team.hpp"
#include "kernel/inflate.hpp"
#include "kernel/recipe.hpp"
#include "triplet.hpp"

namespace {

using namespace s2v::kernel;

void features(const s2v_stamps *stamps, int64_t begin, int64_t end, s2v_convention convention, float *values,
              uint32_t *flags, void *scratch) {
    const Convention how = convention == S2V_CONVENTION_PAPER ? Convention::kPaper : Convention::kCode;
    for (int64_t row = begin; row < end; ++row)
        flags[row] = autoscan_features(HostTeam(), triplet_of(stamps, row), how, values + row * kStampFeatures,
                                       *static_cast<AutoscanScratch *>(scratch));
}

void prepare_rows(const s2v_stamps *stamps, int64_t begin, int64_t end, int32_t which, float *planes, uint32_t *flags,
                  void *scratch) {
    const RecipeShape shape = recipe_shape(which);
    const int64_t size = int64_t{3} * shape.height * shape.width;
    for (int64_t row = begin; row < end; ++row)
        flags[row] = prepare(HostTeam(), triplet_of(stamps, row), which, planes + row * size,
                             *static_cast<RecipeScratch *>(scratch));
}

}  // namespace

#define S2V_QUOTE_(x) #x
#define S2V_QUOTE(x) S2V_QUOTE_(x)
#define S2V_JOIN_(a, b) a##b
#define S2V_JOIN(a, b) S2V_JOIN_(a, b)

extern "C" const s2v_isa_table S2V_JOIN(s2v_isa_, S2V_ISA) = {
    S2V_QUOTE(S2V_ISA), sizeof(AutoscanScratch), sizeof(RecipeScratch), features,
    prepare_rows,       read_big_endian,         inflate_run,
};
