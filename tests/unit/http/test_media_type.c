#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/media_type.h"

#include "base/banned.h"

static void check(const char *name, const char *type)
{
    assert_string_equal(inlay_media_type_find(inlay_str_from(name))->type.ptr,
                        type);
}

static void known(void **state)
{
    (void)state;
    check("index.html", "text/html; charset=utf-8");
    check("a/b.c/app.MJS", "text/javascript; charset=utf-8");
    check("style.min.css", "text/css; charset=utf-8");
    check("x.json", "application/json");
    check("app.js.map", "application/json");
    check("site.webmanifest", "application/manifest+json");
    check("x.wasm", "application/wasm");
    check("font.woff2", "font/woff2");
    check("a.webp", "image/webp");
    check("a.avif", "image/avif");
    check("favicon.ico", "image/x-icon");
    check("logo.svg", "image/svg+xml");
    check("app.js.gz", "application/gzip");
    check("x.7z", "application/x-7z-compressed"); /* the first and the last: */
    check("x.zst", "application/zstd");           /* they are sorted */
    check("x.zip", "application/zip");
    check("x.txt", "text/plain; charset=utf-8");
    assert_true(inlay_media_type_find(INLAY_STR("a.js"))->compressible);
    assert_false(inlay_media_type_find(INLAY_STR("a.png"))->compressible);
}

static void unknown(void **state)
{
    static const char *const names[] = {
        "",          "file",
        ".",         "a.",
        "a.unknown", "js",
        "a.js/",     "a.js/README",
        "a.js ",     "a.webmanifestwebmanifest",
        "a.htm\xc3", "a.jsx",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check(names[i], "application/octet-stream");
    assert_false(inlay_media_type_find(INLAY_STR("a"))->compressible);
}

/* Each is found by its own name, so the table is sorted. */
static void sorted(void **state)
{
    const char c[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    int found = 0;

    (void)state;
    for (int i = 0; i < 36 * 36 * 36 * 37; i++) {
        char name[] = {'.', c[i % 36], c[i / 36 % 36], c[i / 1296 % 36],
                       c[i / 46656 % 36]};
        size_t len = i / 46656 == 36 ? 4 : 5;

        if (inlay_media_type_find(inlay_str_make(name, len))->extension[0])
            found++;
    }
    assert_in_range(found, 75, 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),
        cmocka_unit_test(unknown),
        cmocka_unit_test(sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
