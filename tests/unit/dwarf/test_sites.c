/* Places that ask a database, and their types. */
#include "fixture.h"

#define SITE_SIZE 40 /* a struct inlay_query_record and a pointer */

/* "user(int64_t, const char *)" */
static void describe(const struct inlay_site *site, FILE *out)
{
    fprintf(out, "%.*s(", inlay_str_arg(site->row->name));
    for (size_t i = 0; i < site->nargs; i++)
        fprintf(out, "%s%.*s", i ? ", " : "",
                inlay_str_arg(site->args[i]->name));
    fprintf(out, ")\n");
}

static const struct inlay_site *find_site(const struct fixture *fixture,
                                          const char *expected)
{
    const struct inlay_site *found = NULL;
    char *text = NULL;
    size_t size, at = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    for (size_t i = 0; i < fixture->debug.nsites; i++) {
        const struct inlay_site *site = &fixture->debug.sites[i];

        describe(site, out);
        assert_int_equal(fflush(out), 0);
        if (strlen(expected) + 1 == size - at &&
            memcmp(text + at, expected, strlen(expected)) == 0) {
            assert_null(found);
            found = site;
        }
        at = size;
    }
    fclose(out);
    if (!found) {
        fail_msg("%s is none of\n%s", expected, text);
        abort(); /* the compiler does not know that this is not reached */
    }
    free(text);
    return found;
}

/* Every byte of the section belongs to a site, in its order. */
static void check_addresses(const struct fixture *fixture)
{
    const struct inlay_debug *debug = &fixture->debug;
    struct inlay_section section = debug->sections[INLAY_SECTION_query];

    assert_int_equal(section.size % SITE_SIZE, 0);
    assert_int_equal(debug->nsites, section.size / SITE_SIZE);
    for (size_t i = 0; i < debug->nsites; i++)
        assert_int_equal(debug->sites[i].address,
                         section.address + i * SITE_SIZE);
}

static void check_types(const struct fixture *fixture)
{
    const struct inlay_site *site =
        find_site(fixture, "user(int64_t, const char *, const char *)");

    assert_int_equal(site->row->kind, INLAY_KIND_STRUCT);
    assert_int_equal(site->row->nfields, 2);
    assert_int_equal(site->args[1]->kind, INLAY_KIND_CSTR);
    site = find_site(fixture, "users(inlay_str, int, color)");
    if (site->row->kind != INLAY_KIND_SLICE)
        fail_msg("users is no slice");
    assert_int_equal(site->row->elem->kind, INLAY_KIND_STRUCT);
    assert_int_equal(site->args[2]->kind, INLAY_KIND_ENUM);
    site =
        find_site(fixture, "maybe_user(const char *, double, struct user *)");
    assert_int_equal(site->row->kind, INLAY_KIND_OPTIONAL);
    assert_int_equal(site->args[2]->kind, INLAY_KIND_POINTER);
    assert_int_equal(site->args[2]->elem->kind, INLAY_KIND_STRUCT);
}

static void check_others(const struct fixture *fixture)
{
    const struct inlay_site *site = find_site(fixture, "user(ids)");

    assert_int_equal(site->args[0]->elem->kind, INLAY_KIND_INT);
    assert_int_equal(find_site(fixture, "double()")->nargs, 0);
    find_site(fixture, "int64_t(users)");
    assert_int_equal(find_site(fixture, "int64_t(inlay_uuid)")->args[0]->kind,
                     INLAY_KIND_UUID);
    site = find_site(fixture, "deep()");
    assert_int_equal(site->row->fields[0].type->fields[0].type->kind,
                     INLAY_KIND_SLICE);
    site = find_site(
        fixture,
        "bool(uint8_t, uint8_t, uint8_t, uint8_t, uint8_t, uint8_t, uint8_t, "
        "uint8_t, uint8_t, uint8_t, uint8_t, uint8_t, uint8_t, uint8_t, "
        "uint8_t, float)");
    assert_int_equal(site->nargs, INLAY_QUERY_ARGS);
}

static void check(const char *cc, const char *flags)
{
    struct fixture fixture;

    if (!compile_has(cc))
        skip();
    fixture_open(&fixture, cc, flags, "sites.c");
    check_addresses(&fixture);
    check_types(&fixture);
    check_others(&fixture);
    fixture_close(&fixture);
}

