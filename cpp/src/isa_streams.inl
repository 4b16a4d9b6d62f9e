// The kernels that decode, for one instruction set.
#include "isa.hpp"
#include "isa_symbol.hpp"
#include "kernel/big_endian.hpp"
#include "kernel/inflate.hpp"

extern "C" const s2v_stream_kernels S2V_ISA_SYMBOL(streams) = {s2v::kernel::read_big_endian, s2v::kernel::inflate_run};
