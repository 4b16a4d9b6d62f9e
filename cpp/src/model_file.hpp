// Model files: safetensors with a JSON header.
#pragma once

#include "forest.hpp"

#include <string>

namespace s2v {

// Load a forest. Throws Failure: S2V_IO_ERROR where the file cannot be read, S2V_BAD_MODEL where it is damaged or of
// another kind.
//
// Tensors, nodes of all trees one after another, depth first, a left child right after its parent:
//   tree_start I64 (trees + 1)   first node of each tree
//   right I32 (nodes)            offset from a split to its right child; 0 marks a leaf
//   feature I16 (nodes)          column that a split looks at; 0 at a leaf
//   missing_left U8 (nodes)      1 where NaN goes left
//   value F32 (nodes)            threshold of a split (x <= threshold goes left), P(real) of a leaf
//   fill F32 (features)          what replaces NaN before the trees; NaN leaves it; the tensor may be absent
// __metadata__["space2vec"] is a JSON object with "format" 1, "kind" "forest" and "features": {"names": [...]}. It may
// have "calibration": {"x": [...], "y": [...]}, the knots of the table that the scores go through (s2v_calibrate).
s2v_forest load_forest(const std::string &path);

// The same from the bytes of a file.
s2v_forest parse_forest(const std::string &bytes);

}  // namespace s2v
