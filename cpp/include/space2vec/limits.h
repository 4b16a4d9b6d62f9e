/* Limits on the memory and rows that one input may ask for: a small file may unpack to gigabytes, or take hours. */
#ifndef SPACE2VEC_LIMITS_H
#define SPACE2VEC_LIMITS_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Limits of a reader; 0 stands for the default that is given here. A row that asks for more has the fault too_large, as
 * has the one row that stands for the rest of a file. */
typedef struct s2v_limits {
    size_t size;         /* sizeof(s2v_limits) */
    int64_t id_bytes;    /* bytes of an id: 1,024 */
    int64_t batch_bytes; /* bytes of pixels in a batch: 128 MiB. A batch that reaches it has fewer rows than were asked
                            for, but at least one */
    int64_t free_rows;   /* rows that any file may have: 20,000, and one more for each four bytes of it */
    int64_t free_bytes;  /* bytes that any file may unpack to: 256 MiB, and 1,024 more for each byte of it */
} s2v_limits;

/* Open a reader as s2v_reader_open and s2v_reader_open_cutouts do, within limits of the caller. */
S2V_API s2v_status s2v_reader_open_within(const s2v_reading *reading, const s2v_limits *limits, s2v_reader **reader);
S2V_API s2v_status s2v_reader_open_cutouts_within(const s2v_cutouts *cutouts, const s2v_reading *reading,
                                                  const s2v_limits *limits, s2v_reader **reader);
/* Create a decoder as s2v_decoder_create does, within limits of the caller: id_bytes is the only one that it uses. */
S2V_API s2v_status s2v_decoder_create_within(const s2v_reading *reading, const s2v_limits *limits,
                                             s2v_decoder **decoder);

#ifdef __cplusplus
}
#endif

#endif
