/*
 * abi.h - inside load/: where arguments and results of a call lie. A frame
 * is an array of 8-byte words: integer registers, then vector registers
 * (their low halves), then the stack. abi_<machine>.c knows the rules and
 * the registers; call.c moves the values.
 */
#ifndef INLAY_LOAD_ABI_H
#define INLAY_LOAD_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "type/type.h"

enum {
    INLAY_ABI_REALS = 8,  /* word of the first vector register */
    INLAY_ABI_STACK = 16, /* word of the first argument on the stack */
    INLAY_ABI_WORDS = 16 + 512,
};

/* How an argument gets from its memory into the frame. */
enum inlay_move_op {
    INLAY_MOVE_WORD, /* 8 bytes */
    INLAY_MOVE_U1,   /* zero-extended to a word; a float is a U4 */
    INLAY_MOVE_U2,
    INLAY_MOVE_U4,
    INLAY_MOVE_I1, /* sign-extended */
    INLAY_MOVE_I2,
    INLAY_MOVE_I4,
    INLAY_MOVE_PAIR,   /* 16 bytes to `at` and `second` */
    INLAY_MOVE_PART,   /* 1 to 16 bytes to `at` and perhaps `second` */
    INLAY_MOVE_COPY,   /* any size from `at` on */
    INLAY_MOVE_FLOATS, /* floats, one each to the words from `at` on */
    INLAY_MOVE_REFER,  /* a copy from `second` on; its address to `at` */
};

struct inlay_move {
    uint8_t op;          /* enum inlay_move_op */
    uint16_t at, second; /* words of the frame */
    uint32_t size;       /* bytes of the argument */
};

/* Where the result is when the function has returned. */
enum inlay_result_op {
    INLAY_RESULT_VOID,
    INLAY_RESULT_INT,    /* first integer register; 1, 2, 4 or 8 bytes */
    INLAY_RESULT_FLOAT,  /* first vector register, 4 bytes */
    INLAY_RESULT_DOUBLE, /* first vector register, 8 bytes */
    INLAY_RESULT_PAIR,   /* up to 16 bytes in the integer registers */
    INLAY_RESULT_MIXED,  /* up to 16 bytes in result words from[0], from[1] */
    INLAY_RESULT_REALS,  /* words, one each in the vector registers */
    INLAY_RESULT_FLOATS, /* floats, one each in the vector registers */
    INLAY_RESULT_MEMORY, /* the function wrote it where it was told to */
};

struct inlay_abi_result {
    uint64_t words[6]; /* 2 integer registers, 4 vector registers */
    void *memory;      /* for RESULT_MEMORY where a register of its own says */
};

struct inlay_placement {
    unsigned ints, reals; /* registers in use */
    size_t stack;         /* words in use */
    size_t copies;        /* words in use for copies behind the stack */
};

/* Its result, and what it takes of the registers; before any parameter. */
void inlay_abi_result(const struct inlay_type *type,
                      struct inlay_placement *placement,
                      enum inlay_result_op *op_ret,
                      uint8_t from_ret[2]);

/*
 * The next parameter's place. `second` of MOVE_REFER counts from the first
 * word behind the stack: its size is known only at the end.
 */
struct inlay_move inlay_abi_place(const struct inlay_type *type,
                                  struct inlay_placement *placement);

/* Is RESULT_MEMORY's address an argument in the first register? */
extern const bool inlay_abi_memory_is_argument;

/* Loads registers and `nstack` words of stack from the frame and calls. */
void inlay_abi_call(void *entry,
                    const uint64_t *words,
                    size_t nstack,
                    struct inlay_abi_result *result)
    __attribute__((visibility("hidden")));

/* A scalar within a type: text and slices are two. */
struct inlay_leaf {
    uint32_t offset, size;
    bool real;
};

enum { INLAY_LEAVES_MOST = 32 };

/* The scalars of a type in order; LEAVES_MOST + 1 when there are more. */
size_t inlay_abi_leaves(const struct inlay_type *type,
                        struct inlay_leaf leaves[INLAY_LEAVES_MOST]);

/* How a scalar is moved into a word; COPY when it is not a scalar. */
enum inlay_move_op inlay_abi_scalar(const struct inlay_type *type);

#endif
