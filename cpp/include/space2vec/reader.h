/* space2vec: messages and files of alerts to rows. Part of space2vec.h. */
#ifndef SPACE2VEC_READER_H
#define SPACE2VEC_READER_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a row comes from. */
typedef struct s2v_place {
    int32_t source;  /* number of the input */
    int64_t record;  /* number in its file, or in its member of an archive, from 0; -1: the file itself */
    uint64_t offset; /* of the record, or of the packed block that holds it, in the (unpacked) file */
    uint64_t block;  /* offset at which reading can begin again */
} s2v_place;

/* Something wrong with a row. */
typedef struct s2v_problem {
    int64_t row; /* of the batch */
    s2v_place place;
    int32_t fault;         /* see s2v_fault_name */
    uint64_t fault_offset; /* in the cutout if there is a channel, else from the place's offset */
    int32_t channel;       /* the cutout that is meant; -1: the record, or what follows it */
    const char *member;    /* of an archive, or "" */
    const char *detail;    /* further words, or "" */
} s2v_problem;

/* What to read, and how; s2v_reading_init first. Everything that it points at must live as long as the reader, but for
 * the allocator, which is copied. */
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
    uint32_t planes;            /* bit c: plane c is decoded, and features are made of it; all by default */
    int32_t keep_pixels;        /* 0: pixels are used for the features and let go; 1 by default */
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
    void *context;                         /* of interrupted and decode_image */
    const s2v_allocator *allocator;        /* where the pixels of batches are put; NULL, the default: ordinary memory */
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
} s2v_reading;

/* What an id is. */
typedef enum s2v_id_kind {
    S2V_ID_UNKNOWN = 0,
    S2V_ID_SIGNED = 1,   /* a number that int64_t holds */
    S2V_ID_UNSIGNED = 2, /* one that only uint64_t holds */
    S2V_ID_TEXT = 3
} s2v_id_kind;

/* Whose an alert is, as far as it decides what its numbers mean. */
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

/* What a packet has at a path. */
typedef struct s2v_value {
    int32_t kind; /* an s2v_value_kind */
    int64_t integer;
    double real;
    int64_t text_end; /* in s2v_batch.value_texts; the text begins where that of the value before it ends */
} s2v_value;

/* Rows of a reader, in the order of the input; valid until the next call with the same reader, but for pixels that were
 * taken. A packet, or the rest of a file, that cannot be read is a row without planes. */
typedef struct s2v_batch {
    size_t size;                       /* sizeof(s2v_batch), which the caller sets */
    s2v_stamps stamps;                 /* n rows; without pixels where these are not kept */
    const uint32_t *flags;             /* (n) what the reader saw */
    const int64_t *candidate_id;       /* (n) -1: unknown, or no signed number of 64 bits; then there is a text: */
    const uint8_t *candidate_kind;     /* (n) an s2v_id_kind */
    const char *candidate_texts;       /* the ids of kinds unsigned and text, one after another, as they stand */
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
} s2v_batch;

typedef struct s2v_reader s2v_reader;

S2V_API void s2v_reading_init(s2v_reading *reading);

/* Begin to read: threads read ahead and decode. */
S2V_API s2v_status s2v_reader_open(const s2v_reading *reading, s2v_reader **reader);

/* The next rows, at most `rows`; batch->stamps.n is 0 at the end. S2V_IO_ERROR: the machine could not read an input,
 * see s2v_reader_message; the rows before it have been given. After S2V_OUT_OF_MEMORY the reader is of no further use.
 * One thread at a time. */
S2V_API s2v_status s2v_reader_next(s2v_reader *reader, int64_t rows, s2v_batch *batch);

/* The pixels of a batch, taken over from its reader. */
typedef struct s2v_pixels {
    size_t size; /* sizeof(s2v_pixels), which the caller sets */
    float *pixels;
    int64_t pixel_count;
    int32_t allocated; /* 1: in memory of s2v_reading.allocator; 0: in ordinary memory */
    void *owner;       /* the library's */
} s2v_pixels;

/* Take over the pixels of the batch that s2v_reader_next gave last, without a copy: they stay where they are until
 * s2v_pixels_release, whatever becomes of the reader, and the next batch has room of its own. There are none to take
 * where none are kept, or a second time: pixels is NULL then. */
S2V_API s2v_status s2v_reader_take_pixels(s2v_reader *reader, s2v_pixels *pixels);

/* Give them back, from any thread; nothing is left to be given back then. */
S2V_API void s2v_pixels_release(s2v_pixels *pixels);

/* What failed last: "path: reason", or "". */
S2V_API const char *s2v_reader_message(const s2v_reader *reader);

/* Whether a schema has each of the columns: present (column_count), 1 or 0. */
S2V_API s2v_status s2v_reader_schema_columns(const s2v_reader *reader, int32_t schema, uint8_t *present);

/* Of what kinds the values of the fields may be by a schema, as bits (1 << s2v_value_kind): kinds (field_count); 0: the
 * schema has no such field. */
S2V_API s2v_status s2v_reader_schema_fields(const s2v_reader *reader, int32_t schema, uint8_t *kinds);

/* The paths to all single values of a schema, one a line, where fields are asked for: as much as `capacity` bytes hold;
 * *size is how many there are. */
