#include "dwarf/open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One of the test's own, or one for the time being. */
struct place {
    struct compile_dir own;
    struct compile_dir *dir;
};

static void place_init(struct place *place, struct compile_dir *dir)
{
    if (!dir)
        compile_dir_init(&place->own);
    place->dir = dir ? dir : &place->own;
}

static void place_deinit(struct place *place)
{
    if (place->dir == &place->own)
        compile_dir_deinit(&place->own);
}

/* "/a/b.c" is b. */
static struct inlay_str name_of(const char *source)
{
    const char *slash = strrchr(source, '/');
    const char *name = slash ? slash + 1 : source;

    return (struct inlay_str){name, strcspn(name, ".")};
}

static struct inlay_error *open_object(char *object,
                                       struct inlay_str name,
                                       struct inlay_str root,
                                       struct inlay_module **ret)
{
    struct inlay_error *error = inlay_module_open(name, object, root, ret);

    if (!error)
        open_keep(*ret);
    free(object);
    return error;
}

struct inlay_module *open_source(struct compile_dir *dir,
                                 const char *cc,
                                 const char *flags,
                                 const char *source)
{
    const char *slash = strrchr(source, '/');
    struct inlay_str root = inlay_str_from(TEST_DWARF);
    struct inlay_module *module;
    struct place place;

    if (slash)
        root = (struct inlay_str){source, (size_t)(slash - source)};
    place_init(&place, dir);
    struct inlay_error *error = open_object(
        compile(place.dir, cc, flags, source), name_of(source), root, &module);
    if (error)
        fail_msg("%s", error->message);
    place_deinit(&place);
    return module;
}

struct inlay_error *open_try(struct compile_dir *dir,
                             const char *cc,
                             const char *flags,
                             const char *name,
                             const char *text,
                             struct inlay_module **ret)
{
    struct place place;

    place_init(&place, dir);
    struct inlay_error *error =
        open_object(compile_text(place.dir, cc, flags, name, text),
                    name_of(name), inlay_str_from(place.dir->path), ret);
    place_deinit(&place);
    return error;
}

struct inlay_module *open_text(struct compile_dir *dir,
                               const char *cc,
                               const char *flags,
                               const char *name,
                               const char *text)
{
    struct inlay_module *module;
    struct inlay_error *error = open_try(dir, cc, flags, name, text, &module);

    if (error)
        fail_msg("%s", error->message);
    return module;
}

void open_keep(const struct inlay_module *module)
{
    static const void *kept[64];
    static size_t count;

    assert_true(count < sizeof(kept) / sizeof(kept[0]));
    kept[count++] = module;
}
