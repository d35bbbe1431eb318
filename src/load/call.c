/* call.c - a call as a list of moves into a frame, then one jump. */
#include "load/call.h"

#include <string.h>

#include "base/macros.h"
#include "load/abi.h"

#include "base/banned.h"

/* Which way of calling is enough; the cheapest one is taken. */
enum shape {
    SHAPE_WORDS, /* up to three 8-byte integers, an 8-byte integer back */
    SHAPE_INTS,  /* up to six integer registers, a result in those */
    SHAPE_REALS, /* and up to eight vector registers */
    SHAPE_BLOCK, /* a struct in memory, one of the same size back */
    SHAPE_FULL,  /* stack, or a result in mixed registers: the stub */
};

struct inlay_call_plan {
    uint8_t shape;   /* enum shape */
    uint8_t result;  /* enum inlay_result_op */
    uint8_t from[2]; /* result words of RESULT_MIXED */
    uint32_t size;   /* bytes of the result */
    size_t nstack;   /* words on the stack */
    size_t nmoves;   /* one per parameter */
    struct inlay_move moves[];
};

/* Results in two registers of a kind. */
struct pair {
    uint64_t words[2];
};

struct reals {
    double reals[2];
};

static enum shape shape_of(const struct inlay_call_plan *plan,
                           const struct inlay_placement *placement)
{
    if (plan->nstack || placement->copies || placement->ints > 6)
        return SHAPE_FULL;
    switch ((enum inlay_result_op)plan->result) {
    case INLAY_RESULT_VOID:
    case INLAY_RESULT_INT:
        break;
    case INLAY_RESULT_FLOAT:
    case INLAY_RESULT_DOUBLE:
        return SHAPE_REALS;
    case INLAY_RESULT_PAIR:
        return placement->reals ? SHAPE_FULL : SHAPE_INTS;
    case INLAY_RESULT_MEMORY:
        if (inlay_abi_memory_is_argument)
            break;
        return SHAPE_FULL;
    case INLAY_RESULT_REALS:
        return plan->size <= sizeof(struct reals) ? SHAPE_REALS : SHAPE_FULL;
    case INLAY_RESULT_MIXED:
    case INLAY_RESULT_FLOATS:
        return SHAPE_FULL;
    }
    return placement->reals ? SHAPE_REALS : SHAPE_INTS;
}

static bool is_words(const struct inlay_call_plan *plan)
{
    if (plan->shape != SHAPE_INTS || plan->nmoves > 3 ||
        plan->result != INLAY_RESULT_INT || plan->size != 8)
        return false;
    for (size_t i = 0; i < plan->nmoves; i++) {
        if (plan->moves[i].op != INLAY_MOVE_WORD)
            return false;
    }
    return true;
}

/*
 * Both machines pass structs in memory by their size alone: whatever is in
 * them, they go as so many words.
 */
static bool is_block(const struct inlay_func *func,
                     const struct inlay_call_plan *plan)
{
    const struct inlay_move *move = plan->moves;

    return plan->nmoves == 1 && plan->result == INLAY_RESULT_MEMORY &&
           (move->op == INLAY_MOVE_REFER ||
            (move->op == INLAY_MOVE_COPY && move->at >= INLAY_ABI_STACK)) &&
           move->size == plan->size && plan->size % 8 == 0 &&
           plan->size >= 3 * 8 && plan->size <= 8 * 8 &&
           func->params[0].type->align == 8 && func->result->align == 8;
}

struct inlay_error *inlay_call_prepare(const struct inlay_func *func,
                                       struct inlay_arena *arena,
                                       struct inlay_call_plan **ret)
{
    struct inlay_placement placement = {0};
    enum inlay_result_op result;
    struct inlay_call_plan *plan = inlay_arena_zalloc(
        arena, sizeof(*plan) + func->nparams * sizeof(plan->moves[0]));

    if (!plan)
        return inlay_error_no_memory();
    inlay_abi_result(func->result, &placement, &result, plan->from);
    plan->result = (uint8_t)result;
    plan->size = func->result->size;
    plan->nmoves = func->nparams;
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *type = func->params[i].type;

        if (type->size <= INLAY_ABI_WORDS * 8)
            plan->moves[i] = inlay_abi_place(type, &placement);
        /* One word more: copies begin at an even one. */
        if (type->size > INLAY_ABI_WORDS * 8 ||
            INLAY_ABI_STACK + placement.stack + placement.copies + 1 >
                INLAY_ABI_WORDS)
            return inlay_error_create(
                INLAY_ERROR_TYPE,
                "its arguments take more than 4000 bytes by value");
    }
    plan->nstack = placement.stack;
    size_t behind = (INLAY_ABI_STACK + placement.stack + 1) & ~(size_t)1;
    for (size_t i = 0; i < plan->nmoves; i++) {
        if (plan->moves[i].op == INLAY_MOVE_REFER)
            plan->moves[i].second = (uint16_t)(plan->moves[i].second + behind);
    }
    plan->shape = (uint8_t)shape_of(plan, &placement);
    if (is_words(plan))
        plan->shape = SHAPE_WORDS;
    else if (is_block(func, plan))
        plan->shape = SHAPE_BLOCK;
    *ret = plan;
    return NULL;
}

