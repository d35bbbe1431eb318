#include "serve/route.h"

#include "base/mem.h"

#include "base/banned.h"

#define TREE_MEMORY ((size_t)64 << 20)

enum segment_kind {
    SEGMENT_LITERAL,
    SEGMENT_ANY,   /* {id} */
    SEGMENT_INT,   /* {id:int} */
    SEGMENT_FLOAT, /* {x:float} */
    SEGMENT_UUID,  /* {id:uuid} */
    SEGMENT_REST,  /* {rest:path} */
};

struct segment {
    enum segment_kind kind;
    struct inlay_str text; /* LITERAL: itself */
};

struct method {
    struct inlay_str name;
    void *target;
    bool implied; /* HEAD, which came with GET */
};

/* Where the segments from the root to here lead; the root is before all. */
struct node {
    struct segment segment;
    struct node **literals; /* sorted by length, then bytes */
    struct node **params;   /* ANY to UUID, in order of addition */
    struct node *rest;
    size_t nliterals, nparams;
    struct method *methods; /* none: the path goes on from here */
    size_t nmethods;
    struct inlay_str allow;
};

/* A path without parameters, to be found at once. */
struct whole {
    struct inlay_str path;
    const struct node *node; /* NULL: the place is free */
};

struct inlay_route_tree {
    struct inlay_arena arena;
    struct node root;
    struct whole *wholes; /* open addressing; at least half of it is free */
    size_t nwholes, wholes_size; /* a power of two; 0: none */
};

/* --- Building ----------------------------------------------------------- */

struct inlay_error *inlay_route_tree_create(struct inlay_route_tree **ret)
{
    struct inlay_route_tree *tree = inlay_calloc(1, sizeof(*tree));

    if (!tree)
        return inlay_error_no_memory();
    inlay_arena_init(&tree->arena, TREE_MEMORY);
    *ret = tree;
    return NULL;
}

void inlay_route_tree_destroy(struct inlay_route_tree *tree)
{
    if (!tree)
        return;
    inlay_arena_deinit(&tree->arena);
    inlay_free(tree);
}

/* Of a path that is well written. */
static struct segment parse_segment(struct inlay_str text)
{
    struct segment segment = {SEGMENT_LITERAL, text};
    struct inlay_str name, kind;

    if (!text.len || text.ptr[0] != '{' ||
        !inlay_pattern_next_param(&text, &name, &kind))
        return segment;
    segment = (struct segment){SEGMENT_ANY, inlay_str_make("", 0)};
    if (inlay_str_is(kind, "int"))
        segment.kind = SEGMENT_INT;
    else if (inlay_str_is(kind, "float"))
        segment.kind = SEGMENT_FLOAT;
    else if (inlay_str_is(kind, "uuid"))
        segment.kind = SEGMENT_UUID;
    else if (inlay_str_is(kind, "path"))
        segment.kind = SEGMENT_REST;
    return segment;
}

/* How many segments. */
static size_t parse_path(struct inlay_str path,
                         struct segment segments[INLAY_PATTERN_SEGMENTS])
{
    size_t count = 0;

    for (size_t at = 1; at <= path.len; count++) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        size_t end = slash ? (size_t)(slash - path.ptr) : path.len;

        segments[count] =
            parse_segment(inlay_str_make(path.ptr + at, end - at));
        at = end + 1;
    }
    return count;
}

