// The header of a model file: what the model is and takes.
#pragma once

#include "calibration.hpp"
#include "json.hpp"
#include "model.hpp"

#include <memory>
#include <string>
#include <vector>

namespace s2v {

struct ModelHeader {
    std::string kind;
    std::string name;
    std::string architecture;  // of a network
    std::vector<std::string> columns;
    s2v_convention convention = S2V_CONVENTION_CODE;
    std::optional<ModelRecipe> recipe;
    std::uint32_t optional = 0;  // planes that it can do without, bits
    float temperature = 1.0F;
    Calibration calibration;  // "calibration": {"x": [...], "y": [...]}, see s2v_calibrate
    bool integer = false;
    std::int32_t vector = 0;                   // numbers of the vector that it gives ("vectornet"); 0: it gives a score
    std::shared_ptr<const ModelHeader> first;  // of a cascade ("first", "doubt": [low, high]); else null
    kernel::Doubt doubt{};
};

// Throws Failure (S2V_BAD_MODEL) where the header is damaged, or the model was made for features, recipes or
// normalisers of another version.
ModelHeader read_header(const json::Value &header);

// A model without its trees or weights: what it needs, and where its columns come from.
s2v_model model_of_header(const ModelHeader &header);

}  // namespace s2v
