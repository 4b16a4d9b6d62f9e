/* space2vec: whole frames and a list of detections. Part of space2vec.h. */
#ifndef SPACE2VEC_FRAMES_H
#define SPACE2VEC_FRAMES_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The type of the numbers of an image. A byte order is added by |; without one it is that of this machine. */
typedef enum s2v_dtype {
    S2V_FLOAT32 = 1,
    S2V_FLOAT64 = 2,
    S2V_INT16 = 3,
    S2V_UINT16 = 4,
    S2V_UINT8 = 5, /* of a mask, as S2V_INT32 */
    S2V_INT32 = 6,
    S2V_BIG_ENDIAN = 64, /* as in FITS files */
    S2V_LITTLE_ENDIAN = 128
} s2v_dtype;

/* A whole image in memory. Call s2v_frame_init first. The value of a pixel is scale * stored + zero, rounded to
 * float32. A pixel is bad, and counts as masked (NAN), where its mask has one of bad_bits, and where its variance is
 * not positive and finite. */
typedef struct s2v_frame {
    size_t size;        /* sizeof(s2v_frame) */
    const void *pixels; /* (height, width) */
    int32_t dtype;      /* S2V_FLOAT32, the default, S2V_FLOAT64, S2V_INT16 or S2V_UINT16, | byte order */
    int32_t height;     /* 1 to 2^24, as width */
    int32_t width;
    int32_t mask_dtype;      /* S2V_UINT8, S2V_INT16, S2V_UINT16 or S2V_INT32, | byte order */
    int64_t row_stride;      /* pixels from one row to the next, -width or less from below; 0: width */
    double scale;            /* 1 by default */
    double zero;             /* 0 by default */
    const void *mask;        /* (height, width), or NULL */
    int64_t mask_stride;     /* as row_stride */
    uint32_t bad_bits;       /* of the mask */
    uint32_t saturated_bits; /* of the mask of the science frame: such a pixel raises the flag saturated, and its value
                                becomes `saturation` where it is lower or none */
    const void *variance;    /* (height, width), or NULL */
    int64_t variance_stride; /* as row_stride */
    int32_t variance_dtype;  /* S2V_FLOAT32, the default, or S2V_FLOAT64, | byte order */
    float saturation;        /* of the science frame: as in s2v_stamps; NAN, the default: none */
    double x0;               /* column and row of the first pixel in the frame of the sky that the frames share; 0 by */
    double y0;               /* default. Rubin's XY0 */
} s2v_frame;

S2V_API void s2v_frame_init(s2v_frame *frame);

/* The functions below take the frames of a field and n detections in them. A frame that is NULL is missing. x and y:
 * (n) positions in the frame of the sky; whole numbers are the centres of pixels, so that the first pixel of a frame is
 * at (x0, y0) (from 1, as FITS counts: subtract 1). A candidate is centred on the pixel that is nearest in each frame,
 * of two the higher; recipes want no finer centring.
 *
 * All is as if stamps had been cut around these pixels, as large as the features (51x51) and the recipe need, and ended
 * where the frames do: `padded` is raised there. Where one frame ends before another, its pixels are NAN and `padded`
 * is raised; one that has no pixel of a window is missing in that row, and of a position that is not finite all are.
 * `masked_pixels` is raised where a bad pixel is met. Stamps are cut a few at a time, into the cache of a worker. */

/* Score detections, otherwise as s2v_score_stamps. Nothing is allocated. */
S2V_API s2v_status s2v_score_frames(s2v_scorer *scorer, const s2v_frame *science, const s2v_frame *reference,
                                    const s2v_frame *difference, int64_t n, const double *x, const double *y,
                                    const s2v_catalogue *catalogue, float *score, uint32_t *flags);

/* The vectors of detections, otherwise as s2v_embed_stamps. */
S2V_API s2v_status s2v_embed_frames(s2v_scorer *scorer, const s2v_frame *science, const s2v_frame *reference,
                                    const s2v_frame *difference, int64_t n, const double *x, const double *y,
                                    const s2v_catalogue *catalogue, int8_t *vectors, uint32_t *flags);

/* The stamp features of detections, otherwise as s2v_features. */
S2V_API s2v_status s2v_measure_frames(const s2v_frame *science, const s2v_frame *reference, const s2v_frame *difference,
                                      int64_t n, const double *x, const double *y, int32_t sets, int32_t convention,
                                      float *values, uint32_t *flags, int32_t threads);

/* Prepare detections by a recipe, otherwise as s2v_prepare. */
S2V_API s2v_status s2v_prepare_frames(const s2v_frame *science, const s2v_frame *reference, const s2v_frame *difference,
                                      int64_t n, const double *x, const double *y, const char *recipe, float *planes,
                                      uint32_t *flags, int32_t threads);

/* Cut stamps of one frame. out: (n, side, side), the candidate at (side / 2, side / 2), NAN where a pixel is bad or
 * beyond the frame; side: 1 to 4096; flags: (n), overwritten: padded, masked_pixels, nan_pixels (a pixel of the frame
 * that is not finite or bad), saturated (within 51x51 pixels), and missing where no pixel is in the frame. */
S2V_API s2v_status s2v_cut(const s2v_frame *frame, int64_t n, const double *x, const double *y, int32_t side,
                           float *out, uint32_t *flags);

#ifdef __cplusplus
}
#endif

#endif