/* By length first: one comparison of numbers settles most. */
static int compare(struct inlay_str a, struct inlay_str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

/* Where `text` is among the literals, or would be. */
static size_t literal_index(const struct node *node, struct inlay_str text)
{
    size_t low = 0, high = node->nliterals;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(node->literals[middle]->segment.text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* `array` with room for one more behind its `count` entries, or NULL. */
static void *with_room(struct inlay_arena *arena,
                       void *array,
                       size_t count,
                       size_t size)
{
    if (count & (count - 1))
        return array; /* not a power of two: the last growth left room */
    void *grown = inlay_arena_zalloc_array(arena, count ? count * 2 : 1, size);
    if (grown && count)
        memcpy(grown, array, count * size);
    return grown;
}

/* The child for `segment`, made when there is none; NULL without memory. */
static struct node *child_for(struct inlay_route_tree *tree,
                              struct node *node,
                              const struct segment *segment)
{
    size_t at = 0;

    if (segment->kind == SEGMENT_LITERAL) {
        at = literal_index(node, segment->text);
        if (at < node->nliterals &&
            inlay_str_equal(node->literals[at]->segment.text, segment->text))
            return node->literals[at];
    } else if (segment->kind == SEGMENT_REST) {
        if (node->rest)
            return node->rest;
    } else {
        for (size_t i = 0; i < node->nparams; i++)
            if (node->params[i]->segment.kind == segment->kind)
                return node->params[i];
    }

    struct node *child = inlay_arena_new(&tree->arena, struct node);
    if (!child)
        return NULL;
    child->segment.kind = segment->kind;
    child->segment.text = inlay_arena_copy(&tree->arena, segment->text);
    if (!child->segment.text.ptr)
        return NULL;
    if (segment->kind == SEGMENT_REST) {
        node->rest = child;
        return child;
    }

    bool literal = segment->kind == SEGMENT_LITERAL;
    struct node ***array = literal ? &node->literals : &node->params;
    size_t *count = literal ? &node->nliterals : &node->nparams;
    struct node **grown =
        with_room(&tree->arena, *array, *count, sizeof(struct node *));
    if (!grown)
        return NULL;
    *array = grown;
    if (!literal)
        at = *count;
    memmove(grown + at + 1, grown + at, (*count - at) * sizeof(*grown));
    grown[at] = child;
    *count += 1;
    return child;
}

static struct method *method_find(const struct node *node,
                                  struct inlay_str name)
{
    for (size_t i = 0; i < node->nmethods; i++)
        if (inlay_str_equal(node->methods[i].name, name))
            return &node->methods[i];
    return NULL;
}

static int method_put(struct inlay_route_tree *tree,
                      struct node *node,
                      struct inlay_str name,
                      void *target,
                      bool implied)
{
    struct method *old = method_find(node, name);

    if (old) {
        old->target = target;
        old->implied = implied;
        return 0;
    }
    struct method *grown = with_room(&tree->arena, node->methods,
                                     node->nmethods, sizeof(struct method));
    if (!grown)
        return -1;
    node->methods = grown;
    name = inlay_arena_copy(&tree->arena, name);
    if (!name.ptr)
        return -1;
    grown[node->nmethods++] = (struct method){name, target, implied};
    return 0;
}

static int write_allow(struct inlay_route_tree *tree, struct node *node)
{
    struct inlay_str allow = {NULL, 0};

    for (size_t i = 0; i < node->nmethods; i++) {
        struct inlay_str name = node->methods[i].name;

        allow =
            inlay_arena_format(&tree->arena, "%.*s%s%.*s", inlay_str_arg(allow),
                               i ? ", " : "", inlay_str_arg(name));
        if (!allow.ptr)
            return -1;
    }
    node->allow = allow;
    return 0;
}

/* --- Paths without parameters ------------------------------------------- */

/* Routes are the application's: no client can make two of one hash. */
static uint64_t hash_path(struct inlay_str path)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t hash = path.len, word = 0;
    size_t i = 0;

    for (; path.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, path.ptr + i, sizeof(word));
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
    }
    for (word = 0; i < path.len; i++)
        word = word << 8 | (unsigned char)path.ptr[i];
    hash = (hash ^ word) * odd;
    return hash ^ hash >> 32;
}

/* Its place, or the free one where it would be. */
static struct whole *whole_place(const struct inlay_route_tree *tree,
                                 struct inlay_str path)
{
    size_t mask = tree->wholes_size - 1, at = hash_path(path) & mask;

    while (tree->wholes[at].node &&
           !inlay_str_equal(tree->wholes[at].path, path))
        at = (at + 1) & mask;
    return &tree->wholes[at];
}

static int grow_wholes(struct inlay_route_tree *tree)
{
    struct whole *old = tree->wholes;
    size_t count = tree->wholes_size;

    tree->wholes_size = inlay_max(count * 2, (size_t)16);
    tree->wholes = inlay_arena_zalloc_array(&tree->arena, tree->wholes_size,
                                            sizeof(*tree->wholes));
    if (!tree->wholes) {
        tree->wholes = old;
        tree->wholes_size = count;
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (old[i].node)
            *whole_place(tree, old[i].path) = old[i];
    }
    return 0;
}

static int whole_put(struct inlay_route_tree *tree,
                     struct inlay_str path,
                     const struct node *node)
{
    if (tree->nwholes * 2 >= tree->wholes_size && grow_wholes(tree) < 0)
        return -1;
    struct whole *place = whole_place(tree, path);
    if (place->node)
        return 0;
    struct inlay_str copy = inlay_arena_copy(&tree->arena, path);
    if (!copy.ptr)
        return -1;
    *place = (struct whole){copy, node};
    tree->nwholes++;
    return 0;
}

/* A method that has a target of its own already. */
static struct inlay_error *check_twice(const struct node *node,
                                       struct inlay_str methods)
{
    struct inlay_str name;

    while (inlay_pattern_next_method(&methods, &name)) {
        const struct method *old = method_find(node, name);

        if (old && !old->implied)
            return inlay_error_create(INLAY_ERROR_VALUE,
                                      "another route has %.*s here already",
                                      inlay_str_arg(name));
    }
    return NULL;
}

static bool has_params(const struct segment *segments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (segments[i].kind != SEGMENT_LITERAL)
            return true;
    }
    return false;
}

