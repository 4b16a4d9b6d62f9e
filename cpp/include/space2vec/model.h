/* space2vec: models and scorers. Part of space2vec.h. */
#ifndef SPACE2VEC_MODEL_H
#define SPACE2VEC_MODEL_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Load a model by the name of a packaged one ("default", "stampnet", "stampnet-fast", "tablenet", "forest", "autoscan",
 * and "vectornet", which gives vectors) or from a file. An s2v_model is a forest, or a network that runs in integers.
 * It never changes: threads may share it. */
S2V_API s2v_status s2v_model_load(const char *name_or_path, s2v_model **model);
/* Load a model from the bytes of a file, which the caller may free afterwards. */
S2V_API s2v_status s2v_model_from_memory(const void *bytes, int64_t size, s2v_model **model);
/* Free a model. No scorer of it may be in use. */
S2V_API void s2v_model_free(s2v_model *model);

/* The header of the model's file, a JSON object; the model's name; the name of a column that it takes, NULL past the
 * end. */
S2V_API const char *s2v_model_header(const s2v_model *model);
S2V_API const char *s2v_model_name(const s2v_model *model);
S2V_API const char *s2v_model_column(const s2v_model *model, int32_t index);

/* The inputs that a model needs. */
typedef struct s2v_needs {
    size_t size;        /* sizeof(s2v_needs) */
    uint32_t planes;    /* bit c: the model looks at plane c */
    uint32_t optional;  /* of these planes, those that may be missing */
    int32_t sets;       /* stamp features that are measured (s2v_feature_set); 0: none */
    int32_t convention; /* an s2v_convention */
    int32_t shape[3];   /* (channel, height, width) of the prepared planes of a row; 0: it takes none */
    int32_t columns;    /* number of columns that it takes; 0: none */
    int32_t catalogue;  /* of these, columns of the catalogue */
    int32_t foreign;    /* of these, columns that neither stamps nor the catalogue give: the model scores tables of the
                           caller alone */
    int32_t runs;       /* 1: the library runs it; 0: it is a network of floats alone */
    uint32_t
        first; /* of a cascade, the planes that its first network looks at. Where this network is sure, a reader decodes
                  no other planes of the row, and raises the flag scored_early. 0: the model is no cascade */
    int32_t vector; /* numbers of the vector that the model gives of a candidate; 0: it gives a score */
} s2v_needs;
S2V_API s2v_status s2v_model_needs(const s2v_model *model, s2v_needs *needs);

/* Compute P(real) of inputs that were prepared. planes: (n, shape) as its recipe prepares them, NULL where it takes
 * none; columns: (n, columns), NAN where undefined, NULL where it takes none; score: (n), NAN where a pixel is not
 * finite. The inputs of a cascade are those of its second network, which contain those of the first; both networks are
 * asked as they are for stamps. */
S2V_API s2v_status s2v_model_predict(const s2v_model *model, const float *planes, const float *columns, int64_t n,
                                     float *score, int32_t threads);

/* Compute the vectors of inputs that were prepared, by a network of vectors (s2v_needs.vector > 0). vectors: (n,
 * vector), each number from -127 to 127; zeros where a pixel is not finite. Otherwise as s2v_model_predict.
 * S2V_BAD_MODEL: the model gives scores; s2v_model_predict and the functions that score give that status for a network
 * of vectors. */
S2V_API s2v_status s2v_model_predict_vectors(const s2v_model *model, const float *planes, const float *columns,
                                             int64_t n, int8_t *vectors, int32_t threads);

/* Score rows of a table that has the columns of a model. columns: (n, columns), NAN where
 * unknown; raised: (n) flags of the rows so far, or NULL; score: (n) P(real), NAN where a flag forbids it or where no
 * column is known; flags: (n), overwritten: those that were raised, and missing where nothing is known, or nothing of
 * the catalogue by a model that rests on it. S2V_INVALID_ARGUMENT: the model takes planes. */
S2V_API s2v_status s2v_score_columns(const s2v_model *model, const float *columns, const uint32_t *raised, int64_t n,
                                     float *score, uint32_t *flags, int32_t threads);

