/* space2vec: readers of alert files and decoders of alert messages. Part of space2vec.h. */
#ifndef SPACE2VEC_READER_H
#define SPACE2VEC_READER_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The place of a row in the input. */
typedef struct s2v_place {
    int32_t source;  /* number of the input */
    int64_t record;  /* number in its file, or in its member of an archive, from 0; -1: the file itself */
    uint64_t offset; /* of the record, or of the packed block that holds it, in the (unpacked) file */
    uint64_t block;  /* offset at which reading can begin again */
} s2v_place;

/* A fault of a row. */
typedef struct s2v_problem {
    int64_t row; /* of the batch */
    s2v_place place;
    int32_t fault;         /* see s2v_fault_name */
    uint64_t fault_offset; /* in the cutout if there is a channel, else from the place's offset */
    int32_t channel;       /* the cutout that is meant; -1: the record, or what follows it */
    const char *member;    /* of an archive, or "" */
    const char *detail;    /* further words, or "" */
} s2v_problem;

/* The inputs and options of a reader. Call s2v_reading_init first. Everything that it points at must live as long as
 * the reader, except the allocator, which is copied. */
typedef struct s2v_reading {
    size_t size;               /* sizeof(s2v_reading) */
    int64_t count;             /* of the inputs */
    const char *const *paths;  /* (count) files; "-": standard input. Avro files, tar archives of them, either gzip'd as
                                  a whole, files of bare messages */
    const void *const *memory; /* (count) instead of paths: bytes of the same kinds, a message an input for one */
    const int64_t *memory_size; /* (count) */
    int32_t column_count;
    const char *const *columns; /* (column_count) dotted paths of numbers that are wanted: "candidate.magpsf" */
    int32_t field_count;
    const char *const *fields;  /* (field_count) paths of values of any kind that are wanted, as s2v_find_field finds
                                   them */
    int32_t schema_count;       /* of bare messages: */
    const uint32_t *schema_ids; /* (schema_count) the number in a message's header */
    const char *const *schemas; /* (schema_count) JSON */
    uint32_t planes;            /* bit c: plane c is decoded, and features are measured on it; all by default */
    int32_t keep_pixels;        /* 0: pixels are dropped once features and scores are computed; 1 by default */
    int32_t sets;               /* the stamp features of these sets are computed; 0, the default: none */
    int32_t convention;         /* an s2v_convention */
    float saturation;           /* as in s2v_stamps; NAN by default */
    int32_t threads;            /* workers; 0, the default: one a core */
    int32_t start_source;       /* where to begin: input, */
    uint64_t start_block;       /* s2v_place.block in it, */
    int64_t start_row;          /* and rows to leave out from there */
    int32_t (*interrupted)(void *context); /* or NULL; asked ten times a second while rows are waited for, in the
                                              thread that waits: once it returns non-zero, s2v_reader_next gives up
                                              with S2V_INTERRUPTED, and the reader is of no further use */
    void *context;                         /* argument of interrupted and decode_image */
    const s2v_allocator *allocator;        /* for the pixels of batches; NULL, the default: ordinary memory */
    int32_t (*decode_image)(void *context, const void *unit, int64_t size, int32_t height, int32_t width,
                            float *pixels); /* or NULL; decodes what the library does not, an image in tiles, and
                                               returns 0 where it could. unit: the extension that holds it, and what
                                               follows in its file. Called by workers, several at a time */
    const s2v_model *model; /* or NULL; scores the rows while their pixels are in a worker's cache: batches carry the
                               scores. The planes that it needs are decoded; where neither pixels are kept nor features
                               are asked for, no others. Of a cascade they are those of the first network, and the
                               others only of rows that it leaves in doubt */
    int32_t catalogue;      /* 1: batches have the columns of the catalogue, as far as packets give them; 0 by default.
                               A model that takes such columns gets them either way */
    const s2v_model *embedder; /* or NULL; a network of vectors (s2v_needs.vector > 0): batches carry the vectors of the
                                  rows, beside scores where there is a model too. What both take alike is prepared
                                  once. The planes that it needs are decoded */
} s2v_reading;

