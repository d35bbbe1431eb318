/* States and providers: see test_providers.py. */
#include <inlay.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is opened and closed, in order: for the test to read. */
static void note(const char *text)
{
    const char *path = getenv("PROVIDED_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;

    if (!file)
        return;
    fprintf(file, "%s\n", text);
    fclose(file);
}

struct config {
    int64_t limit;
};

static void close_config(struct config *config)
{
    note("close config");
    free(config);
}

static struct config *open_config(int64_t limit)
{
    struct config *config = malloc(sizeof(*config));

    note("open config");
    config->limit = limit;
    return config;
}
INLAY_DEFAULT(open_config, limit, 7);

/* Opaque to Python: it is a lock, more or less. */
struct store {
    atomic_long hits;
    struct config *config;
    void (*hidden)(void);
};

static struct store *open_store(struct config *config)
{
    struct store *store = calloc(1, sizeof(*store));

    note("open store");
    if (getenv("PROVIDED_FAIL"))
        inlay_fail(INLAY_UNAVAILABLE, "the disk of %s is full", "store");
    if (getenv("PROVIDED_NULL")) {
        free(store);
        return NULL;
    }
    store->config = config;
    return store;
}

static void close_store(struct store *store)
{
    note("close store");
    free(store);
}
/* The store first, though it needs the other one. */
INLAY_STATE(open_store, close_store);
INLAY_STATE(open_config, close_config);

int64_t hit(struct store *store)
{
    return (int64_t)atomic_fetch_add(&store->hits, 1) + 1;
}
INLAY_POST("/hit", hit);

int64_t limit(const struct config *config)
{
    return config->limit;
}
INLAY_GET("/limit", limit);

/* --- Per request ---------------------------------------------------------- */

struct session {
    int64_t number; /* of calls of the provider, ever */
    inlay_str user;
};
static atomic_long sessions, users;

struct session *session(struct store *store, inlay_str token)
{
    struct session *made = inlay_alloc(sizeof(*made));

    if (token.len == 0)
        inlay_fail(INLAY_UNAUTHORIZED, "who are you?");
    made->number = (int64_t)atomic_fetch_add(&sessions, 1) + 1;
    made->user = inlay_format("%.*s@%d", (int)token.len, token.ptr,
                              (int)store->config->limit);
    return made;
}
INLAY_HEADER(session, token, "x-token");
INLAY_DEFAULT(session, token, "");
INLAY_PROVIDE(session);

/* By value: who needs it takes a pointer. */
struct user {
    inlay_str name;
    int64_t number;
    int64_t session;
};

struct user current_user(const struct session *session)
{
    return (struct user){session->user,
                         (int64_t)atomic_fetch_add(&users, 1) + 1,
                         session->number};
}
INLAY_PROVIDE(current_user);

struct me {
    inlay_str name;
    int64_t user, session, again;
};

struct me me(const struct user *user, const struct session *session)
{
    return (struct me){user->name, user->number, user->session,
                       session->number};
}
INLAY_GET("/me", me);

/* The guard has asked for both already: they are not made again. */
static void only_users(const struct user *user)
{
    if (user->name.ptr[0] == 'x')
        inlay_fail(INLAY_DENIED, "not you");
}
INLAY_BEFORE("/guarded/*", only_users);
INLAY_GET("/guarded/me", me);

/* A hook sees them, too. */
static void stamp(const struct session *session)
{
    inlay_header_set("x-session", "%d", (int)session->number);
}
INLAY_AFTER("/guarded/*", stamp);

/* NULL is a value, made once. */
struct maybe {
    int64_t x;
};
static atomic_long maybes;
static struct maybe *find_maybe(bool there)
{
    atomic_fetch_add(&maybes, 1);
    return there ? inlay_alloc(sizeof(struct maybe)) : NULL;
}
INLAY_DEFAULT(find_maybe, there, false);
INLAY_PROVIDE(find_maybe);
static void look_at_maybe(const struct maybe *maybe)
{
    (void)maybe;
}
INLAY_BEFORE("/maybe", look_at_maybe);
struct found {
    bool found;
    int64_t calls;
};
struct found has_maybe(const struct maybe *maybe)
{
    return (struct found){maybe != NULL, (int64_t)atomic_load(&maybes)};
}
INLAY_GET("/maybe", has_maybe);

/* A part of the path is found by providers, too. */
struct item {
    int64_t id;
    inlay_str text;
};
static struct item *find_item(int64_t id)
{
    struct item *item = inlay_alloc(sizeof(*item));

    if (id > 100)
        inlay_fail(INLAY_NOT_FOUND, "no item %d", (int)id);
    *item = (struct item){id, inlay_format("item %d", (int)id)};
    return item;
}
INLAY_PROVIDE(find_item);
inlay_str item_text(const struct item *item)
{
    return item->text;
}
INLAY_GET("/items/{id}", item_text);
INLAY_GET("/items", item_text);

/* Those who wait. */
struct slow {
    int64_t waited;
};
static struct slow *wait_a_bit(inlay_request *request)
{
    struct slow *slow = inlay_alloc(sizeof(*slow));

    (void)request;
    slow->waited = inlay_sleep(1) ? 1 : 0;
    return slow;
}
INLAY_PROVIDE(wait_a_bit);
int64_t waited(const struct slow *slow)
{
    return slow->waited;
}
INLAY_GET("/waited", waited);

struct pooled {
    int64_t n;
};
static struct pooled on_the_pool(const struct slow *slow)
{
    return (struct pooled){slow->waited + 1};
}
INLAY_ASYNC(on_the_pool);
INLAY_PROVIDE(on_the_pool);
int64_t pooled(const struct pooled *pooled)
{
    return pooled->n;
}
INLAY_GET("/pooled", pooled);

/* Plain functions stay what they are. */
int64_t plus(int64_t a, int64_t b)
{
    return a + b;
}
