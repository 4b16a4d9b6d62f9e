/* space2vec: stamps of transient candidates to features and scores. The C ABI.
 *
 * Functions return a status and never throw, print or abort; s2v_last_error gives the reason of a failure. Arrays
 * belong to the caller and are in native float32 and C order. Several threads may call any function at the same time on
 * different outputs. A structure that is passed by a pointer begins with its size, which the caller sets first:
 *
 *     s2v_stamps stamps = {.size = sizeof stamps};
 *
 * The library refuses any other size, so that a program notices a library of another version.
 */
#ifndef SPACE2VEC_H
#define SPACE2VEC_H

#include <stddef.h>
#include <stdint.h>

#include "flags.h"

#define S2V_VERSION "0.1.0"

#if defined(_WIN32)
#define S2V_API
#else
#define S2V_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum s2v_status {
    S2V_OK = 0,
    S2V_INVALID_ARGUMENT = 1, /* a null pointer, a negative size, a plane outside its buffer */
    S2V_UNKNOWN_NAME = 2,     /* no recipe, normaliser or instruction set of that name */
    S2V_OUT_OF_MEMORY = 3,
    S2V_IO_ERROR = 4,    /* a file that cannot be opened or read */
    S2V_BAD_MODEL = 5,   /* a model file that is damaged or of another kind */
    S2V_BAD_INPUT = 6,   /* bytes that are damaged, cut short or of another kind; a fault says how */
    S2V_INTERRUPTED = 7, /* as s2v_reading.interrupted asked */
    /* Of space2vec/cuda.h: */
    S2V_NO_DEVICE = 8, /* no driver, no device, or none of that number */
    S2V_OUT_OF_DEVICE_MEMORY = 9,
    S2V_DEVICE_LOST = 10, /* the device's context is of no further use in this process */
    S2V_CUDA_ERROR = 11,  /* any other; s2v_cuda_message says which */
    S2V_SYSTEM_ERROR = 12 /* the machine refused something else, such as a thread */
} s2v_status;

/* Sets of stamp features, to be joined by |. */
typedef enum s2v_feature_set { S2V_SET_AUTOSCAN = 1, S2V_SET_S2V = 2 } s2v_feature_set;

/* Where autoScan's released code and its paper disagree. */
typedef enum s2v_convention { S2V_CONVENTION_CODE = 0, S2V_CONVENTION_PAPER = 1 } s2v_convention;

/* The planes of a triplet. Every channel axis has this order. */
enum { S2V_SCIENCE = 0, S2V_TEMPLATE = 1, S2V_DIFFERENCE = 2, S2V_CHANNELS = 3 };

/* A view of the stamps of n candidates; sizes may differ from row to row. */
typedef struct s2v_stamps {
    size_t size;           /* sizeof(s2v_stamps) */
    const float *pixels;   /* one buffer with every plane */
    int64_t pixel_count;   /* its length */
    const int64_t *offset; /* (n, 3): first pixel of the plane in the buffer; -1: the plane is missing */
    const int32_t *shape;  /* (n, 3, 2): height, width */
    const int32_t *centre; /* (n, 2): row, column of the candidate, in pixels from 0; NULL: (height / 2, width / 2) of
                              the first plane that is there */
    int64_t n;             /* at most 2^31 - 1 */
    float saturation;      /* value of the science plane from which on a pixel is saturated; NAN: none */
} s2v_stamps;

S2V_API const char *s2v_version(void);

/* The version of structures and functions: 1000 times the major version plus the minor one. S2V_ABI_VERSION is that of
 * the headers that a program was compiled with, s2v_abi_version() that of the library that it runs with. While the
 * major version is 0, each minor version may break them. */
#define S2V_ABI_VERSION 1
S2V_API uint32_t s2v_abi_version(void);

/* A sentence for a status. */
S2V_API const char *s2v_status_message(s2v_status status);

/* The reason why a call failed: that of this thread's last call that returned a status other than S2V_OK; "" if there
 * is none. The text belongs to the thread, and its next call that fails writes over it. */
S2V_API const char *s2v_last_error(void);

typedef enum s2v_log_level {
    S2V_LOG_ERROR = 1,  /* a call failed: the sentence of s2v_last_error */
    S2V_LOG_WARNING = 2 /* a call did less than it was asked for: fewer threads were to be had */
} s2v_log_level;

/* Set the function that receives errors and warnings of the whole process; NULL, the default, for none. The library
 * calls it in the thread of the call that failed, so perhaps in several threads at once, and the sentence is valid
 * while it runs. A call that was under way when s2v_set_log returned may still use the function that was set before. */
typedef void (*s2v_log)(void *context, s2v_log_level level, const char *sentence);
S2V_API void s2v_set_log(s2v_log log, void *context);