/* The kind of an id. */
typedef enum s2v_id_kind {
    S2V_ID_UNKNOWN = 0,
    S2V_ID_SIGNED = 1,   /* a number that int64_t holds */
    S2V_ID_UNSIGNED = 2, /* one that only uint64_t holds */
    S2V_ID_TEXT = 3
} s2v_id_kind;

/* The survey of an alert, which decides what its numbers mean. */
typedef enum s2v_survey {
    S2V_SURVEY_OTHER = 0, /* unknown, or another camera with packets like ZTF's */
    S2V_SURVEY_ZTF = 1,   /* from ZTF itself or passed on by a broker */
    S2V_SURVEY_RUBIN = 2
} s2v_survey;

typedef enum s2v_value_kind {
    S2V_VALUE_NONE = 0, /* the packet says null, or its schema has no such field */
    S2V_VALUE_INTEGER = 1,
    S2V_VALUE_REAL = 2,
    S2V_VALUE_TEXT = 3
} s2v_value_kind;

/* The value of a packet at a path. */
typedef struct s2v_value {
    int32_t kind; /* an s2v_value_kind */
    int64_t integer;
    double real;
    int64_t text_end; /* in s2v_batch.value_texts; the text begins where that of the value before it ends */
} s2v_value;

/* A batch of rows, in the order of the input. It is valid until the next call with the same reader, except pixels that
 * were taken over. A packet that cannot be read, or the rest of a file that cannot be read, is one row without planes.
 */
typedef struct s2v_batch {
    size_t size;                   /* sizeof(s2v_batch), which the caller sets */
    s2v_stamps stamps;             /* n rows; without pixels where these are not kept */
    const uint32_t *flags;         /* (n) flags that the reader raised */
    const int64_t *candidate_id;   /* (n) -1: unknown, or no signed number of 64 bits; the latter has a text: */
    const uint8_t *candidate_kind; /* (n) an s2v_id_kind */
    const char *candidate_texts; /* the ids of kinds unsigned and text, one after another, as the packets write them */
    const int64_t *candidate_text_end; /* (n) */
    const char *object_ids;            /* texts, one after another; UTF-8 if the packets are in order */
    const int64_t *object_end;         /* (n) */
    const uint8_t *survey;             /* (n) an s2v_survey */
    const int32_t *schema;             /* (n) number for s2v_reader_schema_columns; -1: none */
    const double *columns;             /* (n, column_count) NAN where a packet has no number */
    const s2v_value *values;           /* (n, field_count) */
    const char *value_texts;           /* of the values, one after another */
    const float *catalogue;            /* (n, S2V_CATALOGUE_COLUMNS) as s2v_catalogue has them, or NULL */
    const float *features;             /* (n, s2v_stamp_feature_count(sets)), or NULL */
    const uint32_t *feature_flags;     /* (n) as of s2v_features, or NULL */
    const float *score;                /* (n) as of s2v_score_stamps, or NULL */
    const uint32_t *score_flags;       /* (n), or NULL */
    const s2v_place *place;            /* (n) */
    const s2v_problem *problems;       /* by row */
    int64_t problem_count;
    const int8_t *vectors;        /* (n, vector) as of s2v_embed_stamps, or NULL */
    const uint32_t *vector_flags; /* (n), or NULL */
    int32_t vector;               /* numbers of a vector; 0: there are none */
} s2v_batch;

typedef struct s2v_reader s2v_reader;

S2V_API void s2v_reading_init(s2v_reading *reading);

/* Open a reader. Its threads begin to read ahead and to decode. */
S2V_API s2v_status s2v_reader_open(const s2v_reading *reading, s2v_reader **reader);

/* Fill a batch with the next rows, at most `rows`; batch->stamps.n is 0 at the end. S2V_IO_ERROR: the machine could not
 * read an input, which s2v_reader_message names; earlier calls have returned all rows before it. After
 * S2V_OUT_OF_MEMORY the reader is of no further use. One thread at a time. */
S2V_API s2v_status s2v_reader_next(s2v_reader *reader, int64_t rows, s2v_batch *batch);

/* Pixels of a batch that the caller has taken over from a reader or a decoder. */
typedef struct s2v_pixels {
    size_t size; /* sizeof(s2v_pixels), which the caller sets */
    float *pixels;
    int64_t pixel_count;
    int32_t allocated; /* 1: in memory of s2v_reading.allocator; 0: in ordinary memory */
    void *owner;       /* the library's */
} s2v_pixels;

