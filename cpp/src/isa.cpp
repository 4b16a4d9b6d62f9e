#include "isa.hpp"

#include <cstdlib>
#include <cstring>
#if defined(S2V_AARCH64) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(S2V_AARCH64) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#define S2V_DECLARE(isa)                                     \
    extern const s2v_feature_kernels s2v_isa_features_##isa; \
    extern const s2v_plane_kernels s2v_isa_planes_##isa;     \
    extern const s2v_stream_kernels s2v_isa_streams_##isa;   \
    extern const s2v_network_kernels s2v_isa_network_##isa
// A level has all kernels of its own, but v4vnni, dotprod and i8mm only those that they make faster.
#define S2V_TABLE_OF(name, rest, network) \
    {s2v_isa_features_##rest, s2v_isa_planes_##rest, s2v_isa_streams_##rest, s2v_isa_network_##network, name}
#define S2V_TABLE(isa) S2V_TABLE_OF(#isa, isa, isa)

extern "C" {
#if defined(S2V_X86_64)
S2V_DECLARE(baseline);
S2V_DECLARE(v3);
S2V_DECLARE(v4);
extern const s2v_network_kernels s2v_isa_network_v4vnni;
#elif defined(S2V_AARCH64)
S2V_DECLARE(neon);
extern const s2v_network_kernels s2v_isa_network_dotprod;
extern const s2v_network_kernels s2v_isa_network_i8mm;
#else
S2V_DECLARE(generic);
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
#elif defined(S2V_AARCH64)
#if defined(__linux__)
// Bits of the kernel, whose header of an old system may not name them yet.
bool has_dotprod() noexcept {
    return getauxval(AT_HWCAP) >> 20 & 1;
}
bool has_i8mm() noexcept {
    return getauxval(AT_HWCAP2) >> 13 & 1;
}
#elif defined(__APPLE__)
bool is_set(const char *name) noexcept {
    int value = 0;
    std::size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
bool has_dotprod() noexcept {
    return is_set("hw.optional.arm.FEAT_DotProd");
}
bool has_i8mm() noexcept {
    return is_set("hw.optional.arm.FEAT_I8MM");
}
#else
bool has_dotprod() noexcept {
    return false;
}
bool has_i8mm() noexcept {
    return false;
}
#endif
#endif

// The tables that can be used here, the best first.
struct Usable {
    s2v_isa_table tables[4];
    int count = 0;

    Usable() noexcept {
#if defined(S2V_X86_64)
        __builtin_cpu_init();
        if (has_v4() && __builtin_cpu_supports("avx512vnni")) add(S2V_TABLE_OF("v4vnni", v4, v4vnni));
        if (has_v4()) add(S2V_TABLE(v4));
        if (has_v3()) add(S2V_TABLE(v3));
        add(S2V_TABLE(baseline));
#elif defined(S2V_AARCH64)
        if (has_dotprod() && has_i8mm()) add(S2V_TABLE_OF("i8mm", neon, i8mm));
        if (has_dotprod()) add(S2V_TABLE_OF("dotprod", neon, dotprod));
        add(S2V_TABLE(neon));
#else
        add(S2V_TABLE(generic));
#endif
    }
    void add(const s2v_isa_table &table) noexcept {
        tables[count++] = table;
    }
};

const s2v_isa_table *choose() noexcept {
    static const Usable usable;
    const char *const forced = std::getenv("SPACE2VEC_ISA");
    for (int i = 0; i < usable.count; ++i)
        if (!forced || !*forced || std::strcmp(forced, usable.tables[i].name) == 0) return &usable.tables[i];
    return nullptr;
}

}  // namespace

const s2v_isa_table *active_isa() noexcept {
    static const s2v_isa_table *const table = choose();
    return table;
}

}  // namespace s2v
