/*
 * Modules with states and guards that are swapped while requests flow: none
 * fails, no state is used before it is open or after it is closed, each is
 * closed once, and what was left as it is keeps its state.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "dwarf/open.h"
#include "load/module.h"
#include "serve/guard.h"
#include "serve/native.h"

#include "base/banned.h"

#define CLIENTS 3
#define REQUESTS 150

static const char source[] =
    "#include <inlay.h>\n"
    "#include <stdatomic.h>\n"
    "#include <stdlib.h>\n"
    "struct store { long open; };\n"
    "atomic_long opened, closed, wrong;\n"
    "static struct store *open_store(void)\n"
    "{\n"
    "    struct store *store = malloc(sizeof(*store));\n"
    "    store->open = 4711;\n"
    "    atomic_fetch_add(&opened, 1);\n"
    "    return store;\n"
    "}\n"
    "static void close_store(struct store *store)\n"
    "{\n"
    "    store->open = 0;\n"
    "    free(store);\n"
    "    atomic_fetch_add(&closed, 1);\n"
    "}\n"
    "INLAY_STATE(open_store, close_store);\n"
    "static int64_t look(struct store *store)\n"
    "{\n"
    "    if (store->open != 4711)\n"
    "        atomic_fetch_add(&wrong, 1);\n"
    "    return store->open;\n"
    "}\n"
    "static void guard(struct store *store) { look(store); }\n"
    "static int64_t wait(struct store *store, inlay_request *request)\n"
    "{\n"
    "    (void)request;\n"
    "    look(store);\n"
    "    inlay_sleep(3);\n"
    "    return look(store);\n"
    "}\n"
    "static int64_t plain(void) { return 4711; }\n"
    "#ifdef SWAPPED\n"
    "INLAY_BEFORE(\"/a/*\", guard);\n"
    "INLAY_GET(\"/a/look\", look);\n"
    "INLAY_GET(\"/a/wait\", wait);\n"
    "INLAY_GET(\"/a/plain\", plain);\n"
    "INLAY_GET(\"/wait\", wait);\n"
    "#else\n"
    "INLAY_GET(\"/kept\", look);\n"
    "#endif\n"
    "void *unused[] = {(void *)guard, (void *)wait, (void *)plain};\n";

struct swapping {
    struct fixture fixture;
    atomic_int done;
    atomic_int wrong;
};

static struct inlay_module *open_store(const char *flags)
{
    return open_text(NULL, "cc", flags, "store.c", source);
}

static long count_of(const struct inlay_module *module, const char *name)
{
    atomic_long *at = dlsym(module->handle, name);

    assert_non_null(at);
    return atomic_load(at);
}

static void *client(void *arg)
{
    static const char *const paths[] = {"/a/look", "/a/wait", "/a/plain",
                                        "/wait", "/kept"};
    struct swapping *swapping = arg;
    int fd = open_client(&swapping->fixture);
    char text[128];

    for (size_t i = 0; i < REQUESTS; i++) {
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nhost: x\r\n\r\n",
                 paths[i % inlay_array_size(paths)]);
        send_text(fd, text);
        char *answer = read_until(fd, "\r\n\r\n4711", NULL);
        if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 ||
            !strstr(answer, "\r\n\r\n4711"))
            atomic_fetch_add(&swapping->wrong, 1);
        free(answer);
    }
    close(fd);
    atomic_fetch_add(&swapping->done, 1);
    return NULL;
}

static void start(struct swapping *swapping, struct inlay_handler *native)
{
    struct inlay_handler *guards;
    struct fixture *fixture = &swapping->fixture;

    prepare(fixture);
    fixture->config.io_threads = 2;
    create_server(fixture);
    assert_null(inlay_guards_create(fixture->server, native, &guards));
    assert_non_null(guards);
    assert_null(inlay_server_add_handler(fixture->server, guards));
    assert_null(inlay_server_add_handler(fixture->server, native));
    assert_null(inlay_server_start(fixture->server));
}

static void swapped_under_load(void **state)
{
    static struct swapping swapping;
    struct inlay_handler *native;
    pthread_t threads[CLIENTS];
    int swaps = 0;

    (void)state;
    struct inlay_module *kept = open_store("");
    struct inlay_module *sets[2][2] = {
        {open_store("-DSWAPPED"), kept},
        {kept, open_store("-DSWAPPED")},
    };
    assert_null(inlay_native_create(sets[0], 2, &native));
    start(&swapping, native);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, &swapping),
                         0);
    while (atomic_load(&swapping.done) < CLIENTS) {
        assert_null(inlay_native_replace(native, sets[++swaps % 2], 2));
        sleep_ms(2);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&swapping.wrong), 0);
    stop_server(&swapping.fixture);
    long opened = 0;
    for (int i = 0; i < 2; i++) {
        struct inlay_module *module = sets[i][i];

        opened += count_of(module, "opened");
        assert_int_equal(count_of(module, "opened"),
                         count_of(module, "closed"));
        assert_int_equal(count_of(module, "wrong"), 0);
    }
    assert_int_equal(opened, swaps + 1);
    assert_int_equal(count_of(kept, "opened"), 1);
    assert_int_equal(count_of(kept, "closed"), 1);
    assert_int_equal(count_of(kept, "wrong"), 0);
}

/* A chain that was made without guards has no place for one. */
static void the_first_guard(void **state)
{
    struct inlay_handler *native, *guards;
    struct fixture fixture;

    (void)state;
    struct inlay_module *without = open_store("");
    struct inlay_module *with = open_store("-DSWAPPED");
    prepare(&fixture);
    create_server(&fixture);
    assert_null(inlay_native_create(&without, 1, &native));
    assert_null(inlay_guards_create(fixture.server, native, &guards));
    assert_null(guards);
    assert_null(inlay_server_add_handler(fixture.server, native));
    struct inlay_error *error = inlay_native_replace(native, &with, 1);
    assert_non_null(error);
    assert_int_equal(error->code, INLAY_ERROR_STATE);
    inlay_error_destroy(error);
    assert_int_equal(count_of(with, "opened"), 0);
    stop_server(&fixture);
    assert_int_equal(count_of(without, "opened"), 1);
    assert_int_equal(count_of(without, "closed"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapped_under_load),
        cmocka_unit_test(the_first_guard),
    };

    return cmocka_run_group_tests_name("states", tests, NULL, NULL);
}
