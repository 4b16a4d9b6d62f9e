/* The eighteen features of one made candidate, from C, with the installed library. */
#include <space2vec/space2vec.h>

#include <math.h>
#include <stdio.h>

#define SIDE 51

int main(void) {
    static float pixels[S2V_CHANNELS][SIDE][SIDE];
    for (int c = 0; c < S2V_CHANNELS; ++c)
        for (int y = 0; y < SIDE; ++y)
            for (int x = 0; x < SIDE; ++x) {
                const double d2 = (y - 25) * (y - 25) + (x - 25) * (x - 25);
                const double texture = (y * 7 + x * 13) % 11;
                pixels[c][y][x] = (float)(texture + (c == S2V_TEMPLATE ? 0.0 : 1000.0 * exp(-d2 / 8.0)));
            }
    const int64_t offset[S2V_CHANNELS] = {0, SIDE * SIDE, 2 * SIDE * SIDE};
    const int32_t shape[2 * S2V_CHANNELS] = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE};
    s2v_stamps stamps = {.size = sizeof stamps};
    stamps.pixels = &pixels[0][0][0];
    stamps.pixel_count = S2V_CHANNELS * SIDE * SIDE;
    stamps.offset = offset;
    stamps.shape = shape;
    stamps.n = 1;
    stamps.saturation = NAN;

    float values[64];
    uint32_t flags = 0;
    const s2v_status status = s2v_features(&stamps, S2V_SET_AUTOSCAN, S2V_CONVENTION_CODE, values, &flags, 1);
    if (status != S2V_OK) {
        fprintf(stderr, "%s\n", s2v_status_message(status));
        return 1;
    }
    /* The science plane is the difference too, which no survey delivers. */
    if (!(flags & S2V_FLAG_NO_FLUX_SCALE) || !(flags & S2V_UNFAMILIAR_FLAGS) || flags & S2V_FLAG_MASKED_CORE) return 1;
    printf("space2vec %s, %s, flags %u\n", s2v_version(), s2v_isa(), (unsigned)flags);
    double scale = 0.0;
    for (int32_t i = 0; i < s2v_stamp_feature_count(S2V_SET_AUTOSCAN); ++i) {
        const char *const name = s2v_stamp_feature_name(S2V_SET_AUTOSCAN, i);
        printf("%-12s %.6g\n", name, (double)values[i]);
        if (name[0] == 'S' && name[1] == 'C') scale = values[i];
    }
    /* The packaged models were installed too. */
    s2v_model *model = NULL;
    s2v_scorer *scorer = NULL;
    float score = NAN;
    if (s2v_model_load("default", &model) != S2V_OK || s2v_scorer_create(model, NULL, &scorer) != S2V_OK ||
        s2v_score_stamps(scorer, &stamps, NULL, &score, &flags) != S2V_OK) {
        fprintf(stderr, "%s\n", s2v_last_error());
        return 1;
    }
    printf("%s: %.6g\n", s2v_model_name(model), (double)score);
    s2v_scorer_free(scorer);
    s2v_model_free(model);
    return fabs(scale - 2.0) < 0.1 && score >= 0 && score <= 1 ? 0 : 1; /* the source has sigma 2 */
}
