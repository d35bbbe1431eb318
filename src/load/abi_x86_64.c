/*
 * abi_x86_64.c - the System V ABI of x86-64, chapter 3.2.3: six integer and
 * eight vector registers; what is larger than 16 bytes, or does not fit into
 * the registers left, goes to the stack as a whole.
 */
#include "load/abi.h"

#include "base/banned.h"

enum { INTS = 6, REALS = 8 };

enum class {
    CLASS_NONE, /* only padding */
    CLASS_INT,
    CLASS_REAL,
};

const bool inlay_abi_memory_is_argument = true;

/* Classes of the one or two words of a type; false: it lies in memory. */
static bool classify(const struct inlay_type *type, enum class classes[2])
{
    struct inlay_leaf leaves[INLAY_LEAVES_MOST];

    classes[0] = classes[1] = CLASS_NONE;
    if (type->size > 16)
        return false;
    size_t count = inlay_abi_leaves(type, leaves);
    for (size_t i = 0; i < count; i++) {
        enum class *at = &classes[leaves[i].offset / 8];

        if (!leaves[i].real)
            *at = CLASS_INT;
        else if (*at == CLASS_NONE)
            *at = CLASS_REAL;
    }
    return true;
}

void inlay_abi_result(const struct inlay_type *type,
                      struct inlay_placement *placement,
                      enum inlay_result_op *op_ret,
                      uint8_t from_ret[2])
{
    enum class classes[2];
    uint8_t ints = 0, reals = 2;

    from_ret[0] = from_ret[1] = 0;
    if (type->kind == INLAY_KIND_VOID) {
        *op_ret = INLAY_RESULT_VOID;
    } else if (type->kind == INLAY_KIND_FLOAT) {
        *op_ret = type->size == 4 ? INLAY_RESULT_FLOAT : INLAY_RESULT_DOUBLE;
    } else if (inlay_abi_scalar(type) != INLAY_MOVE_COPY) {
        *op_ret = INLAY_RESULT_INT;
    } else if (!classify(type, classes)) {
        *op_ret = INLAY_RESULT_MEMORY;
        placement->ints = 1;
    } else {
        for (int i = 0; i < 2; i++)
            from_ret[i] = classes[i] == CLASS_REAL ? reals++ : ints++;
        if (classes[0] == CLASS_INT && classes[1] != CLASS_REAL)
            *op_ret = INLAY_RESULT_PAIR;
        else if (classes[0] == CLASS_REAL && classes[1] != CLASS_INT)
            *op_ret = INLAY_RESULT_REALS;
        else
            *op_ret = INLAY_RESULT_MIXED;
    }
}

static struct inlay_move place_on_stack(const struct inlay_type *type,
                                        struct inlay_placement *placement)
{
    enum inlay_move_op op = inlay_abi_scalar(type);

    if (type->align > 8)
        placement->stack = (placement->stack + 1) & ~(size_t)1;
    size_t at = INLAY_ABI_STACK + placement->stack;
    placement->stack += ((size_t)type->size + 7) / 8;
    return (struct inlay_move){
        .op = (uint8_t)op,
        .at = (uint16_t)at,
        .size = type->size,
    };
}

struct inlay_move inlay_abi_place(const struct inlay_type *type,
                                  struct inlay_placement *placement)
{
    enum class classes[2];
    unsigned ints = 0, reals = 0;
    uint16_t at[2] = {0, 0};

    if (!classify(type, classes))
        return place_on_stack(type, placement);
    for (int i = 0; i < 2; i++) {
        ints += classes[i] == CLASS_INT;
        reals += classes[i] == CLASS_REAL;
    }
    if (placement->ints + ints > INTS || placement->reals + reals > REALS)
        return place_on_stack(type, placement);
    for (int i = 0; i < 2; i++) {
        if (classes[i] == CLASS_INT)
            at[i] = (uint16_t)placement->ints++;
        else if (classes[i] == CLASS_REAL)
            at[i] = (uint16_t)(INLAY_ABI_REALS + placement->reals++);
    }
    enum inlay_move_op op = inlay_abi_scalar(type);
    uint32_t size = type->size;
    if (classes[1] == CLASS_NONE)
        size = size > 8 ? 8 : size; /* the rest is padding */
    if (op == INLAY_MOVE_COPY)
        op = size == 8    ? INLAY_MOVE_WORD
             : size == 16 ? INLAY_MOVE_PAIR
                          : INLAY_MOVE_PART;
    return (struct inlay_move){(uint8_t)op, at[0], at[1], size};
}

/*
 * rdi = entry, rsi = words, rdx = nstack, rcx = result. rax tells a variadic
 * callee how many vector registers are in use; it does no harm to others.
 */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl inlay_abi_call\n"
        ".hidden inlay_abi_call\n"
        ".type inlay_abi_call, @function\n"
        "inlay_abi_call:\n"
        ".cfi_startproc\n"
        "    push %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset %rbp, -16\n"
        "    mov %rsp, %rbp\n"
        ".cfi_def_cfa_register %rbp\n"
        "    push %rbx\n"
        ".cfi_offset %rbx, -24\n"
        "    sub $8, %rsp\n"
        "    mov %rcx, %rbx\n"
        "    mov %rdi, %r11\n"
        "    mov %rsi, %r10\n"
        /* Room for an even number of words: rsp stays a multiple of 16. */
        "    lea 1(%rdx), %rax\n"
        "    and $-2, %rax\n"
        "    shl $3, %rax\n"
        "    sub %rax, %rsp\n"
        "    test %rdx, %rdx\n"
        "    jz 2f\n"
        "1:  mov 120(%r10,%rdx,8), %rax\n"
        "    mov %rax, -8(%rsp,%rdx,8)\n"
        "    dec %rdx\n"
        "    jnz 1b\n"
        "2:  movsd 64(%r10), %xmm0\n"
        "    movsd 72(%r10), %xmm1\n"
        "    movsd 80(%r10), %xmm2\n"
        "    movsd 88(%r10), %xmm3\n"
        "    movsd 96(%r10), %xmm4\n"
        "    movsd 104(%r10), %xmm5\n"
        "    movsd 112(%r10), %xmm6\n"
        "    movsd 120(%r10), %xmm7\n"
        "    mov (%r10), %rdi\n"
        "    mov 8(%r10), %rsi\n"
        "    mov 16(%r10), %rdx\n"
        "    mov 24(%r10), %rcx\n"
        "    mov 32(%r10), %r8\n"
        "    mov 40(%r10), %r9\n"
        "    mov $8, %eax\n"
        "    call *%r11\n"
        "    mov %rax, (%rbx)\n"
        "    mov %rdx, 8(%rbx)\n"
        "    movsd %xmm0, 16(%rbx)\n"
        "    movsd %xmm1, 24(%rbx)\n"
        "    mov -8(%rbp), %rbx\n"
        "    leave\n"
        ".cfi_def_cfa %rsp, 8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size inlay_abi_call, .-inlay_abi_call\n");