static void test_gcc(void **state)
{
    (void)state;
    check("gcc", "-O0");
    check("gcc", "-O2");
    check("gcc", "-O3 -gdwarf-4");
    check("gcc", "-O2 -gz -fdebug-types-section");
    check("gcc", "-O2 -ffunction-sections -fdata-sections -Wl,--gc-sections");
}

static void test_gcc_lto(void **state)
{
    (void)state;
    check("gcc", "-O2 -flto");
    check("gcc", "-O0 -flto -gdwarf-4");
}

static void test_clang(void **state)
{
    (void)state;
    check("clang", "-O0");
    check("clang", "-O2");
    check("clang", "-O3 -gdwarf-4");
    check("clang", "-O2 -gz -fdebug-types-section");
}

/* No section: nobody walks through all that there is. */
static void test_none(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_open(&fixture, "cc", "-O2", "records.c");
    assert_int_equal(fixture.debug.nsites, 0);
    assert_null(fixture.debug.sites);
    fixture_close(&fixture);
}

static void read_text(struct fixture *fixture, const char *cc, const char *text)
{
    compile_dir_init(&fixture->dir);
    inlay_arena_init(&fixture->arena, (size_t)64 << 20);
    char *path = compile_text(&fixture->dir, cc, "", "in.c", text);
    struct inlay_error *error =
        inlay_dwarf_read(path, inlay_str_from(fixture->dir.path),
                         &fixture->arena, &fixture->debug);
    if (error)
        fail_msg("%s", error->message);
    free(path);
}

static void test_unfit_types_say_why(void **state)
{
    struct fixture fixture;

    (void)state;
    read_text(&fixture, "cc",
              "#include <inlay.h>\n"
              "union u { int a; }; struct bad { union u u; };\n"
              "int64_t f(inlay_db *db, union u u, int *p, unsigned char *c)\n"
              "{\n"
              "    return inlay_exec(db, \"\", u, p, c, (void *)p, db, f) +\n"
              "           inlay_one(db, struct bad, \"\").u.a;\n"
              "}\n");
    assert_int_equal(fixture.debug.nsites, 2);
    const struct inlay_site *site = &fixture.debug.sites[0];
    if (site->nargs == 0)
        site++;
    assert_int_equal(site->nargs, 6);
    assert_str(site->args[0]->reason, "unions have no Python form");
    assert_str(site->args[1]->reason,
               "a pointer does not say how many: write INLAY_SLICE(name, int)");
    assert_int_equal(site->args[2]->kind, INLAY_KIND_UNSUPPORTED);
    assert_int_equal(site->args[3]->kind, INLAY_KIND_USERDATA);
    assert_str(site->args[4]->reason,
               "what a provider gives is a parameter only");
    assert_str(site->args[5]->reason, "a function pointer is a parameter only");
    site = site == fixture.debug.sites ? site + 1 : site - 1;
    assert_int_equal(site->row->fields[0].type->kind, INLAY_KIND_UNSUPPORTED);
    fixture_close(&fixture);
}

/* What else lies in the section is none of ours. */
static void test_strangers_are_left_out(void **state)
{
    struct fixture fixture;

    (void)state;
    read_text(&fixture, "cc",
              "#include <inlay.h>\n"
              "#define IN __attribute__((section(\"inlay_query\"), used))\n"
              "static int number IN = 1;\n"
              "static struct { int types; } other IN = {1};\n"
              "static struct { struct { int *row; int *arg17; } *types; } many "
              "IN = {0};\n"
              "static struct { struct { int *row; int *arg2; } *types; } gap "
              "IN = {0};\n"
              "static struct { struct { int *arg1; } *types; } rowless "
              "IN = {0};\n"
              "static struct { struct { int row; } *types; } plain IN = {0};\n"
              "static struct { struct { int *row; int *arg1; } *types; } good "
              "IN = {0};\n");
    /* `plain` has a row, which is refused. */
    assert_int_equal(fixture.debug.nsites, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct inlay_site *site = &fixture.debug.sites[i];

        assert_int_equal(site->row->kind,
                         site->nargs ? INLAY_KIND_INT : INLAY_KIND_UNSUPPORTED);
    }
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_gcc_lto),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_unfit_types_say_why),
        cmocka_unit_test(test_strangers_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
