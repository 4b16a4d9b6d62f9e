// What a model file holds: forests and integer networks as tensors of safetensors.
#pragma once

#include "forest.hpp"
#include "network.hpp"
#include "safetensors.hpp"

#include <string>
#include <vector>

namespace s2v {

// A forest on columns of these names. Throws Failure (S2V_BAD_MODEL).
//
// Tensors, nodes of all trees one after another, depth first, a left child right after its parent:
//   tree_start I64 (trees + 1)   first node of each tree
//   right I32 (nodes)            offset from a split to its right child; 0 marks a leaf
//   feature I16 (nodes)          column that a split looks at; 0 at a leaf
//   missing_left U8 (nodes)      1 where NaN goes left
//   value F32 (nodes)            threshold of a split (x <= threshold goes left), P(real) of a leaf
//   fill F32 (features)          what replaces NaN before the trees; NaN leaves it; the tensor may be absent
Forest read_forest(const Safetensors &file, std::size_t columns);

// What a network's header says that its tensors do not.
struct NetworkHeader {
    std::string architecture;
    std::vector<std::string> columns;  // none: it takes none
    std::int32_t planes = 0;           // that are prepared; 0: it takes none
    std::int32_t side = 0;
    float temperature = 1.0F;
    std::int32_t vector = 0;  // numbers of the vector that it gives; 0: it gives a score
};

// The integer network of a file (docs/integer-networks.md), checked. Throws Failure (S2V_BAD_MODEL).
Network read_network(const Safetensors &file, const NetworkHeader &header);

}  // namespace s2v
