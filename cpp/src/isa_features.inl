// The feature kernels for one instruction set.
#include "isa.hpp"
#include "isa_symbol.hpp"
#include "kernel/host_team.hpp"
#include "kernel/stamp_features.hpp"
#include "triplet.hpp"

namespace {

using namespace s2v::kernel;

void features(const s2v_stamps *stamps, int64_t begin, int64_t end, const Measuring *what, s2v_convention convention,
              float *values, uint32_t *flags, void *scratch) {
    const Convention how = convention == S2V_CONVENTION_PAPER ? Convention::kPaper : Convention::kCode;
    const int columns = set_columns(what->sets);
    for (int64_t row = begin; row < end; ++row)
        flags[row] = stamp_features(HostTeam(), triplet_of(stamps, row), *what, how, values + row * columns,
                                    *static_cast<FeatureScratch *>(scratch));
}

}  // namespace

extern "C" const s2v_feature_kernels S2V_ISA_SYMBOL(features) = {sizeof(FeatureScratch), features};