struct inlay_error *inlay_route_tree_add(struct inlay_route_tree *tree,
                                         struct inlay_str methods,
                                         struct inlay_str path,
                                         void *target)
{
    struct segment segments[INLAY_PATTERN_SEGMENTS];
    const char *why = inlay_pattern_bad_path(path);
    struct node *node = &tree->root;

    if (!why)
        why = inlay_pattern_bad_methods(methods);
    if (why)
        return inlay_error_create(INLAY_ERROR_VALUE, "%s", why);
    size_t count = parse_path(path, segments);
    for (size_t i = 0; i < count; i++) {
        node = child_for(tree, node, &segments[i]);
        if (!node)
            return inlay_error_no_memory();
    }
    struct inlay_error *error = check_twice(node, methods);
    if (error)
        return error;

    struct inlay_str rest = methods, name;
    while (inlay_pattern_next_method(&rest, &name)) {
        if (method_put(tree, node, name, target, false) < 0)
            return inlay_error_no_memory();
        if (inlay_str_is(name, "GET") &&
            !method_find(node, INLAY_STR("HEAD")) &&
            method_put(tree, node, INLAY_STR("HEAD"), target, true) < 0)
            return inlay_error_no_memory();
    }
    if (write_allow(tree, node) < 0 ||
        (!has_params(segments, count) && whole_put(tree, path, node) < 0))
        return inlay_error_no_memory();
    return NULL;
}

/* --- Looking up --------------------------------------------------------- */

struct search {
    struct inlay_str method, path;
    struct inlay_route_match *match;
    bool known;
};

/* Digits; `fraction`: also "1.5". */
static bool is_number(struct inlay_str text, bool fraction)
{
    bool digit = false;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' && fraction && digit) {
            fraction = digit = false;
            continue;
        }
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        digit = true;
    }
    return digit;
}

/* 8-4-4-4-12 hex digits, any of the hyphens left out. */
static bool is_uuid(struct inlay_str text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = inlay_ascii_lower(text.ptr[i]);

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
            digits++;
        else if (c != '-' || digits < 8 || digits > 20 || digits % 4 ||
                 text.ptr[i - 1] == '-')
            return false;
    }
    return digits == 32;
}

/* Can a parameter of this kind be `text`, which is not empty? */
static bool takes(enum segment_kind kind, struct inlay_str text)
{
    switch (kind) {
    case SEGMENT_INT:
        return is_number(text, false);
    case SEGMENT_FLOAT:
        return is_number(text, true);
    case SEGMENT_UUID:
        return is_uuid(text);
    case SEGMENT_LITERAL:
    case SEGMENT_ANY:
    case SEGMENT_REST:
        break;
    }
    return true;
}

