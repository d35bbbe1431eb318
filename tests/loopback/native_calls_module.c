/* Functions that wait, stream, redirect and leave: routes of
 * test_native_calls.c, which compiles this file. */
#include <inlay.h>
#include <unistd.h>

struct count {
    int64_t count;
};

static int64_t ended;

static void note_end(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
}

/* How many functions that said so have been ended, by return or otherwise. */
struct count get_ended(void)
{
    return (struct count){__atomic_load_n(&ended, __ATOMIC_SEQ_CST)};
}
INLAY_GET("/ended", get_ended);

/* --- The answer --------------------------------------------------------- */

struct count accepted(int64_t n)
{
    inlay_status(202);
    inlay_header_set("x-n", "%d", (int)n);
    inlay_header_add("x-more", "a");
    inlay_header_add("x-more", "b");
    inlay_header_set("content-type", "application/vnd.count+json");
    return (struct count){n};
}
INLAY_GET("/accepted", accepted);

/* What it says of its content is not true of the error's. */
struct count page(const inlay_str name)
{
    inlay_header_set("content-type", "text/html");
    inlay_header_set("etag", "\"page\"");
    inlay_header_set("x-kept", "yes");
    inlay_fail(INLAY_NOT_FOUND, "no %.*s", (int)name.len, name.ptr);
    return (struct count){0};
}
INLAY_GET("/page", page);

struct count bad_header(void)
{
    inlay_header_set("x-bad", "a\r\nset-cookie: b");
    return (struct count){0};
}
INLAY_GET("/bad-header", bad_header);

struct count bad_name(inlay_str name, inlay_str value, inlay_str with)
{
    if (with.ptr && with.len == 1 && *with.ptr == 'c')
        inlay_cookie_set(inlay_format("%.*s", (int)name.len, name.ptr).ptr,
                         (inlay_str){value.ptr, value.len}, "Path=/");
    else
        inlay_header_add(inlay_format("%.*s", (int)name.len, name.ptr).ptr,
                         "%.*s", (int)value.len, value.ptr);
    return (struct count){0};
}
INLAY_GET("/bad-name", bad_name);

struct count cannot_as_const(const inlay_request *request)
{
    (void)request;
    inlay_sleep(1);
    return (struct count){1};
}
INLAY_GET("/cannot-as-const", cannot_as_const);

struct count denied(void)
{
    inlay_header_set("www-authenticate", "Bearer");
    inlay_fail(INLAY_UNAUTHORIZED, "who are you?");
    return (struct count){0};
}
INLAY_GET("/denied", denied);

struct count tagged(void)
{
    inlay_header_set("etag", "\"v1\"");
    return (struct count){1};
}
INLAY_GET("/tagged", tagged);

struct count trailed(void)
{
    inlay_trailer_set("x-sum", "%d", 7);
    return (struct count){7};
}
INLAY_GET("/trailed", trailed);

void moved(inlay_str to)
{
    inlay_redirect(303, "/to/%.*s", (int)to.len, to.ptr);
}
INLAY_GET("/moved", moved);

void twice(void)
{
    inlay_redirect(303, "/x");
    inlay_send_file("/etc/hostname");
}
INLAY_GET("/twice", twice);

void file(inlay_str path)
{
    inlay_send_file(inlay_format("%.*s", (int)path.len, path.ptr).ptr);
}
INLAY_GET("/file", file);

inlay_text parts(const inlay_request *request)
{
    inlay_str agent = inlay_header(request, "User-Agent");

    return inlay_format("%.*s %.*s %.*s %.*s %.*s",
                        (int)inlay_part(request, INLAY_PART_METHOD).len,
                        inlay_part(request, INLAY_PART_METHOD).ptr,
                        (int)inlay_part(request, INLAY_PART_PATH).len,
                        inlay_part(request, INLAY_PART_PATH).ptr,
                        (int)inlay_part(request, INLAY_PART_QUERY).len,
                        inlay_part(request, INLAY_PART_QUERY).ptr,
                        (int)inlay_part(request, INLAY_PART_ROUTE).len,
                        inlay_part(request, INLAY_PART_ROUTE).ptr,
                        (int)agent.len, agent.ptr);
}
INLAY_GET("/parts/{rest:path}", parts);

/* --- Waiting ------------------------------------------------------------ */

struct count slept(inlay_request *request, uint32_t ms)
{
    (void)request;
    inlay_defer(note_end, 0);
    return (struct count){inlay_sleep(ms)};
}
INLAY_GET("/slept", slept);

static void helper(void)
{
    inlay_sleep(1);
}

struct count cannot(void)
{
    helper();
    return (struct count){1};
}
INLAY_GET("/cannot", cannot);

/* It does not look at what waits return. */
void deaf(inlay_request *request, bool fails)
{
    inlay_defer(note_end, 0);
    if (fails)
        inlay_fail(INLAY_CONFLICT, "at first");
    for (;;)
        inlay_print(request, "x%s", inlay_sleep(1) ? "" : "!");
}
INLAY_GET("/deaf", deaf);

/* The same when nobody wants the body. */
void beats(inlay_request *request, bool looks)
{
    inlay_defer(note_end, 0);
    do
        inlay_print(request, "beat");
    while (!looks || inlay_sleep(1));
}
INLAY_ROUTE("HEAD", "/beats", beats);

/* --- Streams ------------------------------------------------------------ */

