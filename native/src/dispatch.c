/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel this processor runs best: asked once, when a policy is opened. */
#include "kernel.h"

#if EA__HAS_AVX2
/* Own cpuid: the compiler's __builtin_cpu_supports needs libgcc and a constructor. */
static void cpuid(uint32_t leaf, uint32_t out[4]) {
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

static int has_avx2(void) {
    uint32_t r[4], low, high;
    cpuid(0, r);
    if (r[0] < 7) return 0;
    cpuid(1, r);
    if ((r[2] >> 20 & 1) == 0 || (r[2] >> 27 & 3) != 3) return 0; /* SSE4.2; OSXSAVE and AVX */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6) return 0; /* the system saves the upper halves */
    cpuid(7, r);
    return r[1] >> 5 & 1;
}
#endif

/* The kernel of this name, if this processor has it; 0: the best it has. NULL if it has not. */
const ea__kernel *ea__kernel_named(uint32_t name) {
#if EA__HAS_AVX2
    if (name == EA_KERNEL_AVX2 || !name) {
        if (has_avx2()) return &ea__kernel_avx2;
        if (name) return 0;
    }
#endif
#if EA__HAS_128
    if (name == EA_KERNEL_128 || !name) return &ea__kernel_128;
#endif
    return name == EA_KERNEL_PORTABLE || !name ? &ea__kernel_portable : 0;
}

int32_t ea_policy_use(ea_policy *policy, uint32_t name) {
    if (!ea__is_open(policy)) return EA_E_ARGUMENT;
    const ea__kernel *kernel = ea__kernel_named(name);
    if (!kernel) return EA_E_UNSUPPORTED;
    policy->kernel = kernel;
    return EA_OK;
}
