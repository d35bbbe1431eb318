/*
 * abi_aarch64.c - AAPCS64, chapter 6.8: eight integer and eight vector
 * registers; up to four equal floats or doubles in a struct (HFA) go to one
 * vector register each; what else is larger than 16 bytes is passed as the
 * address of a copy. x8 says where a result in memory goes.
 */
#include "load/abi.h"

#include "base/banned.h"

enum { INTS = 8, REALS = 8 };

const bool inlay_abi_memory_is_argument = false;

/* The number of equal floats that a struct is made of; 0: it is not. */
static unsigned count_hfa(const struct inlay_type *type, uint32_t *size_ret)
{
    struct inlay_leaf leaves[INLAY_LEAVES_MOST];
    size_t count = inlay_abi_leaves(type, leaves);

    if (count < 1 || count > 4)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (!leaves[i].real || leaves[i].size != leaves[0].size)
            return 0;
    }
    if (count * leaves[0].size != type->size)
        return 0;
    *size_ret = leaves[0].size;
    return (unsigned)count;
}

void inlay_abi_result(const struct inlay_type *type,
                      struct inlay_placement *placement,
                      enum inlay_result_op *op_ret,
                      uint8_t from_ret[2])
{
    uint32_t size;

    (void)placement;
    from_ret[0] = 0;
    from_ret[1] = 1;
    if (type->kind == INLAY_KIND_VOID)
        *op_ret = INLAY_RESULT_VOID;
    else if (type->kind == INLAY_KIND_FLOAT)
        *op_ret = type->size == 4 ? INLAY_RESULT_FLOAT : INLAY_RESULT_DOUBLE;
    else if (inlay_abi_scalar(type) != INLAY_MOVE_COPY)
        *op_ret = INLAY_RESULT_INT;
    else if (count_hfa(type, &size))
        *op_ret = size == 4 ? INLAY_RESULT_FLOATS : INLAY_RESULT_REALS;
    else
        *op_ret = type->size <= 16 ? INLAY_RESULT_PAIR : INLAY_RESULT_MEMORY;
}

/* The natural alignment: what a struct says of itself does not count. */
static bool is_wide(const struct inlay_type *type)
{
    return (type->kind == INLAY_KIND_STRUCT ? type->natural_align
                                            : type->align) > 8;
}

static struct inlay_move place_on_stack(const struct inlay_type *type,
                                        struct inlay_placement *placement)
{
    if (is_wide(type))
        placement->stack = (placement->stack + 1) & ~(size_t)1;
    size_t at = INLAY_ABI_STACK + placement->stack;
    placement->stack += ((size_t)type->size + 7) / 8;
    return (struct inlay_move){
        .op = (uint8_t)inlay_abi_scalar(type),
        .at = (uint16_t)at,
        .size = type->size,
    };
}

static struct inlay_move place_hfa(const struct inlay_type *type,
                                   struct inlay_placement *placement,
                                   unsigned count,
                                   uint32_t size)
{
    if (placement->reals + count > REALS) {
        placement->reals = REALS; /* C.3: none is used from here on */
        return place_on_stack(type, placement);
    }
    size_t at = INLAY_ABI_REALS + placement->reals;
    placement->reals += count;
    return (struct inlay_move){
        .op = size == 4 ? INLAY_MOVE_FLOATS : INLAY_MOVE_COPY,
        .at = (uint16_t)at,
        .size = type->size,
    };
}

/* Larger than 16 bytes: the caller makes a copy, the callee owns it. */
static struct inlay_move place_copy(const struct inlay_type *type,
                                    struct inlay_placement *placement)
{
    size_t at = placement->ints < INTS ? placement->ints++
                                       : INLAY_ABI_STACK + placement->stack++;
    size_t copy = placement->copies;

