/*
 * inject.c - the graph of providers -> lists of steps, when routes and guards
 * are bound. What a request does with states is at the end.
 */
#include "serve/inject.h"

#include "base/mem.h"
#include "load/context.h"
#include "serve/request.h"
#include "serve/server.h"

#include "base/banned.h"

#define SLOTS_MOST 4096
#define STATE_MEMORY ((size_t)1 << 30) /* that all open functions allocate */

static bool is_provided(const struct inlay_param *param)
{
    return param->type->kind == INLAY_KIND_INJECTED &&
           param->type->injected == INLAY_INJECTED_PROVIDED;
}

/* The number of the declaration that gives it; SIZE_MAX: there is none. */
static size_t find(const struct inlay_module *module,
                   const struct inlay_param *param)
{
    for (size_t i = 0; i < module->nprovides; i++) {
        if (inlay_str_equal(module->provides[i].type, param->type->provided))
            return i;
    }
    return SIZE_MAX;
}

static const struct inlay_func *func_of(const struct inlay_provide_decl *decl)
{
    return decl->callable->func;
}

/* --- All modules ----------------------------------------------------------- */

static void set_unref(struct inlay_state_set *set);

static struct inlay_error *set_create(const struct inlay_module *module,
                                      struct inlay_state_set **ret)
{
    struct inlay_state_set *set = inlay_calloc(1, sizeof(*set));

    if (!set)
        return inlay_error_no_memory();
    atomic_init(&set->refs, 1);
    set->module = module;
    inlay_arena_init(&set->memory, STATE_MEMORY);
    set->states = inlay_calloc(module->nprovides + 1, sizeof(*set->states));
    set->opened = inlay_calloc(module->nprovides + 1, sizeof(*set->opened));
    if (!set->states || !set->opened) {
        set_unref(set);
        return inlay_error_no_memory();
    }
    for (size_t i = 0; i < module->nprovides; i++)
        set->states[i].decl = &module->provides[i];
    *ret = set;
    return NULL;
}

/* The set that another table has for the module, or a new one. */
static struct inlay_error *set_find(struct inlay_injections *older,
                                    const struct inlay_module *module,
                                    struct inlay_state_set **ret)
{
    for (size_t i = 0; older && i < older->count; i++) {
        if (older->items[i].module != module)
            continue;
        *ret = older->items[i].set;
        atomic_fetch_add(&(*ret)->refs, 1);
        return NULL;
    }
    return set_create(module, ret);
}

static struct inlay_error *init_module(struct inlay_injections *injections,
                                       struct inlay_injections *older,
                                       const struct inlay_module *module,
                                       struct inlay_arena *arena)
{
    struct inlay_injection *injection = &injections->items[injections->count];
    struct inlay_error *error = set_find(older, module, &injection->set);

    if (error)
        return error;
    injections->count++;
    injection->module = module;
    injection->slots = inlay_arena_zalloc_array(arena, module->nprovides + 1,
                                                sizeof(*injection->slots));
    if (!injection->slots)
        return inlay_error_no_memory();
    if (module->nprovides > SLOTS_MOST)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%.*s: more than %d providers and states",
                                  inlay_str_arg(module->path), SLOTS_MOST);
    for (size_t i = 0; i < module->nprovides; i++) {
        if (module->provides[i].once)
            injections->has_states = true;
        else
            injection->slots[i] = (uint16_t)injection->nslots++;
    }
    return NULL;
}

/* Arenas align less than a cache line. */
static struct inlay_injections *make_room(struct inlay_arena *arena)
{
    const size_t align = _Alignof(struct inlay_injections);
    char *room =
        inlay_arena_zalloc(arena, sizeof(struct inlay_injections) + align);

    return room ? (struct inlay_injections *)(void *)(room + (-(uintptr_t)room %
                                                              align))
                : NULL;
}

struct inlay_error *inlay_injections_create(struct inlay_module *const *modules,
                                            size_t nmodules,
                                            struct inlay_injections *older,
                                            struct inlay_arena *arena,
                                            struct inlay_injections **ret)
{
    struct inlay_injections *made = make_room(arena);

