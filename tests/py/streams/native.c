/* Routes that wait, stream and pass on; test_native_stream.py. */
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

struct count get_ended(void)
{
    return (struct count){__atomic_load_n(&ended, __ATOMIC_SEQ_CST)};
}
INLAY_GET("/ended", get_ended);

/// On the pool; awaitable in Python.
struct count slowly(int64_t n, int32_t ms)
{
    inlay_defer(note_end, 0);
    usleep((useconds_t)ms * 1000);
    return (struct count){n * 2};
}
INLAY_ASYNC(slowly);
INLAY_GET("/slowly", slowly);

/* From Python: it blocks. */
bool nap(int32_t ms)
{
    return inlay_sleep((uint32_t)ms);
}

bool says(void)
{
    inlay_status(201);
    return true;
}

void ticks(inlay_request *request, int64_t n)
{
    inlay_defer(note_end, 0);
    for (int64_t i = 0; i < n; i++)
        if (!inlay_event(request, i % 2 ? "odd" : 0, "%d\nline", (int)i) ||
            !inlay_sleep(1))
            return;
}
INLAY_GET("/ticks", ticks);

struct count upload(inlay_request *request)
{
    char buffer[65536];
    struct count sum = {0};
    ptrdiff_t len;

    while ((len = inlay_read(request, buffer, sizeof(buffer))) > 0)
        sum.count += len;
    return sum;
}
INLAY_POST("/upload", upload);

void download(inlay_request *request, int64_t parts)
{
    static char part[65536];

    inlay_defer(note_end, 0);
    for (int64_t i = 0; i < parts; i++)
        if (!inlay_write(request, (inlay_str){part, sizeof(part)}))
            return;
}
INLAY_GET("/download", download);

void file(inlay_str path)
{
    inlay_send_file(inlay_copy(path).ptr);
}
INLAY_GET("/file", file);

/* --- To the application -------------------------------------------------- */

void pass(inlay_request *request)
{
    inlay_header_set("x-passed", "streaming");
    inlay_next(request);
}
INLAY_ROUTE("POST,GET", "/python/stream", pass);

void pass_late(inlay_request *request)
{
    inlay_sleep(20);
    inlay_next(request);
}
INLAY_POST("/python/late", pass_late);

struct body {
    inlay_str text;
};

void pass_read(inlay_request *request, struct body body)
{
    if (!body.text.len)
        inlay_fail(INLAY_INVALID, "empty");
    inlay_next(request);
}
INLAY_POST("/python/read", pass_read);