S2V_API s2v_status s2v_reader_schema_paths(const s2v_reader *reader, int32_t schema, char *paths, int64_t capacity,
                                           int64_t *size);

/* See whether a schema (JSON) is one of alerts. S2V_BAD_INPUT: why not, in words, as much as `capacity` bytes hold;
 * *size is how long they are. */
S2V_API s2v_status s2v_schema_check(const char *schema, char *reason, int64_t capacity, int64_t *size);

/* The number of the path, or of the column of a table, that is meant by a name; -1: none, or several. A path is meant
 * by itself; by "magpsf" candidate.magpsf or diaSource.magpsf; by another name if it is the end of one path only. Case,
 * underscores, dots and Fink's prefixes (i:magpsf) do not count. Under their names in ZTF's and Rubin's packets
 * (objectId, candid, candidate.xpos, cutoutScience.stampData, ...) fields are found that other packets and tables name
 * otherwise. */
S2V_API int64_t s2v_find_field(const char *const *paths, int64_t count, const char *wanted);

S2V_API void s2v_reader_close(s2v_reader *reader);

/* What of a survey's packets the columns of the catalogue are made of: *count dotted paths (those of S2V_SURVEY_OTHER
 * are ZTF's), which live as long as the process. */
S2V_API s2v_status s2v_catalogue_columns(int32_t survey, const char *const **paths, int32_t *count);

/* Columns of the catalogue out of such fields. fields: (n, count), NAN where a packet says nothing, a text of one
 * letter as its code ('g' is 103), -999 as ZTF's older packets have it; present: (count) 1 where the packets have such
 * a field at all, 0 where not (a null distnr says that no source is near), NULL: all; columns: (n,
 * S2V_CATALOGUE_COLUMNS) in the registry's order, NAN where unknown, for s2v_catalogue.values. */
S2V_API s2v_status s2v_catalogue_from(int32_t survey, int64_t n, const double *fields, const uint8_t *present,
                                      float *columns);

/* The columns of alerts in memory, as a table has them: the cutouts of n rows (FITS, plain or gzip'd). */
typedef struct s2v_cutouts {
    size_t size; /* sizeof(s2v_cutouts) */
    int64_t n;
    const uint8_t *data[3];  /* the cutouts of a channel one after another; NULL: the table has none */
    const int64_t *begin[3]; /* (n + 1) offsets into data; equal where a row has none */
    const double *x;         /* (n) position on the detector, from 1, NAN where unknown; or NULL */
    const double *y;
    int32_t rubin;             /* 1: the reference pixel of a cutout is the candidate's place */
    int32_t ztf_fields;        /* 1: the table has fields that only ZTF's packets have (rcid, pdiffimfilename) */
    const char *object_ids;    /* texts, one after another; or NULL. With the publishers they tell whose an alert is */
    const int64_t *object_end; /* (n) */
    const char *publishers;    /* texts, one after another; or NULL */
    const int64_t *publisher_end;     /* (n) */
    const double *catalogue;          /* (n, count) the fields of s2v_catalogue_columns(rubin ? S2V_SURVEY_RUBIN :
                                         S2V_SURVEY_ZTF), NAN where a row has none; or NULL */
    const uint8_t *catalogue_present; /* (count) 1: the table has the field; NULL: all of them */
} s2v_cutouts;

/* Read such a table; of the reading only planes, keep_pixels, sets, convention, saturation, threads, allocator,
 * decode_image, model and catalogue count. */
S2V_API s2v_status s2v_reader_open_cutouts(const s2v_cutouts *cutouts, const s2v_reading *reading, s2v_reader **reader);

/* What decodes messages that are in memory, as a stream of alerts delivers them: at once, in the caller's thread, and a
 * schema once however many messages have it. One thread at a time; threads may share the model. */
typedef struct s2v_decoder s2v_decoder;

/* Of the reading columns, fields, schemas, planes, keep_pixels, sets, convention, saturation, allocator, decode_image,
 * model and catalogue count; of what it points at, the model alone must live as long as the decoder. */
S2V_API s2v_status s2v_decoder_create(const s2v_reading *reading, s2v_decoder **decoder);
S2V_API void s2v_decoder_free(s2v_decoder *decoder);

/* Let the decoder know a schema (JSON) of messages, at any time: by the number in their header, or of those that have
 * no header. S2V_BAD_INPUT: it is none of alerts; s2v_last_error says why. */
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

/* An id as text, which does not end with a zero. */
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

/* As of a reader: the pixels of the last batch, and what a schema (s2v_batch.schema) has. */
S2V_API s2v_status s2v_decoder_take_pixels(s2v_decoder *decoder, s2v_pixels *pixels);
S2V_API s2v_status s2v_decoder_schema_columns(const s2v_decoder *decoder, int32_t schema, uint8_t *present);
S2V_API s2v_status s2v_decoder_schema_fields(const s2v_decoder *decoder, int32_t schema, uint8_t *kinds);
S2V_API s2v_status s2v_decoder_schema_paths(const s2v_decoder *decoder, int32_t schema, char *paths, int64_t capacity,
                                            int64_t *size);

#ifdef __cplusplus
}
#endif

#endif
