/* Guards before everything that serves: see test_guards.py. */
#include <inlay.h>
#include <string.h>

static bool is_key(inlay_str text)
{
    return inlay_equal(text, (inlay_str){"open sesame", 11});
}

/* Plain: on the I/O thread, as quick as it gets. */
static void require_key(inlay_str key)
{
    if (is_key(key))
        return;
    inlay_header_set("www-authenticate", "Key realm=\"%s\"", "admin");
    inlay_header_set("x-guard", "plain");
    inlay_fail(INLAY_UNAUTHORIZED, "no key");
}
INLAY_HEADER(require_key, key, "x-key");
INLAY_DEFAULT(require_key, key, "");
INLAY_BEFORE("/admin/*", require_key);
INLAY_BEFORE("/files/private/*", require_key);
INLAY_BEFORE("/exact", require_key);

/* It waits before it knows. */
static void require_key_slowly(inlay_request *request)
{
    inlay_sleep(1);
    if (!is_key(inlay_header(request, "x-key")))
        inlay_fail(INLAY_DENIED, "no key, after a while");
    if (inlay_header(request, "x-next").len)
        inlay_next(request);
}
INLAY_BEFORE("/slow/*", require_key_slowly);

/* It runs on the pool, behind the other one. */
static void require_second_key(inlay_str second)
{
    if (!is_key(second))
        inlay_fail(INLAY_DENIED, "no second key");
}
INLAY_ASYNC(require_second_key);
INLAY_HEADER(require_second_key, second, "x-second");
INLAY_DEFAULT(require_second_key, second, "");
INLAY_BEFORE("/slow/twice/*", require_second_key);

static void look(const inlay_request *request)
{
    if (inlay_header(request, "x-fault").len)
        inlay_fail(INLAY_INTERNAL, "a guard's own fault");
    if (inlay_header(request, "x-away").len)
        inlay_redirect(303, "/login");
}
INLAY_BEFORE("/looked/*", look);

static inlay_text secret(void)
{
    return (inlay_text){"SECRET native", 13};
}
INLAY_GET("/admin/native", secret);
INLAY_GET("/admin", secret);
INLAY_GET("/exact", secret);
INLAY_GET("/slow/native", secret);
INLAY_GET("/slow/twice/native", secret);
INLAY_GET("/looked/native", secret);

struct note {
    inlay_str text;
};
static inlay_str keep(struct note note)
{
    return inlay_format("SECRET %.*s", (int)note.text.len, note.text.ptr);
}
INLAY_POST("/admin/notes", keep);
INLAY_POST("/slow/notes", keep);

static inlay_text open_to_all(void)
{
    return (inlay_text){"open", 4};
}
INLAY_GET("/public", open_to_all);

/* Hooks see every answer. */
static void stamp(const inlay_request *request)
{
    inlay_str path = inlay_part(request, INLAY_PART_RAW_PATH);

    inlay_header_set("x-stamp", "%d %.*s", inlay_answered(), (int)path.len,
                     path.ptr);
    if (inlay_header(request, "x-break").len)
        inlay_fail(INLAY_INTERNAL, "the hook is broken");
}
INLAY_AFTER("/*", stamp);