static void move_floats(uint64_t *words, const void *from, uint32_t size)
{
    for (uint32_t i = 0; i < size / 4; i++)
        words[i] = ((const uint32_t *)from)[i];
}

static void move_part(const struct inlay_move *move,
                      const void *from,
                      uint64_t *words)
{
    uint64_t both[2] = {0, 0};

    memcpy(both, from, move->size);
    words[move->at] = both[0];
    if (move->size > 8)
        words[move->second] = both[1];
}

static inline void move_value(const struct inlay_move *move,
                              const void *from,
                              uint64_t *words)
{
    switch ((enum inlay_move_op)move->op) {
    case INLAY_MOVE_WORD:
        memcpy(&words[move->at], from, 8);
        break;
    case INLAY_MOVE_U1:
        words[move->at] = *(const uint8_t *)from;
        break;
    case INLAY_MOVE_U2:
        words[move->at] = *(const uint16_t *)from;
        break;
    case INLAY_MOVE_U4: {
        uint32_t value;

        memcpy(&value, from, 4); /* of an int or a float */
        words[move->at] = value;
        break;
    }
    case INLAY_MOVE_I1:
        words[move->at] = (uint64_t)(int64_t) * (const int8_t *)from;
        break;
    case INLAY_MOVE_I2:
        words[move->at] = (uint64_t)(int64_t) * (const int16_t *)from;
        break;
    case INLAY_MOVE_I4:
        words[move->at] = (uint64_t)(int64_t) * (const int32_t *)from;
        break;
    case INLAY_MOVE_PAIR:
        memcpy(&words[move->at], from, 8);
        memcpy(&words[move->second], (const char *)from + 8, 8);
        break;
    case INLAY_MOVE_PART:
        move_part(move, from, words);
        break;
    case INLAY_MOVE_COPY:
        memcpy(&words[move->at], from, move->size);
        break;
    case INLAY_MOVE_FLOATS:
        move_floats(&words[move->at], from, move->size);
        break;
    case INLAY_MOVE_REFER:
        memcpy(&words[move->second], from, move->size);
        words[move->at] = (uint64_t)(uintptr_t)&words[move->second];
        break;
    }
}

static inline void move_all(const struct inlay_call_plan *plan,
                            void *const args[],
                            uint64_t *words)
{
    for (size_t i = 0; i < plan->nmoves; i++)
        move_value(&plan->moves[i], args[i], words);
}

/* Functions are called through types that are not theirs: that is the idea. */
#define ANY_TYPE __attribute__((no_sanitize("undefined")))

#define INT_TYPES uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t
#define REAL_TYPES                                                             \
    double, double, double, double, double, double, double, double
#define INT_VALUES(w) w[0], w[1], w[2], w[3], w[4], w[5]
#define REAL_VALUES(d) d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]

ANY_TYPE static inline uint64_t call_words(size_t count,
                                           void *entry,
                                           void *const args[])
{
    uint64_t words[3] = {0, 0, 0};

    switch (count) {
    case 3:
        words[2] = *(const uint64_t *)args[2];
        __attribute__((fallthrough));
    case 2:
        words[1] = *(const uint64_t *)args[1];
        __attribute__((fallthrough));
    case 1:
        words[0] = *(const uint64_t *)args[0];
        break;
    default:
        break;
    }
    return ((uint64_t(*)(uint64_t, uint64_t, uint64_t))entry)(
        words[0], words[1], words[2]);
}

/* The compiler knows where they go; straight to `ret` where C can say so. */
#define BLOCK(n)                                                               \
    case n: {                                                                  \
        struct __attribute__((may_alias)) block {                              \
            uint64_t words[n];                                                 \
        };                                                                     \
        const struct block *from = arg;                                        \
                                                                               \
        if (inlay_abi_memory_is_argument)                                      \
            ((void *(*)(void *, struct block))entry)(ret, *from);              \
        else                                                                   \
            *(struct block *)ret =                                             \
                ((struct block(*)(struct block))entry)(*from);                 \
        break;                                                                 \
    }

ANY_TYPE static inline void call_block(size_t words,
                                       void *entry,
                                       const void *arg,
                                       void *ret)
{
    switch (words) {
        BLOCK(3)
        BLOCK(4)
        BLOCK(5)
        BLOCK(6)
        BLOCK(7)
        BLOCK(8)
    default:
        break;
    }
}

