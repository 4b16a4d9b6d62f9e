/* space2vec on CUDA devices: the C ABI of the library space2vec_cuda.
 *
 * The functions compute what those of space2vec.h compute on the processor, with the same bits, from pointers of the
 * device and in a stream of the caller. They return a status and never throw, print or abort; s2v_cuda_message gives
 * the reason of a failure. They copy nothing, allocate no memory of the device and wait for nothing, except where it
 * says so: a call returns once its work is in the stream, and whoever waits for the stream meets the faults of that
 * work. A stream is a cudaStream_t or CUstream; NULL is the legacy default stream. When a function returns, the current
 * device of the thread is the one before, unless this process has no context there: then the device of the call stays
 * the current one. A stream that is being captured into a graph takes every call except s2v_cuda_model_create. Captures
 * of other threads, in whatever mode, do not disturb a call and are not disturbed by it. An address that is no multiple
 * of the size of its elements is S2V_INVALID_ARGUMENT: to read there would lose the device. The driver reserves memory
 * of the device for the stacks of kernels: some 1.5 kB for each thread that can be resident.
 */
#ifndef SPACE2VEC_CUDA_H
#define SPACE2VEC_CUDA_H

#include <space2vec/space2vec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The reason of the last failure in this thread, with the name of the CUDA error; "" if there is none. */
S2V_API const char *s2v_cuda_message(void);

/* The number of devices; this never fails. *why: the reason if there is none (no driver, a driver that is older than
 * the runtime of this library, no device), else ""; valid until the thread asks again. why may be NULL. */
S2V_API int32_t s2v_cuda_devices(const char **why);

/* The version of the CUDA runtime in this library, and the latest that the driver serves (0: there is no driver): 1000
 * times the major version plus 10 times the minor one. */
S2V_API s2v_status s2v_cuda_versions(int32_t *runtime, int32_t *driver);

typedef struct s2v_cuda_properties {
    size_t size; /* sizeof(s2v_cuda_properties), which the caller sets */
    char name[256];
    char pci_bus[32]; /* "0000:19:00.0" */
    int32_t compute_capability_major;
    int32_t compute_capability_minor;
    int32_t multiprocessors;
    int32_t shared_memory;    /* bytes a multiprocessor has */
    int32_t memory_clock;     /* kHz; 0: the driver does not say */
    int32_t memory_bus_width; /* bits */
    int64_t memory;           /* bytes */
    int64_t free;             /* bytes; now */
} s2v_cuda_properties;

S2V_API s2v_status s2v_cuda_device_properties(int32_t device, s2v_cuda_properties *properties);

/* Restore pixels that were copied to the device in 16 bits each, as s2v_widen_pixels does. */
S2V_API s2v_status s2v_cuda_widen_pixels(int32_t device, void *stream, const s2v_packing *how, const uint16_t *packed,
                                         int64_t n, float *pixels);

/* Measure stamp features, as s2v_features does. The pointers in `stamps`, values and flags are of the device; *stamps
 * itself lies on the host. A row with a plane outside the buffer, or with a size or centre that s2v_features refuses,
 * counts as one whose planes are missing. */
S2V_API s2v_status s2v_cuda_features(int32_t device, void *stream, const s2v_stamps *stamps, int32_t sets,
                                     int32_t convention, float *values, uint32_t *flags);

/* Prepare stamps by a recipe, as s2v_prepare does. */
S2V_API s2v_status s2v_cuda_prepare(int32_t device, void *stream, const s2v_stamps *stamps, const char *recipe,
                                    float *planes, uint32_t *flags);

/* Prepare stamps by several chains at once, as s2v_compose does by one: `views` compositions, 1 to 4, that differ in
 * their steps alone. planes: (n, views * channels, side, side), those of the first chain first; a row that one chain
 * refuses is NAN throughout. */
S2V_API s2v_status s2v_cuda_compose(int32_t device, void *stream, const s2v_stamps *stamps, const s2v_composition *how,
                                    int32_t views, float *planes, uint32_t *flags);

