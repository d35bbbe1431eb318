/* What providers and states return, and who takes it. */
#include <inlay.h>
#include <stdlib.h>

/* No Python form at all. */
struct store {
    void (*secret)(void);
    union {
        int a;
        float b;
    } u;
    struct store **next;
};
struct opaque;
typedef struct {
    int64_t n;
} config;
struct user {
    int64_t id;
    inlay_str name;
};
struct plain {
    int x;
};

static struct store *open_store(config *c)
{
    (void)c;
    return calloc(1, sizeof(struct store));
}
INLAY_STATE(open_store, free);

static void close_config(const config *c)
{
    (void)c;
}

/* Exported, and a pointer that a typedef hides. */
typedef config *config_ref;
config_ref config_new(void);
config_ref config_new(void)
{
    return calloc(1, sizeof(config));
}
void config_free(config_ref c);
void config_free(config_ref c)
{
    free(c);
}
INLAY_STATE(config_new, close_config);

struct opaque *find_opaque(const inlay_request *request, struct store *s);
struct opaque *find_opaque(const inlay_request *request, struct store *s)
{
    (void)request;
    return (struct opaque *)s;
}
INLAY_PROVIDE(find_opaque);

struct user current_user(inlay_str token);
struct user current_user(inlay_str token)
{
    return (struct user){1, token};
}
INLAY_PROVIDE(current_user);

void take(const struct store *s,
          config_ref c,
          struct opaque *o,
          const struct user *u,
          const struct plain *p);
void take(const struct store *s,
          config_ref c,
          struct opaque *o,
          const struct user *u,
          const struct plain *p)
{
    (void)s, (void)c, (void)o, (void)u, (void)p;
}

/* Elsewhere they are what they always are. */
struct user *find_user(int64_t id);
struct user *find_user(int64_t id)
{
    (void)id;
    return NULL;
}
int64_t by_value(struct user user);
int64_t by_value(struct user user)
{
    return user.id;
}
struct holder {
    struct user *user;
};
int64_t held(struct holder holder);
int64_t held(struct holder holder)
{
    return holder.user ? 1 : 0;
}
struct store *leak_store(void);
struct store *leak_store(void)
{
    return NULL;
}

void wait_for(inlay_request *request, inlay_socket *socket);
void wait_for(inlay_request *request, inlay_socket *socket)
{
    (void)request, (void)socket;
}
