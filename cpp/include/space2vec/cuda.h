/* space2vec on CUDA devices: the C ABI of the library space2vec_cuda.
 *
 * What space2vec.h computes on the processor, with device pointers, on a stream of the caller's, and with the same
 * bits. Functions return a status and never throw, print or abort; s2v_cuda_message has what failed. Nothing is copied,
 * no device memory is allocated and nothing waits, except where a function says so: a call returns once its work is in
 * the stream, and faults of that work are met by whoever waits for the stream. A stream is a cudaStream_t or CUstream;
 * NULL is the legacy default stream. The calling thread's current device is as before when a function returns, unless
 * this process has no context there: none is made only to go back, and the device of the call stays the current one.
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

/* As s2v_features. The pointers in `stamps`, values and flags are the device's; *stamps itself is the caller's. A row
 * with a plane outside the buffer, or with a size or centre that s2v_features would refuse, counts as one whose planes
 * are missing. */
S2V_API s2v_status s2v_cuda_features(int32_t device, void *stream, const s2v_stamps *stamps, int32_t sets,
                                     int32_t convention, float *values, uint32_t *flags);

/* As s2v_prepare and s2v_compose. */
S2V_API s2v_status s2v_cuda_prepare(int32_t device, void *stream, const s2v_stamps *stamps, const char *recipe,
                                    float *planes, uint32_t *flags);
S2V_API s2v_status s2v_cuda_compose(int32_t device, void *stream, const s2v_stamps *stamps, const s2v_composition *how,
                                    float *planes, uint32_t *flags);

/* As s2v_normalise; the steps are the caller's. */
S2V_API s2v_status s2v_cuda_normalise(int32_t device, void *stream, const s2v_planes *planes, const s2v_step *steps,
                                      int32_t step_count, float fill, float *out, uint32_t *flags);

/* A network in integers on a device, immutable once made. */
typedef struct s2v_cuda_network s2v_cuda_network;

/* Copy a model's network to a device: allocates there and waits for the copy. The model is the caller's.
 * S2V_BAD_MODEL: it is no network in integers. */
S2V_API s2v_status s2v_cuda_network_create(int32_t device, const s2v_model *model, s2v_cuda_network **on_device);
/* No work with the network may be under way. */
S2V_API void s2v_cuda_network_free(s2v_cuda_network *network);

/* As s2v_model_predict, on the network's device. */
S2V_API s2v_status s2v_cuda_network_predict(const s2v_cuda_network *network, void *stream, const float *planes,
                                            const float *columns, int64_t n, float *score);

/* A forest on a device, immutable once made. */
typedef struct s2v_cuda_forest s2v_cuda_forest;

/* Copy a forest, with its calibration, to a device: allocates there and waits for the copy. columns:
 * (s2v_forest_feature_count) where its features stand in a row of the tables of s2v_cuda_forest_score; NULL: in order.
 * They are the caller's, as forest. */
S2V_API s2v_status s2v_cuda_forest_create(int32_t device, const s2v_forest *forest, const int32_t *columns,
                                          s2v_cuda_forest **on_device);
/* No work with the forest may be under way. */
S2V_API void s2v_cuda_forest_free(s2v_cuda_forest *forest);

/* As s2v_forest_predict, on the forest's device. */
S2V_API s2v_status s2v_cuda_forest_predict(const s2v_cuda_forest *forest, void *stream, const float *x, int64_t n,
                                           float *score);

/* A table of stamp features on a device, and what is known of the stamps. The pointers are the device's. */
typedef struct s2v_cuda_table {
    const float *values; /* (n, columns) */
    int32_t columns;
    int64_t n;              /* at most 2^31 - 1 */
    uint32_t *flags;        /* (n) as of s2v_cuda_features; those of the scores afterwards */
    const uint32_t *raised; /* (n) what the reader of the stamps saw (s2v_batch.flags); NULL: nothing */
    const int64_t *offset;  /* (n, 3) as in s2v_stamps; NULL: no plane is missing. Read where something is raised */
    uint32_t refusing;      /* a row with one of these flags is not scored: those of the registry not "scored" */
    const float *beside;    /* (n, beside_columns) further columns, such as a catalogue's: in the order of the columns
                               they follow those of `values`; NULL: all are NAN */
    int32_t beside_columns;
    int32_t beside_needed; /* 1: missing is raised of a row that is scored without a single value of `beside` */
} s2v_cuda_table;

/* P(real) of the rows of a table, by those of its columns that the forest was put on the device for. The flags become
 * what the reader and the kernels raised together: of a plane that is missing the reader knows why (missing or
 * bad_stamp), and the kernels whether it is needed. A row that is refused is NAN, and so is one without a single value
 * in these columns: of one that nothing refused, missing is raised. score: (n). */
S2V_API s2v_status s2v_cuda_forest_score(const s2v_cuda_forest *forest, void *stream, const s2v_cuda_table *table,
                                         float *score);

#ifdef __cplusplus
}
#endif

#endif
