/* space2vec on CUDA devices: the C ABI of the library space2vec_cuda.
 *
 * What space2vec.h computes on the processor, with device pointers, on a stream of the caller's, and with the same
 * bits. Functions return a status and never throw, print or abort; s2v_cuda_message has what failed. Nothing is copied,
 * no device memory is allocated and nothing waits, except where a function says so: a call returns once its work is in
 * the stream, and faults of that work are met by whoever waits for the stream. A stream is a cudaStream_t or CUstream;
 * NULL is the legacy default stream. The calling thread's current device is as before when a function returns, unless
 * this process has no context there: none is made only to go back, and the device of the call stays the current one.
 * A stream that is being captured into a graph takes every call but s2v_cuda_model_create. What other threads capture,
 * in whatever mode, neither hinders a call nor is spoilt by it.
 * An address that is no multiple of its elements' size is S2V_INVALID_ARGUMENT: to read there would lose the device.
 * The driver sets memory of the device aside for the stacks of kernels, some 1.5 kB a thread that could be resident.
 */
#ifndef SPACE2VEC_CUDA_H
#define SPACE2VEC_CUDA_H

#include <space2vec/space2vec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What failed last in this thread, in words with the CUDA error's name; "" if nothing has. */
S2V_API const char *s2v_cuda_message(void);

/* How many devices there are; never fails. *why: "" if there is one, else why not: no driver, a driver that is older
 * than the runtime that this library was built with, no device. It lives as long as the thread does not ask again.
 * NULL: not asked for. */
S2V_API int32_t s2v_cuda_devices(const char **why);

/* The versions of the CUDA runtime in this library and of what the driver serves (0: there is no driver), 1000 times
 * the major one and 10 times the minor one. */
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

/* As s2v_widen_pixels, with pointers of the device: what came over the link in 16 bits a pixel. */
S2V_API s2v_status s2v_cuda_widen_pixels(int32_t device, void *stream, const s2v_packing *how, const uint16_t *packed,
                                         int64_t n, float *pixels);

/* As s2v_features. The pointers in `stamps`, values and flags are the device's; *stamps itself is the caller's. A row
 * with a plane outside the buffer, or with a size or centre that s2v_features would refuse, counts as one whose planes
 * are missing. */
S2V_API s2v_status s2v_cuda_features(int32_t device, void *stream, const s2v_stamps *stamps, int32_t sets,
                                     int32_t convention, float *values, uint32_t *flags);

/* As s2v_prepare. */
S2V_API s2v_status s2v_cuda_prepare(int32_t device, void *stream, const s2v_stamps *stamps, const char *recipe,
                                    float *planes, uint32_t *flags);

/* As s2v_compose, of several chains at once: `views` compositions, 1 to 4, that differ in their steps alone. planes:
 * (n, views * channels, side, side), those of the first chain first; a row that one chain refuses is NAN throughout. */
S2V_API s2v_status s2v_cuda_compose(int32_t device, void *stream, const s2v_stamps *stamps, const s2v_composition *how,
                                    int32_t views, float *planes, uint32_t *flags);

/* As s2v_normalise; the steps are the caller's. */
S2V_API s2v_status s2v_cuda_normalise(int32_t device, void *stream, const s2v_planes *planes, const s2v_step *steps,
                                      int32_t step_count, float fill, float *out, uint32_t *flags);

/* A model on a device: a forest or a network, what it takes and its calibration. It never changes. */
typedef struct s2v_cuda_model s2v_cuda_model;

/* Copy a model to a device: allocates there and waits for the copy. The model is the caller's. Of a network of floats
 * alone, s2v_cuda_model_inputs works, and the others are S2V_BAD_MODEL. */
S2V_API s2v_status s2v_cuda_model_create(int32_t device, const s2v_model *model, s2v_cuda_model **on_device);
/* No work with the model may be under way. */
S2V_API void s2v_cuda_model_free(s2v_cuda_model *model);

/* Bytes of device memory that s2v_cuda_model_score and s2v_cuda_model_inputs take for so many rows at a time; of a
 * network of floats alone, the latter. */
S2V_API int64_t s2v_cuda_model_scratch(const s2v_cuda_model *model, int64_t rows);

/* As s2v_score_stamps, on the model's device: the stamps are measured and prepared, judged and scored. The pointers in
 * `stamps` and `known`, which may be NULL, are the device's, as are scratch, score and flags; stamps are read as
 * s2v_cuda_features reads them. `rows` are worked on at a time; scratch: s2v_cuda_model_scratch(model, rows) bytes from
 * a multiple of 64. S2V_BAD_MODEL: a network of floats alone, or a model of columns that stamps do not give. */
S2V_API s2v_status s2v_cuda_model_score(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                        const s2v_catalogue *known, void *scratch, int64_t rows, float *score,
                                        uint32_t *flags);

/* What s2v_cuda_model_score gives a model of stamps: planes (n, shape) and columns (n, columns), each NULL where it
 * takes none; the flags of the scores (n), and scored (n): 1 where a row is scored, else 0. */
S2V_API s2v_status s2v_cuda_model_inputs(const s2v_cuda_model *model, void *stream, const s2v_stamps *stamps,
                                         const s2v_catalogue *known, void *scratch, int64_t rows, float *planes,
                                         float *columns, uint32_t *flags, uint8_t *scored);

/* As s2v_score_columns, on the model's device. raised: NULL for no flag. */
S2V_API s2v_status s2v_cuda_model_score_columns(const s2v_cuda_model *model, void *stream, const float *columns,
                                                const uint32_t *raised, int64_t n, float *score, uint32_t *flags);

/* The same rule alone, for scores (n) that a network of floats gave: those of rows that are refused become NAN. */
S2V_API s2v_status s2v_cuda_model_check_columns(const s2v_cuda_model *model, void *stream, const float *columns,
                                                const uint32_t *raised, int64_t n, float *score, uint32_t *flags);

/* As s2v_model_predict, on the model's device. S2V_BAD_MODEL: of a cascade too. */
S2V_API s2v_status s2v_cuda_model_predict(const s2v_cuda_model *model, void *stream, const float *planes,
                                          const float *columns, int64_t n, float *score);

#ifdef __cplusplus
}
#endif

#endif