/* The instruction set in use: on x86-64 "baseline", "v3" (AVX2), "v4" (AVX-512) or "v4vnni" (v4, and networks by dot
 * products of bytes); on aarch64 "neon", "dotprod" or "i8mm" (both: networks by dot products of bytes); elsewhere
 * "generic". Chosen once, from the processor or from the environment variable SPACE2VEC_ISA; an unknown or
 * unsupported SPACE2VEC_ISA makes every computing function return S2V_UNKNOWN_NAME, and this one NULL. */
S2V_API const char *s2v_isa(void);

/* The processors that the process may use, for which threads = 0 stands: those of its affinity, or fewer where its
 * control group has a quota of processor time. At least 1. */
S2V_API int32_t s2v_usable_cores(void);

/* The name of the library that unpacks short gzip and deflate streams: "space2vec", "libdeflate" or "zlib". NULL if the
 * environment variable SPACE2VEC_INFLATE names one that this machine lacks; no reader opens then. */
S2V_API const char *s2v_inflate_engine(void);

/* Whether Avro blocks of a codec ("null", "deflate", "snappy", "zstandard") can be read on this machine: 1 or 0. */
S2V_API int32_t s2v_codec_available(const char *codec);

/* The registry of features, recipes, normalisers, flags and faults as a JSON document. */
S2V_API const char *s2v_registry(void);

/* The name of a fault of an input, by its number in the registry, from 1; 0 is "none". NULL past the end. */
S2V_API const char *s2v_fault_name(int32_t fault);

/* The number of stamp features of one or more sets (0: there is no such set), and the name of each; NULL past the end.
 * The order is that of the columns of s2v_features: the eighteen features of autoScan come first. */
S2V_API int32_t s2v_stamp_feature_count(int32_t sets);
S2V_API const char *s2v_stamp_feature_name(int32_t sets, int32_t index);

/* The stamp features of one or more sets (s2v_feature_set). convention: an s2v_convention, for the set autoscan.
 * values: (n, s2v_stamp_feature_count(sets)), NAN where undefined; flags: (n) bits (s2v_flag), overwritten;
 * threads: at least 1, or 0 for as many as the process may use: by its affinity, and its control group's quota. */
S2V_API s2v_status s2v_features(const s2v_stamps *stamps, int32_t sets, int32_t convention, float *values,
                                uint32_t *flags, int32_t threads);

/* Join the flags (n) that s2v_features, s2v_prepare or s2v_compose wrote with those that the reader of the stamps
 * raised (n). Of a plane that is missing the reader knows why (missing, bad_stamp), and the kernels whether it is
 * needed: a row is not refused for a plane that is not. offset: (n, S2V_CHANNELS), as in s2v_stamps. */
S2V_API s2v_status s2v_join_flags(const int64_t *offset, const uint32_t *raised, int64_t n, uint32_t *flags);

/* The shape (channel, height, width) of a recipe's output. */
S2V_API s2v_status s2v_recipe_shape(const char *recipe, int32_t shape[3]);

/* Prepare stamps by a recipe. planes: (n, channel, height, width); a row that cannot be prepared is NAN throughout;
 * flags: (n), overwritten. */
S2V_API s2v_status s2v_prepare(const s2v_stamps *stamps, const char *recipe, float *planes, uint32_t *flags,
                               int32_t threads);

/* The normalisers, numbered as in the registry's list. Their parameters, in the order of s2v_step.parameters:
 * sigma-clip sigma, maxiters; asinh softening; zscale contrast, clip (0 or 1); percentile low, high. */
typedef enum s2v_normaliser {
    S2V_MEDIAN_MAD = 0, /* (x - median) / (1.4826 MAD) */
    S2V_SIGMA_CLIP = 1, /* (x - median) / std after sigma clipping, as astropy.stats.sigma_clipped_stats */
    S2V_L2 = 2,         /* x / ||x|| */
    S2V_MIN_MAX = 3,    /* (x - min) / (max - min) */
    S2V_ASINH = 4,      /* asinh(x / softening) */
    S2V_ZSCALE = 5,     /* between the limits of astropy.visualization.ZScaleInterval */
    S2V_PERCENTILE = 6, /* between two percentiles, clipped to [0, 1] */
    S2V_NORMALISERS = 7
} s2v_normaliser;

enum { S2V_STEP_PARAMETERS = 4, S2V_MOST_STEPS = 8 };

/* One step of a chain. */
typedef struct s2v_step {
    int32_t kind; /* an s2v_normaliser */
    double parameters[S2V_STEP_PARAMETERS];
} s2v_step;

