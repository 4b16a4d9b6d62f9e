/* Scores of the detections in FITS images, compressed or not, that cfitsio reads:
 *
 *     score_fits SCIENCE TEMPLATE DIFFERENCE DETECTIONS
 *
 * DETECTIONS is a table with columns X_IMAGE and Y_IMAGE, as SExtractor writes it. What is not 0 in a unit MASK of an
 * image is a bad pixel. A line is a detection: P(real) and flags. */
#include <fitsio.h>
#include <math.h>
#include <space2vec/space2vec.h>
#include <stdio.h>
#include <stdlib.h>

/* An image with its mask, if there is one. Returns the status of cfitsio; what was allocated is the frame's either way.
 */
static int read_frame(const char *path, s2v_frame *frame) {
    fitsfile *file = NULL;
    int status = 0, axes = 0, any = 0;
    long size[2] = {0, 0}, first[2] = {1, 1};
    float none = NAN;
    fits_open_image(&file, path, READONLY, &status);
    fits_get_img_dim(file, &axes, &status);
    fits_get_img_size(file, 2, size, &status);
    if (status == 0 && (axes != 2 || size[0] > 1 << 24 || size[1] > 1 << 24)) status = BAD_DIMEN;
    const size_t pixels = status == 0 ? (size_t)size[0] * (size_t)size[1] : 0;
    float *const values = malloc((pixels + 1) * sizeof(float));
    frame->pixels = values;
    frame->width = (int32_t)size[0];
    frame->height = (int32_t)size[1];
    if (!values && status == 0) status = MEMORY_ALLOCATION;
    fits_read_pix(file, TFLOAT, first, (LONGLONG)pixels, &none, values, &any, &status);
    if (status == 0 && fits_movnam_hdu(file, IMAGE_HDU, "MASK", 0, &status) == 0) {
        int32_t *const mask = malloc((pixels + 1) * sizeof(int32_t));
        frame->mask = mask;
        frame->mask_dtype = S2V_INT32;
        frame->bad_bits = UINT32_MAX;
        if (!mask) status = MEMORY_ALLOCATION;
        fits_read_pix(file, TINT, first, (LONGLONG)pixels, NULL, mask, &any, &status);
    } else if (status == BAD_HDU_NUM) {
        status = 0; /* no mask */
        fits_clear_errmsg();
    }
    int closing = 0;
    if (file) fits_close_file(file, &closing);
    return status;
}

/* The positions of a table, which count from 1 there and from 0 here. */
static int read_detections(const char *path, double **x, double **y, int64_t *n) {
    static char *const names[2] = {"X_IMAGE", "Y_IMAGE"};
    double *read[2] = {NULL, NULL}, none = NAN;
    fitsfile *file = NULL;
    int status = 0, closing = 0, any = 0;
    long rows = 0;
    fits_open_table(&file, path, READONLY, &status);
    fits_get_num_rows(file, &rows, &status);
    for (int axis = 0; status == 0 && axis < 2; ++axis) {
        int column = 0;
        read[axis] = malloc(((size_t)rows + 1) * sizeof(double));
        if (!read[axis]) status = MEMORY_ALLOCATION;
        fits_get_colnum(file, CASEINSEN, names[axis], &column, &status);
        fits_read_col(file, TDOUBLE, column, 1, 1, rows, &none, read[axis], &any, &status);
        for (long i = 0; status == 0 && i < rows; ++i) read[axis][i] -= 1.0;
    }
    if (file) fits_close_file(file, &closing);
    *x = read[0];
    *y = read[1];
    *n = rows;
    return status;
}

/* [frames] */
/* P(real) of n detections, NAN where a flag says why there is none. */
static s2v_status score_detections(const s2v_frame frames[S2V_CHANNELS], int64_t n, const double *x, const double *y,
                                   float *score, uint32_t *flags) {
    s2v_model *model = NULL;
    s2v_scorer *scorer = NULL; /* one a thread; a model may be shared */
    s2v_status status = s2v_model_load("default", &model);
    if (status == S2V_OK) status = s2v_scorer_create(model, NULL, &scorer);
    if (status == S2V_OK)
        status = s2v_score_frames(scorer, &frames[S2V_SCIENCE], &frames[S2V_TEMPLATE], &frames[S2V_DIFFERENCE], n, x, y,
                                  NULL, score, flags);
    if (status != S2V_OK) fprintf(stderr, "%s: %s\n", s2v_status_message(status), s2v_last_error());
    s2v_scorer_free(scorer);
    s2v_model_free(model);
    return status;
}
/* [/frames] */

int main(int count, char **argument) {
    if (count != 5) return puts("score_fits SCIENCE TEMPLATE DIFFERENCE DETECTIONS") < 0;
    s2v_frame frames[S2V_CHANNELS];
    double *x = NULL, *y = NULL;
    float *score = NULL;
    uint32_t *flags = NULL;
    int64_t n = 0;
    int status = 0;
    for (int c = 0; c < S2V_CHANNELS; ++c) s2v_frame_init(&frames[c]);
    for (int c = 0; status == 0 && c < S2V_CHANNELS; ++c) status = read_frame(argument[1 + c], &frames[c]);
    if (status == 0) status = read_detections(argument[4], &x, &y, &n);
    if (status == 0) {
        score = malloc(((size_t)n + 1) * sizeof(float));
        flags = malloc(((size_t)n + 1) * sizeof(uint32_t));
        if (!score || !flags) status = MEMORY_ALLOCATION;
    }
    if (status != 0) fits_report_error(stderr, status);
    if (status == 0) status = (int)score_detections(frames, n, x, y, score, flags);
    for (int64_t i = 0; status == 0 && i < n; ++i) printf("%.9g %u\n", (double)score[i], (unsigned)flags[i]);
    for (int c = 0; c < S2V_CHANNELS; ++c) {
        free((void *)frames[c].pixels);
        free((void *)frames[c].mask);
    }
    free(x);
    free(y);
    free(score);
    free(flags);
    return status != 0;
}