/* Apply only the rule of s2v_score_columns that decides which rows have a score, for callers that run a network of
 * floats themselves. scored: (n) 1 where a row has a score. */
S2V_API s2v_status s2v_check_columns(const s2v_model *model, const float *columns, const uint32_t *raised, int64_t n,
                                     uint32_t *flags, uint8_t *scored);

/* Options of a scorer. Call s2v_scorer_options_init first. */
typedef struct s2v_scorer_options {
    size_t size;          /* sizeof(s2v_scorer_options) */
    int32_t threads;      /* workers, which wait between calls; 1 by default; 0: one a core */
    int32_t largest_side; /* of a stamp; a larger one is flagged off_shape. 0, the default: any */
    /* The caller's pool, or NULL: calls task(argument, i) for i from 0 to tasks - 1, tasks being at most `threads`,
     * each once and perhaps at the same time, and returns when all are done. */
    void (*run)(void *pool, int32_t tasks, void (*task)(void *argument, int32_t i), void *argument);
    void *pool;
    const s2v_allocator *allocator; /* of the workers' memory; copied. NULL, the default: ordinary memory */
} s2v_scorer_options;
S2V_API void s2v_scorer_options_init(s2v_scorer_options *options);

/* Create a scorer of a model, which must outlive it. It allocates all its memory here. options: NULL for the default
 * ones. S2V_BAD_MODEL: a network of floats alone, or a model of columns that stamps do not give. */
S2V_API s2v_status s2v_scorer_create(const s2v_model *model, const s2v_scorer_options *options, s2v_scorer **scorer);
S2V_API void s2v_scorer_free(s2v_scorer *scorer);

/* Score stamps. catalogue: NULL if there are no data of the catalogue. score: (n) P(real), NAN where a flag forbids it,
 * where a row cannot be prepared, or where a model of columns alone finds no value in any; flags: (n), overwritten.
 * Nothing is allocated. One thread at a time. */
S2V_API s2v_status s2v_score_stamps(s2v_scorer *scorer, const s2v_stamps *stamps, const s2v_catalogue *catalogue,
                                    float *score, uint32_t *flags);

/* Compute the vectors of stamps, by a scorer of a network of vectors (s2v_needs.vector > 0). The likeness of two
 * candidates is the cosine between their vectors. vectors: (n, vector), each number from -127 to 127; zeros where
 * s2v_score_stamps would give no score; flags: (n), overwritten, say why. Nothing is allocated. One thread at a time.
 * S2V_BAD_MODEL: the model gives scores. */
S2V_API s2v_status s2v_embed_stamps(s2v_scorer *scorer, const s2v_stamps *stamps, const s2v_catalogue *catalogue,
                                    int8_t *vectors, uint32_t *flags);

/* Compute the inputs that a model needs of stamps, for callers that run a network of floats or train one. planes: (n,
 * shape), NAN throughout where a row cannot be prepared, 0 in a plane that is absent and that the model can do without;
 * columns: (n, columns); either may be NULL where it is not wanted. flags: (n) as s2v_score_stamps gives them; scored:
 * (n) 1 where a row has a score. Of a cascade these are the inputs of its second network. S2V_BAD_MODEL: a model of
 * columns that stamps do not give.
 */
S2V_API s2v_status s2v_model_inputs(const s2v_model *model, const s2v_stamps *stamps, const s2v_catalogue *catalogue,
                                    float *planes, float *columns, uint32_t *flags, uint8_t *scored, int32_t threads);

/* Turn scores of any model into probabilities, in place, by linear interpolation between knots. knots: 2 to 1024; x:
 * (knots) scores from 0 to 1 that rise strictly; y: (knots) from 0 to 1, none below the one before: the probabilities
 * there. Beyond the first and the last knot the probability is that of the knot; NAN stays NAN. A higher score never
 * becomes a lower one. score: (n). Model files hold such tables in their header ("calibration"). */
S2V_API s2v_status s2v_calibrate(int32_t knots, const float *x, const float *y, float *score, int64_t n);

#ifdef __cplusplus
}
#endif

#endif
