// The extension module: one register function a topic.
#include "register.hpp"

#include "space2vec/space2vec.h"

PYBIND11_MODULE(_core, module) {
    module.doc() = "The kernels of space2vec; use the functions of the package, which check and convert.";
    module.attr("version") = s2v_version();
    register_stamps(module);
    register_fits(module);
    register_frames(module);
    register_model(module);
    register_normalise(module);
    register_packing(module);
    register_reader(module);
    register_decoder(module);
}
