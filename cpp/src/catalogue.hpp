// Computes the columns of the catalogue from fields of alert packets. docs/catalogue.md has the reasons.
#pragma once

#include "packet_fields.hpp"
#include "space2vec/space2vec.h"

#include <cstdint>
#include <span>

namespace s2v {

// The fields of a survey's packets that the columns are made of.
std::span<const char *const> catalogue_paths(s2v_survey survey) noexcept;

// Fill the columns (catalogue::kColumns), NAN where they are unknown. fields: as many as there are paths, NAN where the
// packet says nothing; present: 1 where it has such a field at all, 0 elsewhere.
void fill_catalogue(s2v_survey survey, const double *fields, const std::uint8_t *present, float *columns) noexcept;

}  // namespace s2v
