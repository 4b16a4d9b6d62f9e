/* Scores of messages as a stream of alerts delivers them: score_messages SCHEMA_ID SCHEMA_FILE MESSAGE_FILE... */
#include <space2vec/space2vec.h>

#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file, and a zero behind them; stands for whatever the messages come from. */
static char *contents(const char *path, int64_t *size) {
    FILE *const file = fopen(path, "rb");
    char *const bytes = file && fseek(file, 0, SEEK_END) == 0 ? calloc(1, (size_t)ftell(file) + 1) : NULL;
    if (bytes) rewind(file);
    *size = bytes ? (int64_t)fread(bytes, 1, (size_t)1 << 26, file) : 0;
    if (file) fclose(file);
    return bytes;
}

int main(int count, char **argument) {
    if (count < 3) return puts("score_messages SCHEMA_ID SCHEMA_FILE MESSAGE_FILE...") < 0;
    int64_t size = 0;
    char *const schema = contents(argument[2], &size);
    s2v_model *model = NULL;
    s2v_decoder *decoder = NULL;
    s2v_reading reading;
    s2v_reading_init(&reading);
    s2v_status status = s2v_model_load("default", &model);
    reading.model = model;
    if (status == S2V_OK) status = s2v_decoder_create(&reading, &decoder);
    if (status == S2V_OK) status = s2v_decoder_add_schema(decoder, (uint32_t)atoi(argument[1]), schema);
    for (int i = 3; status == S2V_OK && i < count; ++i) {
        s2v_id id;
        float score = 0;
        uint32_t flags = 0;
        const void *const message = contents(argument[i], &size);
        status = s2v_score_messages(decoder, &message, &size, 1, &id, NULL, &score, &flags);
        if (status == S2V_OK) printf("%.*s %.9g %u\n", (int)id.size, id.text, score, (unsigned)flags);
        free((void *)message);
    }
    if (status != S2V_OK) fprintf(stderr, "%s: %s\n", s2v_status_message(status), s2v_last_error());
    s2v_decoder_free(decoder);
    s2v_model_free(model);
    free(schema);
    return (int)status;
}