/* A view of n planes of one size. Pixels of a row follow each other. */
typedef struct s2v_planes {
    size_t size; /* sizeof(s2v_planes) */
    const float *pixels;
    const uint8_t *mask; /* (n, height, width) without gaps, not 0 where a pixel is left out; or NULL */
    int64_t n;           /* at most 2^31 - 1 */
    int32_t height;      /* at most 16384, as width */
    int32_t width;
    int64_t plane_stride; /* pixels from one plane to the next; 0: height * width */
    int64_t row_stride;   /* pixels from one row to the next; 0: width */
} s2v_planes;

/* A recipe of the caller: a chain of steps on a square around the candidate. Null pixels (1e-30), pixels that are not
 * finite, and pixels outside the stamp are left out of every statistic and become 0. */
typedef struct s2v_composition {
    size_t size;                    /* sizeof(s2v_composition) */
    int32_t side;                   /* 1 to 4096 */
    int32_t channel_count;          /* 1 to 3 */
    int32_t channels[S2V_CHANNELS]; /* distinct, as S2V_SCIENCE */
    int32_t step_count;             /* 1 to S2V_MOST_STEPS */
    const s2v_step *steps;
} s2v_composition;

/* A step by its name in the registry ("median-mad"), with the parameters of its definition. */
S2V_API s2v_status s2v_step_init(const char *name, s2v_step *step);

/* Normalise planes by a chain of 1 to S2V_MOST_STEPS steps. What is masked, NAN or infinite enters no statistic and
 * becomes `fill`. out: (n, height, width); a plane without usable pixels, or with nothing to divide by, is NAN
 * throughout and has the flag constant or zero_scale; flags: (n), overwritten. */
S2V_API s2v_status s2v_normalise(const s2v_planes *planes, const s2v_step *steps, int32_t step_count, float fill,
                                 float *out, uint32_t *flags, int32_t threads);

/* Prepare stamps by a composition. planes: (n, channel, side, side); otherwise as s2v_prepare. */
S2V_API s2v_status s2v_compose(const s2v_stamps *stamps, const s2v_composition *how, float *planes, uint32_t *flags,
                               int32_t threads);

/* An allocator for the pixels of batches, such as one of page-locked memory, from which a device copies directly. The
 * threads that call s2v_reader_next, s2v_reader_close and s2v_pixels_release call its functions, perhaps at the same
 * time. The library keeps up to 256 MiB of memory that is no longer used for later batches, for each allocator of a
 * process, and releases all of it with the last reader of this allocator and the last pixels that were taken over. */
typedef struct s2v_allocator {
    size_t size;                                     /* sizeof(s2v_allocator) */
    void *(*allocate)(void *context, int64_t bytes); /* aligned as malloc does; NULL: there is none, and ordinary memory
                                                        is used instead */
    void (*release)(void *context, void *memory, int64_t bytes);
    void *context;
} s2v_allocator;

/* A model; see model.h. */
typedef struct s2v_model s2v_model;

/* A scorer: the working memory and threads that score stamps by a model; see model.h. */
typedef struct s2v_scorer s2v_scorer;

enum { S2V_CATALOGUE_COLUMNS = 20 };

/* Data of candidates other than their pixels, by row. */
typedef struct s2v_catalogue {
    size_t size;            /* sizeof(s2v_catalogue) */
    const float *values;    /* (n, S2V_CATALOGUE_COLUMNS), the registry's features of the source "catalogue" in its
                               order, NAN where unknown; or NULL */
    const uint32_t *raised; /* (n) the flags that the reader of the stamps raised (s2v_batch.flags); or NULL */
} s2v_catalogue;

/* An image in a FITS file. */
typedef struct s2v_image {
    size_t size; /* sizeof(s2v_image), which the caller sets */
    int32_t height;
    int32_t width;
    double crpix[2];       /* CRPIX2, CRPIX1: row and column of the reference pixel, from 1; NAN where there is none */
    int32_t fault;         /* with S2V_BAD_INPUT: what was wrong (s2v_fault_name); else 0 */
    uint64_t fault_offset; /* and where, in the gzip stream or in the FITS file that came out of it */
} s2v_image;

/* Read an image out of the bytes of a FITS file, plain or gzip'd: the first two-dimensional one, or that of the unit
 * which EXTNAME names ("PRIMARY": the first unit); unit NULL or "": any. pixels: (height, width), room for `capacity`
 * of them, BSCALE and BZERO applied, NAN for BLANK; NULL: only the sizes are wanted. Too small a capacity is
 * S2V_INVALID_ARGUMENT, with the sizes in *image. An image in tiles (compressed_image) is not decoded. */
S2V_API s2v_status s2v_fits_image(const void *bytes, int64_t size, const char *unit, float *pixels, int64_t capacity,
                                  s2v_image *image);

#ifdef __cplusplus
}
#endif

#include "frames.h"
#include "model.h"
#include "packing.h"
#include "reader.h"

#endif
