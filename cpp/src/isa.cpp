#include "isa.hpp"

#include <cstdlib>
#include <cstring>

extern "C" {
#if defined(S2V_X86_64)
extern const s2v_isa_table s2v_isa_baseline;
extern const s2v_isa_table s2v_isa_v3;
extern const s2v_isa_table s2v_isa_v4;
#else
extern const s2v_isa_table s2v_isa_generic;
#endif
}

namespace s2v {
namespace {

const s2v_isa_table *choose() {
    const char *const forced = std::getenv("SPACE2VEC_ISA");
#if defined(S2V_X86_64)
    __builtin_cpu_init();
    const s2v_isa_table *const usable[] = {
        __builtin_cpu_supports("x86-64-v4") ? &s2v_isa_v4 : nullptr,
        __builtin_cpu_supports("x86-64-v3") ? &s2v_isa_v3 : nullptr,
        &s2v_isa_baseline,
    };
#else
    const s2v_isa_table *const usable[] = {&s2v_isa_generic};
#endif
    for (const s2v_isa_table *table : usable)
        if (table && (!forced || !*forced || std::strcmp(forced, table->name) == 0)) return table;
    return nullptr;
}

}  // namespace

const s2v_isa_table *active_isa() noexcept {
    static const s2v_isa_table *const table = choose();
    return table;
}

}  // namespace s2v