    if (!made)
        return inlay_error_no_memory();
    made->items =
        inlay_arena_zalloc_array(arena, nmodules + 1, sizeof(*made->items));
    if (!made->items)
        return inlay_error_no_memory();
    atomic_flag_clear(&made->closed);
    for (size_t i = 0; i < INLAY_INJECT_SHARDS; i++)
        made->shards[i].whole = made;
    for (size_t i = 0; i < nmodules; i++) {
        struct inlay_error *error = init_module(made, older, modules[i], arena);

        if (!error)
            continue;
        inlay_injections_close(made);
        return error;
    }
    *ret = made;
    return NULL;
}

/* --- Steps ----------------------------------------------------------------- */

struct builder {
    struct inlay_injector injector; /* first */
    const struct inlay_injection *injection;
    const struct inlay_bind_target *target; /* who it is all for */
    struct inlay_arena *arena;
    struct inlay_steps *steps;
    bool *is_placed; /* by number: it is among the steps */
    bool *is_shared;
};

static struct inlay_error *give(const struct inlay_injector *injector,
                                const struct inlay_param *param,
                                const struct inlay_state **state_ret,
                                size_t *slot_ret)
{
    const struct builder *builder =
        (const struct builder *)(const void *)injector;
    const struct inlay_injection *injection = builder->injection;
    size_t number = find(injection->module, param);

    if (number == SIZE_MAX)
        return inlay_bind_error(builder->target,
                                "parameter %.*s (%.*s) has nobody who gives "
                                "it: name a function that returns one with "
                                "INLAY_PROVIDE or INLAY_STATE",
                                inlay_str_arg(param->name),
                                inlay_str_arg(param->type->name));
    if (injection->module->provides[number].once)
        *state_ret = &injection->set->states[number];
    else
        *slot_ret = injection->slots[number];
    return NULL;
}

/* Who answers no WebSocket can't be given one. */
static struct inlay_error *check_socket(const struct builder *builder,
                                        const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_type *type = func->params[i].type;

        if (type->kind == INLAY_KIND_INJECTED &&
            type->injected == INLAY_INJECTED_SOCKET &&
            !inlay_str_is(builder->target->methods, "WEBSOCKET"))
            return inlay_bind_error(
                builder->target,
                "parameter %.*s of %.*s is a WebSocket: only functions of "
                "INLAY_WEBSOCKET, and their providers, have one",
                inlay_str_arg(func->params[i].name), inlay_str_arg(func->name));
    }
    return NULL;
}

static struct inlay_error *add_step(struct builder *builder,
                                    const struct inlay_bind_target *target,
                                    struct inlay_step **ret)
{
    struct inlay_steps *steps = builder->steps;
    struct inlay_step *step = &steps->items[steps->count];
    struct inlay_bind *bind = NULL;
    struct inlay_error *error = check_socket(builder, target->callable->func);

    if (!error)
        error = inlay_bind_create(target, builder->arena, &bind);
    if (error)
        return error;
    *step = (struct inlay_step){
        .bind = bind,
        .colour = inlay_colour_of(target->callable->func),
    };
    steps->colour = inlay_max(steps->colour, step->colour);
    steps->count++;
    *ret = step;
    return NULL;
}

static struct inlay_error *add_provider(struct builder *builder, size_t number);

/* Those who give the function what it needs. *shared_ret: all of that is the
 * same for the whole request. */
static struct inlay_error *add_needed(struct builder *builder,
                                      const struct inlay_func *func,
                                      bool *shared_ret)
{
    const struct inlay_module *module = builder->injection->module;

    *shared_ret = true;
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];
        size_t number = is_provided(param) ? find(module, param) : SIZE_MAX;

        if (number == SIZE_MAX)
            continue; /* what is missing is an error of its bind */
        if (module->provides[number].once) {
            builder->steps->counted = true;
            continue;
        }
        struct inlay_error *error = add_provider(builder, number);
        if (error)
            return error;
        *shared_ret = *shared_ret && builder->is_shared[number];
    }
    return NULL;
}

/* The graph has no cycles: provides.c has looked. */
static struct inlay_error *add_provider(struct builder *builder, size_t number)
{
    const struct inlay_provide_decl *decl =
        &builder->injection->module->provides[number];
    struct inlay_bind_target target = {
        .callable = decl->callable,
        .methods = INLAY_STR(""),
        .path = builder->target->path,
        .is_part = true,
        .decl = decl->decl,
        .injector = &builder->injector,
    };
    struct inlay_step *step;
    bool shared;

