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

#if defined(S2V_X86_64)
#if defined(__clang__) && __clang_major__ < 18
// These know no levels. What else belongs to a level, every processor with these has.
bool has_v3() noexcept {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("fma");
}
bool has_v4() noexcept {
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#else
bool has_v3() noexcept {
    return __builtin_cpu_supports("x86-64-v3");
}
bool has_v4() noexcept {
    return __builtin_cpu_supports("x86-64-v4");
}
#endif
#endif

const s2v_isa_table *choose() {
    const char *const forced = std::getenv("SPACE2VEC_ISA");
#if defined(S2V_X86_64)
    __builtin_cpu_init();
    const s2v_isa_table *const usable[] = {
        has_v4() ? &s2v_isa_v4 : nullptr,
        has_v3() ? &s2v_isa_v3 : nullptr,
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
