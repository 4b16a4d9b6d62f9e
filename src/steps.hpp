// Chains of steps as Python gives them.
#pragma once

#include "space2vec/space2vec.h"

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

// The number of a normaliser and its parameters.
using Steps = std::vector<std::pair<std::int32_t, std::vector<double>>>;

inline std::vector<s2v_step> steps_of(const Steps &given) {
    std::vector<s2v_step> steps;
    for (const auto &[kind, parameters] : given) {
        if (parameters.size() > S2V_STEP_PARAMETERS) throw std::invalid_argument("a step has too many parameters");
        s2v_step step{kind, {}};
        for (std::size_t i = 0; i < parameters.size(); ++i) step.parameters[i] = parameters[i];
        steps.push_back(step);
    }
    return steps;
}

// A composition of `steps`, which it points at.
inline s2v_composition composition_of(int side, const std::vector<std::int32_t> &channels,
                                      const std::vector<s2v_step> &steps) {
    if (channels.empty() || channels.size() > S2V_CHANNELS || side < 1)
        throw std::invalid_argument("compose: one to three channels and a positive side");
    s2v_composition how{
        sizeof how,  side, static_cast<std::int32_t>(channels.size()), {}, static_cast<std::int32_t>(steps.size()),
        steps.data()};
    for (std::size_t k = 0; k < channels.size(); ++k) how.channels[k] = channels[k];
    return how;
}
