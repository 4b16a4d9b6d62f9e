// Ids: numbers and texts as packets write them, brought to one form.
#pragma once

#include "decode/avro.hpp"
#include "space2vec/space2vec.h"

namespace s2v::decode {

// An id of a candidate.
struct CandidateId {
    s2v_id_kind kind = S2V_ID_UNKNOWN;
    std::int64_t number = -1;  // of a signed one; -1: none
};

// Read a candidate's id out of a field, and append what is no number of 64 bits with a sign to `text`. A text that
// writes such a number as numbers are written is that number; every other stays as it is ("007"). A real number that is
// no whole one is written as short as tells it from its neighbours. The number 0, null and an empty text are no id.
CandidateId read_candidate_id(const Field &field, std::string &text);

// Append an object's id, whatever it is, as text.
void append_object_id(const Field &field, std::string &text);

}  // namespace s2v::decode
