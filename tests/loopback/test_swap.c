/* Native routes that are swapped while requests flow: none fails. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "client.h"
#include "native_sample.h"

#include "base/banned.h"

#define CLIENTS 3
#define REQUESTS 200

struct swapping {
    struct fixture fixture;
    struct inlay_module *all, *sums, *lists;
    atomic_int done;  /* clients that have ended */
    atomic_int wrong; /* answers that were not as they had to be */
};

/* One answer; `head` is how it begins, `body` how it ends. */
static void ask(struct swapping *swapping,
                int fd,
                const char *head,
                const char *body)
{
    char *text = read_until(fd, body, NULL);

    if (strncmp(text, head, strlen(head)) != 0 || !strstr(text, body))
        atomic_fetch_add(&swapping->wrong, 1);
    free(text);
}

static void *client(void *arg)
{
    struct swapping *swapping = arg;
    int fd = open_client(&swapping->fixture);

    for (int i = 0; i < REQUESTS; i++) {
        send_text(fd, "GET /sum-squares?a=3&b=4 HTTP/1.1\r\nhost: x\r\n\r\n");
        ask(swapping, fd, "HTTP/1.1 200 ", "\"sum_of_squares\":25}");
        /* Its route is found before a swap and called after it. */
        send_text(fd, "POST /list HTTP/1.1\r\nhost: x\r\ncontent-type: "
                      "application/json\r\ncontent-length: 7\r\n\r\n[1,");
        sched_yield();
        send_text(fd, "2,3]");
        ask(swapping, fd, "HTTP/1.1 200 ", "[1,2,3]");
    }
    /* A route that is there only at times. */
    send_text(fd,
              "GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    char *text = read_until(fd, NULL, NULL);
    if (strncmp(text, "HTTP/1.1 203 ", 13) != 0 &&
        strncmp(text, "HTTP/1.1 404 ", 13) != 0)
        atomic_fetch_add(&swapping->wrong, 1);
    free(text);
    close(fd);
    atomic_fetch_add(&swapping->done, 1);
    return NULL;
}

/* What others read of the routes meanwhile. */
static void look(const struct inlay_handler *native)
{
    size_t count = inlay_native_count(native);
    struct inlay_buf out;

    for (size_t i = 0; i < count; i++)
        inlay_native_info(native, i);
    inlay_buf_init(&out, 1 << 20);
    assert_int_equal(inlay_native_openapi(native, &out), 0);
    inlay_buf_deinit(&out);
}

static void swapped_under_load(void **state)
{
    static struct swapping swapping;
    struct inlay_handler *native;
    pthread_t threads[CLIENTS];

    (void)state;
    swapping.all = sample_module_create(NULL);
    swapping.sums = sample_module_create("sum_squares");
    swapping.lists = sample_module_create("same_list");
    struct inlay_module *few[] = {swapping.sums, swapping.lists};
    prepare(&swapping.fixture);
    swapping.fixture.config.io_threads = 2;
    assert_null(inlay_native_create(&swapping.all, 1, &native));
    swapping.fixture.more = native;
    start_server(&swapping.fixture);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, &swapping),
                         0);
    for (int i = 0; atomic_load(&swapping.done) < CLIENTS; i++) {
        assert_null(i % 2 ? inlay_native_replace(native, &swapping.all, 1)
                          : inlay_native_replace(native, few, 2));
        look(native);
        sleep_ms(1);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&swapping.wrong), 0);
    stop_server(&swapping.fixture);
    sample_module_destroy(swapping.all);
    sample_module_destroy(swapping.sums);
    sample_module_destroy(swapping.lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapped_under_load),
    };

    return cmocka_run_group_tests_name("swap", tests, NULL, NULL);
}
