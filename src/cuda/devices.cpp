// space2vec._cuda.available, versions and properties.
#include "register.hpp"

#include <string>

namespace py = pybind11;

namespace {

py::tuple available() {
    const char *why = "";
    std::int32_t count = 0;
    {
        const py::gil_scoped_release release;
        count = s2v_cuda_devices(&why);
    }
    return py::make_tuple(count, why);
}

py::dict versions() {
    std::int32_t runtime = 0;
    std::int32_t driver = 0;
    check(s2v_cuda_versions(&runtime, &driver));
    py::dict out;
    out["runtime"] = runtime;
    out["driver"] = driver;
    return out;
}

py::dict properties(int device) {
    s2v_cuda_properties of{};
    of.size = sizeof of;
    {
        const py::gil_scoped_release release;
        check(s2v_cuda_device_properties(device, &of));
    }
    py::dict out;
    out["name"] = of.name;
    out["compute_capability"] =
        std::to_string(of.compute_capability_major) + "." + std::to_string(of.compute_capability_minor);
    out["memory"] = of.memory;
    out["free"] = of.free;
    out["multiprocessors"] = of.multiprocessors;
    out["shared_memory"] = of.shared_memory;
    out["memory_clock"] = of.memory_clock;
    out["memory_bus_width"] = of.memory_bus_width;
    out["pci_bus"] = of.pci_bus;
    return out;
}

}  // namespace

void register_devices(py::module_ &module) {
    module.def("available", &available);
    module.def("versions", &versions);
    module.def("properties", &properties, py::arg("device"));
}