/* A further path knows it, with other methods: they join the list. */
static void allow_more(struct search *search, const struct node *node)
{
    struct inlay_route_match *match = search->match;
    size_t len = match->allow.len, size = sizeof(match->allow_text);

    if (len > size)
        return;
    if (match->allow.ptr != match->allow_text)
        memcpy(match->allow_text, match->allow.ptr, len);
    for (size_t i = 0; i < node->nmethods; i++) {
        struct inlay_str name = node->methods[i].name, listed;
        struct inlay_str rest = inlay_str_make(match->allow_text, len);
        bool there = false;

        while (!there && inlay_pattern_next_method(&rest, &listed))
            there = inlay_str_equal(listed, name);
        if (there || size - len < name.len + 2)
            continue;
        memcpy(match->allow_text + len, ", ", 2);
        memcpy(match->allow_text + len + 2, name.ptr, name.len);
        len += name.len + 2;
    }
    match->allow = inlay_str_make(match->allow_text, len);
}

/* The path ends at `node`; true when it also has the method. */
static bool arrive(struct search *search,
                   const struct node *node,
                   size_t nparams)
{
    struct inlay_route_match *match = search->match;

    if (!node->nmethods)
        return false;
    const struct method *method = method_find(node, search->method);
    if (method || !search->known)
        match->allow = node->allow;
    else
        allow_more(search, node);
    search->known = true;
    if (!method)
        return false;
    match->target = method->target;
    match->nparams = nparams;
    return true;
}

/*
 * Tries what can follow `node`, whose next segment begins at `at`. Every node
 * of the tree is entered at most once in a search, so that is its bound.
 */
static bool descend(struct search *search,
                    const struct node *node,
                    size_t at,
                    size_t nparams)
{
    struct inlay_str path = search->path;
    struct inlay_str rest = inlay_str_make(path.ptr + at, path.len - at);
    const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    struct inlay_str text =
        slash ? inlay_str_make(rest.ptr, (size_t)(slash - rest.ptr)) : rest;
    size_t next = at + text.len + 1;

    if (node->nliterals) {
        size_t i = literal_index(node, text);

        if (i < node->nliterals) {
            const struct node *child = node->literals[i];

            if (inlay_str_equal(child->segment.text, text) &&
                (slash ? descend(search, child, next, nparams)
                       : arrive(search, child, nparams)))
                return true;
        }
    }
    for (size_t i = 0; text.len && i < node->nparams; i++) {
        const struct node *child = node->params[i];

        if (!takes(child->segment.kind, text))
            continue;
        search->match->params[nparams] = text;
        if (slash ? descend(search, child, next, nparams + 1)
                  : arrive(search, child, nparams + 1))
            return true;
    }
    if (node->rest) {
        search->match->params[nparams] = rest;
        return arrive(search, node->rest, nparams + 1);
    }
    return false;
}

/* As descend would find it: literals win in each segment. */
static bool find_whole(const struct inlay_route_tree *tree,
                       struct inlay_str method,
                       struct inlay_str path,
                       struct inlay_route_match *match)
{
    const struct node *node =
        tree->nwholes ? whole_place(tree, path)->node : NULL;
    const struct method *found = node ? method_find(node, method) : NULL;

    if (!found)
        return false;
    match->target = found->target;
    match->allow = node->allow;
    return true;
}

bool inlay_route_tree_find(const struct inlay_route_tree *tree,
                           struct inlay_str method,
                           struct inlay_str path,
                           struct inlay_route_match *match)
{
    struct search search = {.method = method, .path = path, .match = match};

    match->target = NULL;
    match->allow = inlay_str_make("", 0);
    match->nparams = 0;
    if (!path.len || path.ptr[0] != '/')
        return false;
    if (find_whole(tree, method, path, match))
        return true;
    descend(&search, &tree->root, 1, 0);
    return search.known;
}
