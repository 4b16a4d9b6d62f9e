/* space2vec: pixels packed in 16 bits, which takes half the memory and half the time of a transfer. Part of
 * space2vec.h. */
#ifndef SPACE2VEC_PACKING_H
#define SPACE2VEC_PACKING_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum s2v_packed_form {
    /* Half precision: 11 significant bits. Values beyond +-65504 become +-65504; infinities and NAN stay, as do pixels
     * of +-1e-30, which mark null pixels in DES files. */
    S2V_PACKED_FLOAT16 = 0,
    /* zero + scale * integer, from -32766 to 32767; values beyond become the nearest of these. Values that are not
     * finite become NAN, and null pixels stay. */
    S2V_PACKED_INT16 = 1
} s2v_packed_form;

typedef struct s2v_packing {
    size_t size;  /* sizeof(s2v_packing) */
    int32_t form; /* s2v_packed_form */
    float scale;  /* of integers: finite, above 0 */
    float zero;   /* of integers: finite */
} s2v_packing;

/* Pack n pixels. *exact: 1 if s2v_widen_pixels restores every pixel bit for bit (NAN counts as NAN), else 0.
 * only_exact: if it is not 0, packing stops soon after the first pixel that is not exact, and `packed` is of use only
 * if *exact is 1. */
S2V_API s2v_status s2v_pack_pixels(const s2v_packing *how, const float *pixels, int64_t n, int32_t only_exact,
                                   uint16_t *packed, int32_t *exact, int32_t threads);

/* Restore n pixels from packed ones. */
S2V_API s2v_status s2v_widen_pixels(const s2v_packing *how, const uint16_t *packed, int64_t n, float *pixels,
                                    int32_t threads);

#ifdef __cplusplus
}
#endif

#endif
