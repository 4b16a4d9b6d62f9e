/* The flags of rows. Made from cpp/registry/registry.json; edit that. */
#ifndef SPACE2VEC_FLAGS_H
#define SPACE2VEC_FLAGS_H

/* Bits that may be joined by |. The registry (s2v_registry) and docs/features.md say what each means. */
typedef enum s2v_flag {
    S2V_FLAG_NAN_PIXELS = 1 << 0,
    S2V_FLAG_MASKED_PIXELS = 1 << 1,
    S2V_FLAG_PADDED = 1 << 2,
    S2V_FLAG_CROPPED = 1 << 3,
    S2V_FLAG_CONSTANT = 1 << 4,
    S2V_FLAG_ZERO_SCALE = 1 << 5,
    S2V_FLAG_SATURATED = 1 << 6,
    S2V_FLAG_BAD_STAMP = 1 << 7,
    S2V_FLAG_MISSING = 1 << 8,
    S2V_FLAG_OFF_SHAPE = 1 << 9,
    S2V_FLAG_FIT_FAILED = 1 << 10,
    S2V_FLAG_MOMENTS_FAILED = 1 << 11,
    S2V_FLAG_NO_PSF = 1 << 12,
    S2V_FLAG_BAD_CELL = 1 << 13,
    S2V_FLAG_SCORED_EARLY = 1 << 14,
    S2V_FLAG_SURPLUS = 1 << 15,
    S2V_FLAG_MASKED_CORE = 1 << 16,
    S2V_FLAG_NO_FLUX_SCALE = 1 << 17,
    /* A score of a row with one of these says little: the stamp is unlike all that models learned from. */
    S2V_UNFAMILIAR_FLAGS = S2V_FLAG_MASKED_CORE | S2V_FLAG_NO_FLUX_SCALE
} s2v_flag;

#endif
