// The module of the CUDA backend: one register function a topic. It can be imported where there is no driver.
#include "register.hpp"

namespace py = pybind11;

namespace {

struct OutOfDeviceMemory : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct DeviceLost : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct CudaError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A status as what Python raises.
void translate(std::exception_ptr thrown) {
    if (!thrown) return;
    try {
        std::rethrow_exception(thrown);
    } catch (const s2v::Failure &failure) {
        switch (failure.status()) {
            case S2V_INVALID_ARGUMENT:
            case S2V_UNKNOWN_NAME:
            case S2V_BAD_MODEL:
                PyErr_SetString(PyExc_ValueError, failure.what());
                return;
            case S2V_OUT_OF_MEMORY:
                PyErr_SetString(PyExc_MemoryError, failure.what());
                return;
            case S2V_OUT_OF_DEVICE_MEMORY:
                throw OutOfDeviceMemory(failure.what());
            case S2V_DEVICE_LOST:
                throw DeviceLost(failure.what());
            default:
                throw CudaError(failure.what());
        }
    }
}

}  // namespace

PYBIND11_MODULE(_cuda, module) {
    module.doc() = "The kernels of space2vec on CUDA devices; use the package, which checks and keeps what is needed.";
    py::register_local_exception<OutOfDeviceMemory>(module, "OutOfDeviceMemory", PyExc_MemoryError);
    py::register_local_exception<DeviceLost>(module, "DeviceLost", PyExc_RuntimeError);
    py::register_local_exception<CudaError>(module, "CudaError", PyExc_RuntimeError);
    py::register_local_exception_translator(&translate);
    register_devices(module);
    register_stamps(module);
    register_planes(module);
    register_model(module);
    register_memory(module);
    register_streams(module);
}
