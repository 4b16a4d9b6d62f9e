/* The devices of this machine, from C, with the installed library; none is needed. */
#include <space2vec/cuda.h>

#include <stdio.h>

int main(void) {
    const char *why = NULL;
    const int32_t devices = s2v_cuda_devices(&why);
    int32_t runtime = 0;
    int32_t driver = 0;
    if (s2v_cuda_versions(&runtime, &driver) != S2V_OK) return 1;
    printf("space2vec %s, CUDA runtime %d, devices: %d%s%s\n", s2v_version(), (int)runtime, (int)devices,
           devices ? "" : ", ", why);
    s2v_cuda_properties properties = {.size = sizeof properties};
    const s2v_status status = s2v_cuda_device_properties(0, &properties);
    if (devices > 0) return status == S2V_OK && properties.multiprocessors > 0 ? 0 : 1;
    return status == S2V_NO_DEVICE && s2v_cuda_message()[0] && why[0] ? 0 : 1;
}