    if (builder->is_placed[number])
        return NULL;
    builder->is_placed[number] = true;
    struct inlay_error *error =
        add_needed(builder, decl->callable->func, &shared);
    if (!error)
        error = add_step(builder, &target, &step);
    if (error)
        return error;
    step->provides = true;
    step->by_value = func_of(decl)->result->kind == INLAY_KIND_STRUCT;
    /* What a part of the path is in, guards and hooks do not see alike. */
    step->shared = shared && step->bind->npath == 0;
    step->slot = builder->injection->slots[number];
    builder->is_shared[number] = step->shared;
    builder->steps->nslots = builder->injection->nslots;
    return NULL;
}

static const struct inlay_injection *injection_of(
    const struct inlay_injections *injections,
    const struct inlay_module *module)
{
    const struct inlay_injection *at = injections->items;

    while (at->module != module)
        at++;
    return at;
}

struct inlay_error *inlay_steps_create(
    const struct inlay_injections *injections,
    const struct inlay_module *module,
    const struct inlay_bind_target *target,
    struct inlay_arena *arena,
    struct inlay_steps *ret)
{
    struct inlay_steps steps = {.injection = injection_of(injections, module)};
    struct inlay_bind_target own = *target;
    struct builder builder = {
        .injector = {.find = give},
        .injection = steps.injection,
        .target = &own,
        .arena = arena,
        .steps = &steps,
        .is_placed = inlay_arena_zalloc(arena, module->nprovides + 1),
        .is_shared = inlay_arena_zalloc(arena, module->nprovides + 1),
    };
    struct inlay_step *last;
    bool shared;

    own.injector = &builder.injector;
    steps.items = inlay_arena_zalloc_array(arena, module->nprovides + 1,
                                           sizeof(*steps.items));
    if (!steps.items || !builder.is_placed || !builder.is_shared)
        return inlay_error_no_memory();
    struct inlay_error *error =
        add_needed(&builder, target->callable->func, &shared);
    if (!error)
        error = add_step(&builder, &own, &last);
    if (!error)
        *ret = steps;
    return error;
}

enum inlay_colour inlay_inject_colour(const struct inlay_module *module,
                                      const struct inlay_func *func)
{
    enum inlay_colour colour = inlay_colour_of(func);

    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];
        size_t number = is_provided(param) ? find(module, param) : SIZE_MAX;

        if (number == SIZE_MAX || module->provides[number].once)
            continue;
        enum inlay_colour theirs =
            inlay_inject_colour(module, func_of(&module->provides[number]));
        colour = inlay_max(colour, theirs);
    }
    return colour;
}

/* --- States ---------------------------------------------------------------- */

static struct inlay_error *open_error(const struct inlay_provide_decl *decl,
                                      struct inlay_str what,
                                      struct inlay_str why)
{
    return inlay_error_create(INLAY_ERROR_IMPORT,
                              "%.*s:%u: INLAY_STATE: %.*s %.*s%.*s",
                              inlay_str_arg(decl->decl.file), decl->decl.line,
                              inlay_str_arg(func_of(decl)->name),
                              inlay_str_arg(what), inlay_str_arg(why));
}

static void *no_value(const struct inlay_param *param)
{
    return (void *)(uintptr_t)param->fallback;
}

static struct inlay_error *failure(const struct inlay_provide_decl *decl,
                                   const struct inlay_context *context)
{
    return open_error(decl, INLAY_STR("has failed: "),
                      context->error_text.len
                          ? context->error_text
                          : inlay_error_kind_text(context->error));
}

/* Calls it. Whom it needs is open. */
static struct inlay_error *call_open(struct inlay_state_set *set,
                                     struct inlay_state *state)
{
    const struct inlay_provide_decl *decl = state->decl;
    const struct inlay_func *func = func_of(decl);
    struct inlay_context context;
    struct inlay_error *error = NULL;
    void **args = inlay_calloc(func->nparams + 1, sizeof(*args));

    if (!args)
        return inlay_error_no_memory();
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];

        args[i] = is_provided(param)
                      ? &set->states[find(set->module, param)].value
                      : no_value(param);
    }
    inlay_context_enter(&context, &set->memory);
    inlay_call_invoke(decl->callable->plan, func->entry, args, &state->value);
    inlay_context_leave(&context);
    if (context.error)
        error = failure(decl, &context);
    else if (!state->value)
        error = open_error(decl, INLAY_STR("has returned NULL"), INLAY_STR(""));
    inlay_free(args);
    return error;
}

