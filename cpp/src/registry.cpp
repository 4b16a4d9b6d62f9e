// The registry of features, recipes and flags, and the words of the C ABI.
#include "kernel/feature_sets.hpp"
#include "registry_document.hpp"
#include "space2vec/space2vec.h"

extern "C" {

const char *s2v_version(void) {
    return S2V_VERSION;
}

uint32_t s2v_abi_version(void) {
    return S2V_ABI_VERSION;
}

const char *s2v_registry(void) {
    return s2v::kRegistryDocument;
}

int32_t s2v_stamp_feature_count(int32_t sets) {
    return s2v::kernel::set_columns(sets);
}

const char *s2v_stamp_feature_name(int32_t sets, int32_t index) {
    if (index < 0 || index >= s2v::kernel::set_columns(sets)) return nullptr;
    return s2v::kernel::kStampFeatureNames[s2v::kernel::set_start(sets) + index];
}

const char *s2v_status_message(s2v_status status) {
    switch (status) {
        case S2V_OK:
            return "success";
        case S2V_INVALID_ARGUMENT:
            return "invalid argument";
        case S2V_UNKNOWN_NAME:
            return "unknown name: no such recipe or normaliser, or SPACE2VEC_ISA or SPACE2VEC_INFLATE names what is "
                   "not here";
        case S2V_OUT_OF_MEMORY:
            return "out of memory";
        case S2V_IO_ERROR:
            return "a file cannot be opened or read";
        case S2V_BAD_MODEL:
            return "a model file is damaged or of another kind";
        case S2V_BAD_INPUT:
            return "the bytes given are damaged, cut short, or of another kind";
        case S2V_INTERRUPTED:
            return "interrupted";
        case S2V_NO_DEVICE:
            return "no CUDA device: no driver, no device, or none of that number";
        case S2V_OUT_OF_DEVICE_MEMORY:
            return "out of device memory";
        case S2V_DEVICE_LOST:
            return "the CUDA device is lost to this process";
        case S2V_CUDA_ERROR:
            return "a CUDA call failed";
        case S2V_SYSTEM_ERROR:
            return "the machine refused something, such as a thread";
    }
    return "unknown status";
}

}  // extern "C"