/* Take over the pixels of the last batch of s2v_reader_next without a copy: they stay valid until s2v_pixels_release,
 * also when the reader is closed, and the next batch has its own memory. pixels is NULL if the reader keeps no pixels,
 * or if they were taken over before. */
S2V_API s2v_status s2v_reader_take_pixels(s2v_reader *reader, s2v_pixels *pixels);

/* Release pixels, from any thread; a second call does nothing. */
S2V_API void s2v_pixels_release(s2v_pixels *pixels);

/* The reason of the last failure, as "path: reason"; "" if there is none. */
S2V_API const char *s2v_reader_message(const s2v_reader *reader);

/* Tell which of the columns a schema has. present: (column_count) 1 or 0. */
S2V_API s2v_status s2v_reader_schema_columns(const s2v_reader *reader, int32_t schema, uint8_t *present);

/* Tell which kinds of values the fields may have by a schema. kinds: (field_count) bits 1 << s2v_value_kind; 0: the
 * schema has no such field. */
S2V_API s2v_status s2v_reader_schema_fields(const s2v_reader *reader, int32_t schema, uint8_t *kinds);

/* Copy the paths to all single values of a schema, one a line, as far as `capacity` bytes hold them. *size: their
 * length in bytes; 0 if the reading asks for no fields. */
S2V_API s2v_status s2v_reader_schema_paths(const s2v_reader *reader, int32_t schema, char *paths, int64_t capacity,
                                           int64_t *size);

/* Check whether a schema (JSON) is one of alerts. If not, the status is S2V_BAD_INPUT, and `reason` has a sentence, as
 * far as `capacity` bytes hold it. *size: its length in bytes. */
S2V_API s2v_status s2v_schema_check(const char *schema, char *reason, int64_t capacity, int64_t *size);

/* Find the path, or the column of a table, that a name means, and return its number; -1 if there is none, or more than
 * one. A full path means itself; "magpsf" means candidate.magpsf or diaSource.magpsf; any other name means the only
 * path that ends with it. Case, underscores, dots and the prefixes of Fink (i:magpsf) do not count. The names of ZTF
 * and Rubin (objectId, candid, candidate.xpos, cutoutScience.stampData, ...) also find fields that other packets and
 * tables call otherwise. */
S2V_API int64_t s2v_find_field(const char *const *paths, int64_t count, const char *wanted);

S2V_API void s2v_reader_close(s2v_reader *reader);

/* The fields of a survey's packets from which the columns of the catalogue are computed: *count dotted paths, which
 * live as long as the process. S2V_SURVEY_OTHER has those of ZTF. */
S2V_API s2v_status s2v_catalogue_columns(int32_t survey, const char *const **paths, int32_t *count);

/* Compute the columns of the catalogue from such fields. fields: (n, count), NAN where a packet has no value, a text of
 * one letter as its code ('g' is 103), -999 as ZTF's older packets have it; present: (count) 1 where the packets have
 * such a field at all, 0 where not (a null distnr says that no source is near), NULL: all; columns: (n,
 * S2V_CATALOGUE_COLUMNS) in the registry's order, NAN where unknown, for s2v_catalogue.values. */
S2V_API s2v_status s2v_catalogue_from(int32_t survey, int64_t n, const double *fields, const uint8_t *present,
                                      float *columns);

/* A table of n alerts in memory, by column; its cutouts are FITS files, plain or gzip'd. */
typedef struct s2v_cutouts {
    size_t size; /* sizeof(s2v_cutouts) */
    int64_t n;
    const uint8_t *data[3];  /* the cutouts of a channel one after another; NULL: the table has none */
    const int64_t *begin[3]; /* (n + 1) offsets into data; equal where a row has none */
    const double *x;         /* (n) position on the detector, from 1, NAN where unknown; or NULL */
    const double *y;
    int32_t rubin;      /* 1: the reference pixel of a cutout is the candidate's place */
    int32_t ztf_fields; /* 1: the table has fields that only ZTF's packets have (rcid, pdiffimfilename) */
    const char
        *object_ids; /* texts, one after another; or NULL. With the publishers they decide the survey of an alert */
    const int64_t *object_end;        /* (n) */
    const char *publishers;           /* texts, one after another; or NULL */
    const int64_t *publisher_end;     /* (n) */
    const double *catalogue;          /* (n, count) the fields of s2v_catalogue_columns(rubin ? S2V_SURVEY_RUBIN :
                                         S2V_SURVEY_ZTF), NAN where a row has none; or NULL */
    const uint8_t *catalogue_present; /* (count) 1: the table has the field; NULL: all of them */
} s2v_cutouts;

