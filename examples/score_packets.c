/* Scores of alert packets by the packaged default model: score_packets FILE... */
#include <space2vec/space2vec.h>

#include <stdio.h>

int main(int count, char **argument) {
    s2v_model *model = NULL;
    s2v_reader *reader = NULL;
    s2v_reading reading;
    s2v_batch batch = {.size = sizeof batch};
    s2v_reading_init(&reading);
    reading.count = count - 1;
    reading.paths = (const char *const *)argument + 1;
    reading.keep_pixels = 0;
    s2v_status status = s2v_model_load("default", &model);
    reading.model = model;
    if (status == S2V_OK) status = s2v_reader_open(&reading, &reader);
    while (status == S2V_OK && (status = s2v_reader_next(reader, 512, &batch)) == S2V_OK && batch.stamps.n > 0)
        for (int64_t i = 0; i < batch.stamps.n; ++i)
            printf("%lld %.9g %u\n", (long long)batch.candidate_id[i], batch.score[i], (unsigned)batch.score_flags[i]);
    if (status != S2V_OK) fprintf(stderr, "%s: %s\n", s2v_status_message(status), s2v_last_error());
    s2v_reader_close(reader);
    s2v_model_free(model);
    return status != S2V_OK;
}
