// The data of candidates beside their pixels, as the C ABI passes them.
#pragma once

#include "checks.hpp"
#include "row_scorer.hpp"

namespace s2v {

inline CandidateData candidate_data(const s2v_catalogue *catalogue) {
    if (catalogue == nullptr) return {};
    require(catalogue->size >= sizeof *catalogue, "the size of the catalogue");
    CandidateData known;
    known.catalogue = catalogue->values;
    known.raised = catalogue->raised;
    return known;
}

}  // namespace s2v