    placement->copies += ((size_t)type->size + 15) / 16 * 2;
    return (struct inlay_move){
        .op = INLAY_MOVE_REFER,
        .at = (uint16_t)at,
        .second = (uint16_t)copy,
        .size = type->size,
    };
}

struct inlay_move inlay_abi_place(const struct inlay_type *type,
                                  struct inlay_placement *placement)
{
    enum inlay_move_op op = inlay_abi_scalar(type);
    uint32_t size = 0;
    unsigned count;

    if ((count = count_hfa(type, &size)) && op == INLAY_MOVE_COPY)
        return place_hfa(type, placement, count, size);
    if (type->kind == INLAY_KIND_FLOAT) {
        if (placement->reals == REALS)
            return place_on_stack(type, placement);
        size_t at = INLAY_ABI_REALS + placement->reals++;
        return (struct inlay_move){(uint8_t)op, (uint16_t)at, 0, type->size};
    }
    if (type->size > 16)
        return place_copy(type, placement);
    unsigned words = (type->size + 7) / 8;
    if (is_wide(type))
        placement->ints = (placement->ints + 1) & ~1u; /* C.10 */
    if (placement->ints + words > INTS) {
        placement->ints = INTS; /* C.13 */
        return place_on_stack(type, placement);
    }
    uint16_t at = (uint16_t)placement->ints;
    placement->ints += words;
    if (op == INLAY_MOVE_COPY)
        op = type->size == 8    ? INLAY_MOVE_WORD
             : type->size == 16 ? INLAY_MOVE_PAIR
                                : INLAY_MOVE_PART;
    return (struct inlay_move){(uint8_t)op, at, (uint16_t)(at + 1), type->size};
}

/* x0 = entry, x1 = words, x2 = nstack, x3 = result */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl inlay_abi_call\n"
        ".hidden inlay_abi_call\n"
        ".type inlay_abi_call, %function\n"
        "inlay_abi_call:\n"
        ".cfi_startproc\n"
        "    stp x29, x30, [sp, -32]!\n"
        ".cfi_def_cfa_offset 32\n"
        ".cfi_offset 29, -32\n"
        ".cfi_offset 30, -24\n"
        "    mov x29, sp\n"
        ".cfi_def_cfa_register 29\n"
        "    str x19, [sp, 16]\n"
        ".cfi_offset 19, -16\n"
        "    mov x19, x3\n"
        "    mov x16, x0\n"
        "    mov x17, x1\n"
        /* Room for an even number of words: sp stays a multiple of 16. */
        "    add x9, x2, 1\n"
        "    and x9, x9, -2\n"
        "    sub sp, sp, x9, lsl 3\n"
        "    cbz x2, 2f\n"
        "    add x10, x17, 128\n"
        "1:  sub x2, x2, 1\n"
        "    ldr x9, [x10, x2, lsl 3]\n"
        "    str x9, [sp, x2, lsl 3]\n"
        "    cbnz x2, 1b\n"
        "2:  ldr x8, [x19, 48]\n"
        "    ldp d0, d1, [x17, 64]\n"
        "    ldp d2, d3, [x17, 80]\n"
        "    ldp d4, d5, [x17, 96]\n"
        "    ldp d6, d7, [x17, 112]\n"
        "    ldp x0, x1, [x17]\n"
        "    ldp x2, x3, [x17, 16]\n"
        "    ldp x4, x5, [x17, 32]\n"
        "    ldp x6, x7, [x17, 48]\n"
        "    blr x16\n"
        "    stp x0, x1, [x19]\n"
        "    stp d0, d1, [x19, 16]\n"
        "    stp d2, d3, [x19, 32]\n"
        "    mov sp, x29\n"
        "    ldr x19, [sp, 16]\n"
        "    ldp x29, x30, [sp], 32\n"
        ".cfi_def_cfa sp, 0\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size inlay_abi_call, .-inlay_abi_call\n");
_Static_assert(offsetof(struct inlay_abi_result, memory) == 48, "the stub's");