ANY_TYPE static inline void call_ints(const struct inlay_call_plan *plan,
                                      void *entry,
                                      void *const args[],
                                      void *ret)
{
    uint64_t words[INLAY_ABI_REALS] = {0};

    if (plan->result == INLAY_RESULT_MEMORY)
        words[0] = (uint64_t)(uintptr_t)ret;
    move_all(plan, args, words);
    if (plan->result == INLAY_RESULT_PAIR) {
        struct pair pair =
            ((struct pair(*)(INT_TYPES))entry)(INT_VALUES(words));

        memcpy(ret, &pair, plan->size);
        return;
    }
    uint64_t value = ((uint64_t(*)(INT_TYPES))entry)(INT_VALUES(words));
    if (plan->result == INLAY_RESULT_INT)
        inlay_int_store(ret, plan->size, value);
}

/* The low half of a vector register is the word, be it float or double. */
ANY_TYPE static void call_reals(const struct inlay_call_plan *plan,
                                void *entry,
                                void *const args[],
                                void *ret)
{
    union {
        uint64_t words[INLAY_ABI_STACK];
        double reals[INLAY_ABI_STACK];
    } frame;
    const uint64_t *w = frame.words;
    const double *r = frame.reals + INLAY_ABI_REALS;

    /* Two halves: 128 bytes at once become a slow string instruction. */
    memset(frame.words, 0, 64);
    memset(frame.reals + INLAY_ABI_REALS, 0, 64);
    if (plan->result == INLAY_RESULT_MEMORY)
        frame.words[0] = (uint64_t)(uintptr_t)ret;
    move_all(plan, args, frame.words);
    if (plan->result == INLAY_RESULT_DOUBLE) {
        *(double *)ret = ((double (*)(INT_TYPES, REAL_TYPES))entry)(
            INT_VALUES(w), REAL_VALUES(r));
    } else if (plan->result == INLAY_RESULT_FLOAT) {
        *(float *)ret = ((float (*)(INT_TYPES, REAL_TYPES))entry)(
            INT_VALUES(w), REAL_VALUES(r));
    } else if (plan->result == INLAY_RESULT_REALS) {
        struct reals value = ((struct reals(*)(INT_TYPES, REAL_TYPES))entry)(
            INT_VALUES(w), REAL_VALUES(r));

        if (plan->size == sizeof(value))
            memcpy(ret, &value, sizeof(value));
        else
            memcpy(ret, &value, plan->size);
    } else {
        uint64_t value = ((uint64_t(*)(INT_TYPES, REAL_TYPES))entry)(
            INT_VALUES(w), REAL_VALUES(r));

        if (plan->result == INLAY_RESULT_INT)
            inlay_int_store(ret, plan->size, value);
    }
}

static void store_result(const struct inlay_call_plan *plan,
                         const struct inlay_abi_result *result,
                         void *ret)
{
    const uint64_t *reals = &result->words[2];
    uint64_t mixed[2];

    switch ((enum inlay_result_op)plan->result) {
    case INLAY_RESULT_VOID:
    case INLAY_RESULT_MEMORY:
        break;
    case INLAY_RESULT_INT:
        inlay_int_store(ret, plan->size, result->words[0]);
        break;
    case INLAY_RESULT_FLOAT:
    case INLAY_RESULT_DOUBLE:
    case INLAY_RESULT_REALS:
        memcpy(ret, reals, plan->size);
        break;
    case INLAY_RESULT_PAIR:
        memcpy(ret, result->words, plan->size);
        break;
    case INLAY_RESULT_MIXED:
        mixed[0] = result->words[plan->from[0]];
        mixed[1] = result->words[plan->from[1]];
        memcpy(ret, mixed, plan->size);
        break;
    case INLAY_RESULT_FLOATS:
        for (uint32_t i = 0; i < plan->size / 4; i++)
            memcpy((char *)ret + 4 * i, &reals[i], 4);
        break;
    }
}

inlay_noinline static void call_full(const struct inlay_call_plan *plan,
                                     void *entry,
                                     void *const args[],
                                     void *ret)
{
    uint64_t words[INLAY_ABI_WORDS] __attribute__((aligned(16)));
    struct inlay_abi_result result = {.memory = ret};

    /* Behind an argument the last word of the stack can be partly unused. */
    memset(words, 0, (INLAY_ABI_STACK + plan->nstack) * sizeof(words[0]));
    if (plan->result == INLAY_RESULT_MEMORY && inlay_abi_memory_is_argument)
        words[0] = (uint64_t)(uintptr_t)ret;
    move_all(plan, args, words);
    inlay_abi_call(entry, words, plan->nstack, &result);
    store_result(plan, &result, ret);
}

void inlay_call_invoke(const struct inlay_call_plan *plan,
                       void *entry,
                       void *const args[],
                       void *ret)
{
    switch ((enum shape)plan->shape) {
    case SHAPE_WORDS:
        *(uint64_t *)ret = call_words(plan->nmoves, entry, args);
        break;
    case SHAPE_INTS:
        call_ints(plan, entry, args, ret);
        break;
    case SHAPE_REALS:
        call_reals(plan, entry, args, ret);
        break;
    case SHAPE_BLOCK:
        call_block(plan->size / 8, entry, args[0], ret);
        break;
    case SHAPE_FULL:
        call_full(plan, entry, args, ret);
        break;
    }
}
