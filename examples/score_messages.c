/* Scores of messages as a stream of alerts delivers them: score_messages SCHEMA_ID SCHEMA_FILE MESSAGE_FILE... */
#include <space2vec/space2vec.h>
#include <stdio.h>
#include <stdlib.h>

/* [alert] */
/* A message, and what becomes of it. */
struct alert {
    const void *bytes;
    int64_t size;
    s2v_id id;
    float score;
    uint32_t flags;
};
/* [/alert] */

/* The bytes of a file with a zero behind them; NULL where it cannot be read. */
static char *contents(const char *path, int64_t *size) {
    FILE *const file = fopen(path, "rb");
    const long length = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *const bytes = length < 0 ? NULL : calloc(1, (size_t)length + 1);
    if (bytes) rewind(file);
    *size = bytes ? (int64_t)fread(bytes, 1, (size_t)length, file) : 0;
    if (file) fclose(file);
    return bytes;
}

/* The next message of a stream, for which files stand here; 0 at its end. */
static int next_message(char ***files, struct alert *alert) {
    free((void *)alert->bytes);
    alert->bytes = **files ? contents(**files, &alert->size) : NULL;
    return *(*files)++ != NULL;
}

static void report(const struct alert *alert) {
    printf("%.*s %.9g %u\n", (int)alert->id.size, alert->id.text, (double)alert->score, (unsigned)alert->flags);
}

int main(int count, char **argument) {
    if (count < 3) return puts("score_messages SCHEMA_ID SCHEMA_FILE MESSAGE_FILE...") < 0;
    struct alert alert = {0};
    char *const schema = contents(argument[2], &alert.size);
    const uint32_t schema_id = (uint32_t)strtoul(argument[1], NULL, 10);
    char **stream = argument + 3;
    /* [messages] */
    s2v_model *model = NULL;
    s2v_decoder *decoder = NULL;
    s2v_reading reading;
    s2v_reading_init(&reading);
    s2v_status status = s2v_model_load("default", &model);
    reading.model = model;
    if (status == S2V_OK) status = s2v_decoder_create(&reading, &decoder);
    if (status == S2V_OK) status = s2v_decoder_add_schema(decoder, schema_id, schema);
    while (status == S2V_OK && next_message(&stream, &alert)) {
        status = s2v_score_messages(decoder, &alert.bytes, &alert.size, 1, &alert.id, NULL, &alert.score, &alert.flags);
        if (status == S2V_OK) report(&alert);
    }
    if (status != S2V_OK) fprintf(stderr, "%s: %s\n", s2v_status_message(status), s2v_last_error());
    s2v_decoder_free(decoder);
    s2v_model_free(model);
    /* [/messages] */
    free((void *)alert.bytes);
    free(schema);
    return status != S2V_OK;
}
