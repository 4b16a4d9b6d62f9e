// What the topics of the module share. Addresses are integers, 0 is null.
#pragma once

#include "errors.hpp"
#include "space2vec/cuda.h"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <tuple>

using Address = std::uintptr_t;

template <class T>
T *at(Address address) {
    return reinterpret_cast<T *>(address);
}

// Throws where a call of the C ABI failed.
inline void check(s2v_status status) {
    if (status != S2V_OK) throw s2v::Failure(status, s2v_cuda_message());
}

// pixels, pixel_count, offset, shape, centre, n, saturation
using StampsOnDevice = std::tuple<Address, std::int64_t, Address, Address, Address, std::int64_t, float>;

inline s2v_stamps stamps_of(const StampsOnDevice &given) {
    const auto &[pixels, pixel_count, offset, shape, centre, n, saturation] = given;
    return {at<const float>(pixels),
            pixel_count,
            at<const std::int64_t>(offset),
            at<const std::int32_t>(shape),
            at<const std::int32_t>(centre),
            n,
            saturation};
}

void register_devices(pybind11::module_ &module);
void register_forest(pybind11::module_ &module);
void register_memory(pybind11::module_ &module);
void register_planes(pybind11::module_ &module);
void register_stamps(pybind11::module_ &module);
void register_streams(pybind11::module_ &module);