static bool is_open(const struct inlay_state_set *set,
                    const struct inlay_state *state)
{
    for (size_t i = 0; i < set->nopened; i++) {
        if (set->opened[i] == state)
            return true;
    }
    return false;
}

/* The graph has no cycles, and states need states only: provides.c has
 * looked. */
static struct inlay_error *open_state(struct inlay_state_set *set,
                                      struct inlay_state *state)
{
    const struct inlay_func *func = func_of(state->decl);
    struct inlay_error *error = NULL;

    if (is_open(set, state))
        return NULL;
    for (size_t i = 0; !error && i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];
        size_t number =
            is_provided(param) ? find(set->module, param) : SIZE_MAX;

        if (is_provided(param))
            error = number == SIZE_MAX
                        ? open_error(state->decl,
                                     INLAY_STR("needs what nobody gives"),
                                     INLAY_STR(""))
                        : open_state(set, &set->states[number]);
    }
    if (!error)
        error = call_open(set, state);
    if (!error)
        set->opened[set->nopened++] = state;
    return error;
}

struct inlay_error *inlay_injections_open(struct inlay_injections *injections)
{
    struct inlay_error *error = NULL;

    for (size_t i = 0; !error && i < injections->count; i++) {
        struct inlay_state_set *set = injections->items[i].set;

        for (size_t j = 0; !error && j < set->module->nprovides; j++) {
            if (set->module->provides[j].once)
                error = open_state(set, &set->states[j]);
        }
    }
    return error;
}

static void set_unref(struct inlay_state_set *set)
{
    struct inlay_context context;

    if (atomic_fetch_sub(&set->refs, 1) > 1)
        return;
    inlay_context_enter(&context, &set->memory);
    while (set->nopened) {
        struct inlay_state *state = set->opened[--set->nopened];

        if (state->decl->close)
            state->decl->close(state->value);
    }
    inlay_context_leave(&context);
    inlay_arena_deinit(&set->memory);
    inlay_free(set->states);
    inlay_free(set->opened);
    inlay_free(set);
}

void inlay_injections_close(struct inlay_injections *injections)
{
    if (atomic_flag_test_and_set(&injections->closed))
        return;
    for (size_t i = injections->count; i-- > 0;)
        set_unref(injections->items[i].set);
}

/* --- What a request does with them ----------------------------------------- */

static bool is_used(struct inlay_injections *injections)
{
    for (size_t i = 0; i < INLAY_INJECT_SHARDS; i++) {
        if (atomic_load(&injections->shards[i].users))
            return true;
    }
    return false;
}

/* Who comes after they were retired sees that, and goes: see _hold. */
static void close_unused(struct inlay_injections *injections)
{
    if (atomic_load(&injections->retired) && !is_used(injections))
        inlay_injections_close(injections);
}

void inlay_injections_retire(struct inlay_injections *injections)
{
    atomic_store(&injections->retired, true);
    close_unused(injections);
}

static void release(void *arg)
{
    struct inlay_inject_shard *shard = arg;

    atomic_fetch_sub(&shard->users, 1);
    if (inlay_unlikely(atomic_load(&shard->whole->retired)))
        close_unused(shard->whole);
}

int inlay_injections_hold(struct inlay_injections *injections,
                          struct inlay_request *request)
{
    struct inlay_inject_shard *shard =
        &injections->shards[request->thread->index % INLAY_INJECT_SHARDS];

    if (!injections->has_states)
        return 0;
    atomic_fetch_add(&shard->users, 1);
    if (inlay_unlikely(atomic_load(&injections->retired))) {
        release(shard);
        return -1;
    }
    if (inlay_arena_defer(&request->arena, release, shard) < 0) {
        release(shard);
        return -2;
    }
    return 0;
}

struct inlay_provided *inlay_provided_of(struct inlay_request *request,
                                         const struct inlay_steps *steps)
{
    const struct inlay_injection *injection = steps->injection;
    struct inlay_provided *provided = request->provided;

    while (provided && provided->injection != injection)
        provided = provided->next;
    if (provided)
        return provided;
    provided = inlay_arena_zalloc(
        &request->arena,
        sizeof(*provided) +
            injection->nslots * (sizeof(*provided->values) + sizeof(bool)));
    if (!provided)
        return NULL;
    provided->next = request->provided;
    provided->injection = injection;
    provided->is_done = (bool *)(provided->values + injection->nslots);
    request->provided = provided;
    return provided;
}