/* Normalise planes, as s2v_normalise does; the steps lie on the host. */
S2V_API s2v_status s2v_cuda_normalise(int32_t device, void *stream, const s2v_planes *planes, const s2v_step *steps,
                                      int32_t step_count, float fill, float *out, uint32_t *flags);

/* A model on a device: a forest or a network, with its calibration. It never changes. */
typedef struct s2v_cuda_model s2v_cuda_model;

/* Copy a model to a device: allocates there and waits for the copy. The caller keeps the model. For a network of floats
 * alone only s2v_cuda_model_inputs works; the other functions return S2V_BAD_MODEL. */
S2V_API s2v_status s2v_cuda_model_create(int32_t device, const s2v_model *model, s2v_cuda_model **on_device);
/* Free a model. No work with it may be under way. */
S2V_API void s2v_cuda_model_free(s2v_cuda_model *model);

/* The bytes of device memory that s2v_cuda_model_score and s2v_cuda_model_inputs need as scratch for so many rows at a
 * time; for a network of floats alone, only the latter. */
S2V_API int64_t s2v_cuda_model_scratch(const s2v_cuda_model *model, int64_t rows);

/* Score stamps on the device of the model, as s2v_score_stamps does. The pointers in `stamps` and `known`, which may be
 * NULL, are of the device, as are scratch, score and flags; stamps are read as s2v_cuda_features reads them. rows: how
 * many are computed at a time; scratch: s2v_cuda_model_scratch(model, rows) bytes, aligned to 64. S2V_BAD_MODEL: a
 * network of floats alone, or a model of columns that stamps do not give. */
S2V_API s2v_status s2v_cuda_model_score(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                        const s2v_catalogue *known, void *scratch, int64_t rows, float *score,
                                        uint32_t *flags);

/* Compute the vectors of stamps on the device of the model, as s2v_embed_stamps does; otherwise as
 * s2v_cuda_model_score. vectors: (n, vector). S2V_BAD_MODEL: the model gives scores; the functions that score give that
 * status for a network of vectors. */
S2V_API s2v_status s2v_cuda_model_embed(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                        const s2v_catalogue *known, void *scratch, int64_t rows, int8_t *vectors,
                                        uint32_t *flags);

/* Compute the inputs that a model needs of stamps, as s2v_model_inputs does. planes: (n, shape), columns: (n, columns);
 * each NULL if the model takes none. flags: (n) of the scores; scored: (n) 1 where a row has a score, else 0. */
S2V_API s2v_status s2v_cuda_model_inputs(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                         const s2v_catalogue *known, void *scratch, int64_t rows, float *planes,
                                         float *columns, uint32_t *flags, uint8_t *scored);

/* Score rows of a table on the device of the model, as s2v_score_columns does. raised: NULL for no flag. */
S2V_API s2v_status s2v_cuda_model_score_columns(const s2v_cuda_model *model, void *stream, const float *columns,
                                                const uint32_t *raised, int64_t n, float *score, uint32_t *flags);

/* Apply only the rule that decides which rows have a score, for scores (n) of a network of floats: those of refused
 * rows become NAN. */
S2V_API s2v_status s2v_cuda_model_check_columns(const s2v_cuda_model *model, void *stream, const float *columns,
                                                const uint32_t *raised, int64_t n, float *score, uint32_t *flags);

/* Compute P(real) of prepared inputs on the device of the model, as s2v_model_predict does. S2V_BAD_MODEL also for a
 * cascade. */
S2V_API s2v_status s2v_cuda_model_predict(const s2v_cuda_model *model, void *stream, const float *planes,
                                          const float *columns, int64_t n, float *score);

/* Compute the vectors of prepared inputs on the device of the model, as s2v_model_predict_vectors does. */
S2V_API s2v_status s2v_cuda_model_predict_vectors(const s2v_cuda_model *model, void *stream, const float *planes,
                                                  const float *columns, int64_t n, int8_t *vectors);

#ifdef __cplusplus
}
#endif

#endif
