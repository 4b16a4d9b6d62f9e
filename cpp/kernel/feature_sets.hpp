// The sets of stamp features: bits that may be joined, and where their columns lie.
#pragma once

#include "kernel/registry_table.hpp"

namespace s2v::kernel {
namespace {

inline constexpr int kAutoscanSet = 1;
inline constexpr int kS2vSet = 2;

// The features of a choice of sets are consecutive in the registry. The first of them:
S2V_HD constexpr int set_start(int sets) {
    return sets & kAutoscanSet ? 0 : kAutoscanFeatures;
}

// How many there are; 0: it is no choice of sets.
S2V_HD constexpr int set_columns(int sets) {
    if (sets < 1 || sets > (kAutoscanSet | kS2vSet)) return 0;
    return (sets & kAutoscanSet ? kAutoscanFeatures : 0) + (sets & kS2vSet ? kS2vFeatures : 0);
}

}  // namespace
}  // namespace s2v::kernel
