// What the topics of the module share. Addresses are integers, 0 is null.
#pragma once

#include "errors.hpp"
#include "space2vec/cuda.h"

#include <pybind11/pybind11.h>

#include <cstdint>

using Address = std::uintptr_t;

template <class T>
T *at(Address address) {
    return reinterpret_cast<T *>(address);
}

inline Address address_of(const void *pointer) {
    return reinterpret_cast<Address>(pointer);
}

// Throws where a call of the C ABI failed.
inline void check(s2v_status status) {
    if (status != S2V_OK) throw s2v::Failure(status, s2v_cuda_message());
}

// Gives something back. A device that is lost takes all that is on it with it, and an error that stays would be told of
// the next call: none is told here.
template <class Back>
void give_back(int device, Back back) noexcept {
    try {
        const s2v::cuda::OnDevice here(device);
        back();
    } catch (const std::exception &) {
    }
    cudaGetLastError();
}

void register_devices(pybind11::module_ &module);
void register_memory(pybind11::module_ &module);
void register_model(pybind11::module_ &module);
void register_planes(pybind11::module_ &module);
void register_stamps(pybind11::module_ &module);
void register_streams(pybind11::module_ &module);
