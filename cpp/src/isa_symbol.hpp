// How the one symbol of a kernel object is named: s2v_isa_<part>_<instruction set>. An object is compiled from an .inl
// once for each instruction set, with S2V_ISA as its name; nothing of the standard library may be instantiated there,
// or the linker could give another processor's code to the rest of the program.
#pragma once

#define S2V_JOIN_(a, b, c) a##b##_##c
#define S2V_JOIN(a, b, c) S2V_JOIN_(a, b, c)
#define S2V_ISA_SYMBOL(part) S2V_JOIN(s2v_isa_, part, S2V_ISA)
