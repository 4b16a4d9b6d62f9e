/* What a file of others may ask for: a small one may stand for gigabytes, or for hours. */
#ifndef SPACE2VEC_LIMITS_H
#define SPACE2VEC_LIMITS_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 0 is what is said here, and what s2v_reader_open goes by. What asks for more is a row, or one that stands for the
 * rest of its file, with the fault too_large. */
typedef struct s2v_limits {
    size_t size;         /* sizeof(s2v_limits) */
    int64_t id_bytes;    /* of an id: 1,024 */
    int64_t batch_bytes; /* of pixels in a batch, which has fewer rows then than were asked for: 128 MiB; one row is
                            given always */
    int64_t free_rows;   /* of any file: 20,000; beyond, one for each four bytes of it */
    int64_t free_bytes;  /* that any file may unpack to: 256 MiB; beyond, 1,024 for each byte of it */
} s2v_limits;

/* As s2v_reader_open and s2v_reader_open_cutouts, within limits of the caller's. */
S2V_API s2v_status s2v_reader_open_within(const s2v_reading *reading, const s2v_limits *limits, s2v_reader **reader);
S2V_API s2v_status s2v_reader_open_cutouts_within(const s2v_cutouts *cutouts, const s2v_reading *reading,
                                                  const s2v_limits *limits, s2v_reader **reader);
/* And s2v_decoder_create, of which id_bytes alone counts. */
S2V_API s2v_status s2v_decoder_create_within(const s2v_reading *reading, const s2v_limits *limits,
                                             s2v_decoder **decoder);

#ifdef __cplusplus
}
#endif

#endif