/* Open a reader of such a table. It uses only planes, keep_pixels, sets, convention, saturation, threads, allocator,
 * decode_image, model and catalogue of the reading. */
S2V_API s2v_status s2v_reader_open_cutouts(const s2v_cutouts *cutouts, const s2v_reading *reading, s2v_reader **reader);

/* A decoder of messages in memory, as a stream of alerts delivers them. It works in the thread of the caller, and
 * compiles each schema once. One thread at a time; threads may share the model. */
typedef struct s2v_decoder s2v_decoder;

/* Create a decoder. It uses columns, fields, schemas, planes, keep_pixels, sets, convention, saturation, allocator,
 * decode_image, model and catalogue of the reading, of which only the model must live as long as the decoder. */
S2V_API s2v_status s2v_decoder_create(const s2v_reading *reading, s2v_decoder **decoder);
S2V_API void s2v_decoder_free(s2v_decoder *decoder);

/* Add the schema (JSON) of messages whose header has a number, or set that of messages without a header; at any time.
 * S2V_BAD_INPUT: it is no schema of alerts, and s2v_last_error gives the reason. */
S2V_API s2v_status s2v_decoder_add_schema(s2v_decoder *decoder, uint32_t id, const char *json);
S2V_API s2v_status s2v_decoder_set_bare_schema(s2v_decoder *decoder, const char *json);

/* Decode n messages. Each is a record behind a header (a zero and the number of its schema in four bytes), a whole Avro
 * file, or a record of the schema for those without a header. batch: exactly one row a message, in their order, its
 * s2v_place.source; valid until the next call. A message that is NULL or empty, damaged, or of an unknown schema is a
 * row without planes, and a problem says why; of one that holds more than one alert, or bytes behind it, the first is
 * taken, and the row has the flag surplus. Where pixels are kept, those of a call are 128 MiB at most (2,800 triplets
 * of 63 x 63); planes beyond have the fault too_large. Once a decoder has seen as many and as large messages as there
 * are, sound ones cost no allocation. */
S2V_API s2v_status s2v_decode_messages(s2v_decoder *decoder, const void *const *messages, const int64_t *sizes,
                                       int64_t n, s2v_batch *batch);

/* An id as text, without a terminating zero. */
typedef struct s2v_id {
    const char *text;
    int64_t size; /* 0: unknown */
    int32_t kind; /* an s2v_id_kind */
} s2v_id;

/* Score n messages by the model of the decoder's reading. score: (n) P(real), NAN where a row has none; flags: (n);
 * candidate_ids, object_ids: (n), valid until the next call, or NULL. */
S2V_API s2v_status s2v_score_messages(s2v_decoder *decoder, const void *const *messages, const int64_t *sizes,
                                      int64_t n, s2v_id *candidate_ids, s2v_id *object_ids, float *score,
                                      uint32_t *flags);

/* Take over the pixels of the last batch, and ask what a schema (s2v_batch.schema) has, as of a reader. */
S2V_API s2v_status s2v_decoder_take_pixels(s2v_decoder *decoder, s2v_pixels *pixels);
S2V_API s2v_status s2v_decoder_schema_columns(const s2v_decoder *decoder, int32_t schema, uint8_t *present);
S2V_API s2v_status s2v_decoder_schema_fields(const s2v_decoder *decoder, int32_t schema, uint8_t *kinds);
S2V_API s2v_status s2v_decoder_schema_paths(const s2v_decoder *decoder, int32_t schema, char *paths, int64_t capacity,
                                            int64_t *size);

#ifdef __cplusplus
}
#endif

#endif