void numbers(inlay_request *request, int64_t n)
{
    inlay_header_set("x-kind", "numbers");
    for (int64_t i = 0; i < n; i++) {
        if (!inlay_print(request, "%d\n", (int)i))
            return;
    }
}
INLAY_ROUTE("GET,HEAD", "/numbers", numbers);

void broken(inlay_request *request)
{
    inlay_print(request, "begun");
    inlay_sleep(1);
    inlay_fail(INLAY_INTERNAL, "in the middle");
}
INLAY_GET("/broken", broken);

void large(inlay_request *request, int64_t parts_)
{
    static char part[65536];

    inlay_defer(note_end, 0);
    for (int64_t i = 0; i < parts_; i++) {
        if (!inlay_write(request, (inlay_str){part, sizeof(part)}))
            return;
    }
}
INLAY_QUERY(large, parts_, "parts");
INLAY_GET("/large", large);

void ticks(inlay_request *request, int64_t n, uint32_t ms)
{
    inlay_defer(note_end, 0);
    for (int64_t i = 0; i < n; i++) {
        if (!inlay_event(request, "tick", "%d\nmore", (int)i) ||
            !inlay_sleep(ms))
            return;
    }
}
INLAY_GET("/ticks", ticks);

struct count upload(inlay_request *request, uint32_t size)
{
    char buffer[32768];
    int64_t sum = 0;

    for (;;) {
        ptrdiff_t len = inlay_read(request, buffer, size);

        if (len <= 0)
            return (struct count){len < 0 ? -1 : sum};
        for (ptrdiff_t i = 0; i < len; i++)
            sum += buffer[i];
    }
}
INLAY_DEFAULT(upload, size, 32768);
INLAY_POST("/upload", upload);

/* Reads nothing, later. */
struct count ignore(inlay_request *request)
{
    inlay_sleep(5);
    (void)request;
    return (struct count){0};
}
INLAY_POST("/ignore", ignore);

/* Echoes a part as soon as it comes. */
void echo(inlay_request *request)
{
    char buffer[1000];
    ptrdiff_t len;

    while ((len = inlay_read(request, buffer, sizeof(buffer))) > 0)
        inlay_write(request, (inlay_str){buffer, (size_t)len});
}
INLAY_POST("/echo-native", echo);

/* --- Somebody else ------------------------------------------------------ */

void pass(inlay_request *request, bool waits)
{
    if (waits)
        inlay_sleep(5);
    inlay_header_set("x-passed", "yes");
    inlay_next(request);
}
INLAY_ROUTE("GET,POST", "/show", pass);

struct any {
    int64_t n;
};

void pass_read(inlay_request *request, struct any body)
{
    (void)body;
    inlay_next(request);
}
INLAY_POST("/echo", pass_read);

void pass_form(inlay_request *request, inlay_str name)
{
    (void)name;
    inlay_next(request);
}
INLAY_FORM(pass_form, name);
INLAY_POST("/form", pass_form);

void pass_late(inlay_request *request)
{
    char byte;

    inlay_read(request, &byte, 1);
    inlay_next(request);
}
INLAY_POST("/late", pass_late);

/* --- The pool ----------------------------------------------------------- */

struct count pooled(const inlay_request *request, int64_t n, uint32_t ms)
{
    inlay_defer(note_end, 0);
    usleep(ms * 1000);
    inlay_header_set("x-route", "%.*s",
                     (int)inlay_part(request, INLAY_PART_ROUTE).len,
                     inlay_part(request, INLAY_PART_ROUTE).ptr);
    if (n < 0)
        inlay_fail(INLAY_INVALID, "n is %d", (int)n);
    inlay_status(201);
    return (struct count){n * 2};
}
INLAY_ASYNC(pooled);
INLAY_DEFAULT(pooled, ms, 0);
INLAY_GET("/pooled", pooled);

struct count pooled_wait(void)
{
    inlay_sleep(1);
    return (struct count){0};
}
INLAY_ASYNC(pooled_wait);
INLAY_GET("/pooled-wait", pooled_wait);

INLAY_SLICE(counts, struct count);

counts pooled_body(counts list)
{
    for (size_t i = 0; i < list.len; i++)
        list.ptr[i].count *= 2;
    return list;
}
INLAY_ASYNC(pooled_body);
INLAY_POST("/pooled-body", pooled_body);

/* --- Providers ---------------------------------------------------------- */

struct session {
    int64_t user;
};

struct session *session(inlay_request *request, int64_t user)
{
    struct session *made = inlay_alloc(sizeof(*made));

    if (!inlay_sleep(1))
        return 0;
    if (user == 0)
        inlay_redirect(303, "/login");
    else if (user < 0)
        inlay_fail(INLAY_DENIED, "not you");
    else
        inlay_header_set("x-user", "%d", (int)user);
    made->user = user;
    (void)request;
    return made;
}
INLAY_PROVIDE(session);

struct slow {
    int64_t user;
};

struct slow *slow(inlay_request *request)
{
    (void)request;
    inlay_defer(note_end, 0);
    return inlay_sleep(600000) ? inlay_alloc(sizeof(struct slow)) : 0;
}
INLAY_PROVIDE(slow);

struct count slow_greet(const struct slow *slow)
{
    return (struct count){slow->user};
}
INLAY_GET("/slow-greet", slow_greet);

struct count greet(const struct session *session, int64_t times)
{
    return (struct count){session->user * times};
}
INLAY_GET("/greet", greet);

struct count greet_body(struct session *session, struct any body)
{
    return (struct count){session->user * body.n};
}
INLAY_POST("/greet", greet_body);
