/* space2vec: pixels in 16 bits, half as many bytes over a link or in memory. Part of space2vec.h. */
#ifndef SPACE2VEC_PACKING_H
#define SPACE2VEC_PACKING_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum s2v_packed_form {
    /* Half precision: 11 bits of a number. What lies beyond +-65504 becomes that; infinities and NAN stay, as do pixels
     * of +-1e-30, which DES writes where a pixel is null. */
    S2V_PACKED_FLOAT16 = 0,
    /* zero + scale * integer, from -32766 to 32767; what lies beyond becomes the nearest. What is not finite becomes
     * NAN, and null pixels stay. */
    S2V_PACKED_INT16 = 1
} s2v_packed_form;

typedef struct s2v_packing {
    size_t size;  /* sizeof(s2v_packing) */
    int32_t form; /* s2v_packed_form */
    float scale;  /* of integers: finite, above 0 */
    float zero;   /* of integers: finite */
} s2v_packing;

/* Pack n pixels. *exact: whether s2v_widen_pixels gives every one back bit for bit, or NAN for NAN. only_exact: not 0:
 * packed is of use only where *exact is 1; packing stops soon after a pixel for which it is not. */
S2V_API s2v_status s2v_pack_pixels(const s2v_packing *how, const float *pixels, int64_t n, int32_t only_exact,
                                   uint16_t *packed, int32_t *exact, int32_t threads);

/* The pixels (n) that packed ones stand for. */
S2V_API s2v_status s2v_widen_pixels(const s2v_packing *how, const uint16_t *packed, int64_t n, float *pixels,
                                    int32_t threads);

#ifdef __cplusplus
}
#endif

#endif
