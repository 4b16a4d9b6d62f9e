// What lets one source serve the host and a CUDA device.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define S2V_HD __host__ __device__
// On a device too: what is inlined everywhere needs more registers than there are.
#define S2V_STAGE __host__ __device__ __noinline__
#define S2V_PART __host__ __device__ __noinline__
#else
#define S2V_HD
// A stage is a function of its own into which all that it calls is inlined: whether its loops vectorise must not depend
// on how much else the compiler has inlined around it.
#define S2V_STAGE __attribute__((noinline, flatten))
// What is a function of its own on a device only.
#define S2V_PART
#endif

// Say that a pointer leads into a team's scratch, which on a device is shared memory, or to what the caller gave, which
// is in global memory: loads are cheaper, and one may be done before a store to the other. S2V_UNROLLED stands before a
// loop whose loads shall be under way together there, S2V_ROLLED before one whose code shall be short: a kernel's code
// has to fit into an instruction cache. S2V_STEPS and S2V_FEW_STEPS do six and two at a time.
#if defined(__CUDA_ARCH__)
#define S2V_IN_SCRATCH(pointer) __builtin_assume(__isShared(pointer))
#define S2V_GIVEN(pointer) __builtin_assume(__isGlobal(pointer))
#define S2V_UNROLLED _Pragma("unroll 8")
#define S2V_STEPS _Pragma("unroll 6")
#define S2V_FEW_STEPS _Pragma("unroll 2")
#define S2V_ROLLED _Pragma("unroll 1")
#else
#define S2V_IN_SCRATCH(pointer) static_cast<void>(0)
#define S2V_GIVEN(pointer) static_cast<void>(0)
#define S2V_UNROLLED
#define S2V_STEPS
#define S2V_FEW_STEPS
#define S2V_ROLLED
#endif

// The kernels are compiled once per instruction set into one library. They live in an unnamed namespace, so that no
// object exports a weak symbol that the linker could give to code for another processor.
namespace s2v::kernel {
namespace {

// Pixels are shared by this many lanes; the order of every reduction is defined in terms of it.
inline constexpr int kLanes = 32;

}  // namespace
}  // namespace s2v::kernel
