// What SPACE2VEC_ISA does; run once for each value, which is the only argument: the name that must be in use, or
// "refused".
#include "check.hpp"
#include "synthetic_stamps.hpp"

#include <cstdlib>
#include <cstring>

int main(int count, char **argument) {
    if (count != 2) return 2;
    synthetic::Batch batch;
    synthetic::Random random(4);
    batch.add(51, 51, 25, 25, synthetic::Fault::kNone, random);
    const s2v_stamps stamps = batch.view().c();
    std::vector<float> out(std::size_t{3} * 63 * 63);
    std::uint32_t flags = 0;
    const s2v_status features = s2v_features(&stamps, S2V_SET_AUTOSCAN, S2V_CONVENTION_CODE, out.data(), &flags, 1);
    const s2v_status prepared = s2v_prepare(&stamps, "braai", out.data(), &flags, 1);
    CHECK(features == prepared);
    const char *const forced = std::getenv("SPACE2VEC_ISA");
    if (std::strcmp(argument[1], "refused") == 0) {
        CHECK(features == S2V_UNKNOWN_NAME);
        CHECK(s2v_isa() == nullptr);
    } else if (features == S2V_UNKNOWN_NAME && forced && *forced) {
        std::printf("this processor has no %s\n", forced);
        return 77;
    } else {
        CHECK(features == S2V_OK);
        CHECK(s2v_isa() != nullptr &&
              (std::strcmp(argument[1], "any") == 0 || std::strcmp(s2v_isa(), argument[1]) == 0));
    }
    return check::report();
}
