/* Statements that are looked at when a module is loaded; and what is said about
 * wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dwarf/open.h"
#include "load/context.h"
#include "load/module.h"
#include "load/query.h"

#define HEAD                                                                   \
    "#include <inlay.h>\n"                                                     \
    "union un { int a; }; struct user { int64_t id; inlay_str name; };\n"      \
    "struct bad { int a; union un u; }; INLAY_SLICE(bads, struct bad);\n"      \
    "INLAY_SLICE(users, struct user); INLAY_SLICE(ids, int64_t); "             \
    "INLAY_OPTIONAL(maybe, struct user);\n"                                    \
    "int64_t f(inlay_db *db, struct user *user, users all, ids ids, int *p, "  \
    "struct bad *bad, bads many, inlay_str text) {\n"

/* A database that keeps what it was asked last. */
struct fake {
    const struct inlay_db_ops *ops;
    const struct inlay_query *query;
    const void *const *args;
};

static bool fake_query(struct inlay_db *db,
                       const struct inlay_query *query,
                       struct inlay_str text,
                       const void *const *args,
                       void *result)
{
    struct fake *fake = (struct fake *)(void *)db;

    (void)text;
    fake->query = query;
    fake->args = args;
    if (query->type->size == sizeof(int64_t))
        memcpy(result, &(int64_t){42}, sizeof(int64_t));
    return true;
}

static const struct inlay_db_ops fake_ops = {.query = fake_query};

/* One that has been put together, and what the running call asks of it. */
static const struct inlay_query *ask(const struct inlay_module *module,
                                     const char *name)
{
    const struct inlay_callable *callable =
        inlay_module_find(module, inlay_str_from(name));
    struct fake fake = {.ops = &fake_ops};
    struct inlay_context context;
    struct inlay_arena arena;

    assert_non_null(callable);
    inlay_arena_init(&arena, 1 << 20);
    inlay_context_enter(&context, &arena);
    int64_t (*function)(struct inlay_db * db, const char *text) = (int64_t(*)(
        struct inlay_db *, const char *))(uintptr_t)callable->func->entry;
    int64_t result = function((struct inlay_db *)(void *)&fake, "text");
    inlay_context_leave(&context);
    assert_int_equal(context.error, 0);
    inlay_arena_deinit(&arena);
    assert_int_equal(result, 42);
    assert_non_null(fake.query);
    return fake.query;
}

static const char good[] =
    "#include <inlay.h>\n"
    "struct user { int64_t id; inlay_str name; char code[4]; int n[2]; };\n"
    "typedef struct user person;\n"
    "struct post { struct user by; inlay_date on; };\n"
    "INLAY_SLICE(users, struct user);\n"
    "INLAY_OPTIONAL(maybe_int, int64_t);\n"
    "INLAY_SLICE(posts, struct post);\n"
    "int64_t one(inlay_db *db, const char *t)\n"
    "{ return inlay_one(db, int64_t, \"select $2, $1\", t, 1); }\n"
    "int64_t exec(inlay_db *db, const char *t)\n"
    "{ return inlay_exec(db, \"select '$2' $1 -- $3\", t); }\n"
    "int64_t dynamic(inlay_db *db, const char *t)\n"
    "{ return inlay_exec_dynamic(db, INLAY_STR(\"x\"), t, t); }\n"
    "int64_t batch(inlay_db *db, const char *t)\n"
    "{ users all = {0}; (void)t;\n"
    "  return inlay_batch(db, \"$1 $2 $4 $3\", all); }\n"
    "int64_t copy(inlay_db *db, const char *t)\n"
    "{ users all = {0}; (void)t;\n"
    "  return inlay_copy_in(db, \"users (id, name, \\\"x\\\", n)\", all); }\n"
    "int64_t nested(inlay_db *db, const char *t)\n"
    "{ return inlay_one(db, int64_t, \"$1 $2\", t,\n"
    "      inlay_one(db, int64_t, \"$1\", inlay_exec(db, \"x\"))); }\n"
    "void others(inlay_db *db, struct user *u, users all, inlay_bytes b)\n"
    "{\n"
    "    inlay_maybe(db, maybe_int, \"select $1\", u);\n"
    "    inlay_all(db, users, \"select $1\", all);\n"
    "    inlay_all(db, posts, \"select $1\", b);\n"
    "    inlay_one(db, const char *, \"select 1\");\n"
    "    inlay_each(db, person, row, \"select 1\") { (void)row; }\n"
    "}\n";

static void test_good(void **state)
{
    (void)state;
    struct inlay_module *module = open_text(NULL, "cc", "", "text.c", good);
    const struct inlay_query *query = ask(module, "one");

    assert_int_equal(query->kind, INLAY_QUERY_ONE);
    assert_true(inlay_str_is(query->sql, "select $2, $1"));
    assert_true(inlay_str_is(query->row->name, "int64_t"));
    assert_ptr_equal(query->row, query->type);
    assert_int_equal(query->nargs, 2);
    assert_int_equal(query->args[0]->kind, INLAY_KIND_CSTR);
    assert_int_equal(query->args[1]->kind, INLAY_KIND_INT);
    assert_int_equal(query->decl.line, 9);
    query = ask(module, "exec");
    assert_null(query->row);
    assert_int_equal(query->kind, INLAY_QUERY_EXEC);
    assert_int_equal(query->nargs, 1);
    query = ask(module, "dynamic");
    assert_int_equal(query->sql.len, 0);
    assert_int_equal(query->nargs, 2);
    query = ask(module, "batch");
    assert_int_equal(query->nargs, 1);
    assert_int_equal(query->args[0]->elem->nfields, 4);
    query = ask(module, "copy");
    assert_int_equal(query->kind, INLAY_QUERY_COPY);
    assert_true(inlay_str_is(query->sql, "users (id, name, \"x\", n)"));
    query = ask(module, "nested"); /* the last one, with what they gave */
    assert_true(inlay_str_is(query->sql, "$1 $2"));
    assert_true(inlay_str_is(query->args[1]->name, "int64_t"));
}

/* The same memory: calls of the first one may be running. */
static void test_opened_again_it_keeps_its_queries(void **state)
{
    struct compile_dir dir;
    struct inlay_module *first, *second;

    (void)state;
    compile_dir_init(&dir);
    char *path = compile_text(&dir, "cc", "", "text.c", good);
    assert_null(inlay_module_open(INLAY_STR("text"), path,
                                  inlay_str_from(dir.path), &first));
    open_keep(first);
    const struct inlay_query *query = ask(first, "one");
    assert_null(inlay_module_open(INLAY_STR("text"), path,
                                  inlay_str_from(dir.path), &second));
    open_keep(second);
    assert_ptr_equal(ask(second, "one"), query);
    free(path);
    compile_dir_deinit(&dir);
}

/* As other compilers write it, and with code that never runs. */
static void test_whatever_the_compiler(void **state)
{
    static const char *const ways[][2] = {
        {"gcc", "-O0"},
        {"gcc", "-O3 -gdwarf-4 -flto"},
        {"clang", "-O0 -gdwarf-4"},
        {"clang", "-O3"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(ways); i++) {
        if (!compile_has(ways[i][0]))
            continue;
        struct inlay_module *module =
            open_text(NULL, ways[i][0], ways[i][1], "text.c", good);

        assert_int_equal(ask(module, "one")->nargs, 2);
    }
}

#define TYPE_OF_P                                                              \
    "int *: a pointer does not say how many: write INLAY_SLICE(name, int)"

/* Line 6 onwards, and the whole message behind the folder. */
static const char *const wrong[][2] = {
    {"inlay_one(db, users, \"x\");",
     "6: inlay_one: users is a slice: use inlay_all, or a struct "
     "with that field for a column that is an array"},
    {"inlay_one(db, maybe, \"x\");",
     "6: inlay_one: maybe is an optional: use inlay_maybe, or a "
     "struct with that field for a column that may be NULL"},
    {"inlay_one_dynamic(db, maybe, text);",
     "6: inlay_one_dynamic: maybe is an optional: use inlay_maybe, or a "
     "struct with that field for a column that may be NULL"},
    {"inlay_each(db, users, row, \"x\") {}",
     "6: inlay_each: users is a slice: name the type of one row"},
    {"inlay_maybe(db, struct user, \"x\");",
     "6: inlay_maybe: user is no INLAY_OPTIONAL, which is empty when there is "
     "no row"},
    {"inlay_maybe_dynamic(db, users, text);",
     "6: inlay_maybe_dynamic: users is no INLAY_OPTIONAL, which is empty when "
     "there is no row"},
    {"inlay_all(db, maybe, \"x\");",
     "6: inlay_all: maybe is no INLAY_SLICE of rows"},
    {"inlay_all(db, struct user, \"x\");",
     "6: inlay_all: user is no INLAY_SLICE of rows"},
    /* Rows */
    {"inlay_one(db, struct bad, \"x\");",
     "6: inlay_one: bad.u has type union un: unions have no Python form"},
    {"inlay_all(db, bads, \"x\");",
     "6: inlay_all: bad.u has type union un: unions have no Python form"},
    {"inlay_one(db, union un, \"x\");",
     "6: inlay_one: a row can't become union un: unions have no Python form"},
    {"inlay_one(db, int *, \"x\");",
     "6: inlay_one: a row can't become " TYPE_OF_P},
    {"inlay_one(db, struct user *, \"x\");",
     "6: inlay_one: a row can't become struct user *: nothing is there to "
     "point to: write the struct by value"},
    {"struct holder { struct user *user; };\n"
     "inlay_one(db, struct holder, \"x\");",
     "7: inlay_one: holder.user has type struct user *: nothing is there to "
     "point to: write the struct by value"},
    {"inlay_one(db, inlay_db *, \"x\");",
     "6: inlay_one: a row can't become inlay_db *: it is given by the "
     "server"},
    /* Arguments */
    {"inlay_exec(db, \"$1 $2\", 1, p);",
     "6: inlay_exec: argument 2 has type " TYPE_OF_P},
    {"inlay_exec(db, \"$1\", (void *)0);",
     "6: inlay_exec: argument 1 has type void *: it does not say what it "
     "points to: for NULL write an INLAY_OPTIONAL that is empty"},
    {"inlay_exec(db, \"$1\", *bad);",
     "6: inlay_exec: argument 1 has type bad: unions have no Python form"},
    {"inlay_exec(db, \"$1\", many);",
     "6: inlay_exec: argument 1 has type bads: unions have no Python form"},
    {"inlay_exec_dynamic(db, text, p);",
     "6: inlay_exec_dynamic: argument 1 has type " TYPE_OF_P},
    {"inlay_each(db, int64_t, row, \"$1\", p) {}",
     "6: inlay_each: argument 1 has type " TYPE_OF_P},
    {"inlay_exec(db, \"$1\", db);",
     "6: inlay_exec: argument 1 has type inlay_db *: what a provider gives is "
     "a parameter only"},
    /* Many rows */
    {"inlay_batch(db, \"$1\", ids);",
     "6: inlay_batch: the rows have type ids: give it an INLAY_SLICE of "
     "structs"},
    {"inlay_batch(db, \"$1\", *user);",
     "6: inlay_batch: the rows have type user: give it an INLAY_SLICE of "
     "structs"},
    {"inlay_copy_in(db, \"t (a)\", ids);",
     "6: inlay_copy_in: the rows have type ids: give it an INLAY_SLICE of "
     "structs"},
    {"inlay_batch(db, \"$1 $2\", many);",
     "6: inlay_batch: bad.u has type union un: unions have no Python form"},
    {"inlay_copy_in(db, \"t (a, b)\", many);",
     "6: inlay_copy_in: bad.u has type union un: unions have no Python form"},
    {"inlay_batch(db, \"$1 $3\", all);",
     "6: inlay_batch: the statement has $3, but user has 2 fields"},
    {"inlay_batch(db, \"$1\", all);",
     "6: inlay_batch: the statement has $1 at most, but user has 2 fields"},
    {"inlay_batch(db, \"$1\");",
     "6: inlay_batch: 0 arguments are given: behind its text come the rows, an "
     "INLAY_SLICE of structs"},
    {"inlay_copy_in(db, \"t (id, name)\", all, ids);",
     "6: inlay_copy_in: 2 arguments are given: behind its text come the rows, "
     "an INLAY_SLICE of structs"},
    {"inlay_copy_in(db, \" \", all);", "6: inlay_copy_in: it names no table"},
    {"inlay_copy_in(db, \"insert into t values ($1, $2)\", all);",
     "6: inlay_copy_in: its text is no table with columns: write \"users (id, "
     "name)\""},
    {"inlay_copy_in(db, \"t (id, name\", all);",
     "6: inlay_copy_in: its text is no table with columns: write \"users (id, "
     "name)\""},
    {"inlay_copy_in(db, \"t (id, nme)\", all);",
     "6: inlay_copy_in: user has no field for column nme: fields are called as "
     "the columns, but for those in quotes"},
    {"inlay_copy_in(db, \"t (id, name, score)\", all);",
     "6: inlay_copy_in: user has no field for column score: fields are called "
     "as the columns, but for those in quotes"},
    {"inlay_copy_in(db, \"t (id)\", all);",
     "6: inlay_copy_in: user.name has no column in the list: the fields go "
     "into the columns one by one"},
    {"inlay_copy_in(db, \"t (id, name, \\\"x\\\")\", all);",
     "6: inlay_copy_in: 3 columns are named, but user has 2 fields"},
    {"inlay_copy_in(db, \"app.t (Name, ID)\", all);",
     "6: inlay_copy_in: column 1 is Name, but field 1 of user is id: they have "
     "to be in the same order"},
    /* Statements */
    {"inlay_exec(db, \"\");", "6: inlay_exec: the statement is empty"},
    {"inlay_exec(db, \" \\n\\t\");", "6: inlay_exec: the statement is empty"},
    {"inlay_exec(db, \"$3 $1\", 1, 2);",
     "6: inlay_exec: the statement has $3, but 2 arguments are given"},
    {"inlay_exec(db, \"$1\");",
     "6: inlay_exec: the statement has $1, but 0 arguments are given"},
    {"inlay_exec(db, \"$2\", 1);",
     "6: inlay_exec: the statement has $2, but 1 argument is given"},
    {"inlay_exec(db, \"'$1' -- $1\", 1);",
     "6: inlay_exec: the statement has no $1, but 1 argument is given"},
    {"inlay_all(db, users, \"$1\", 1, 2);",
     "6: inlay_all: the statement has $1 at most, but 2 arguments are given"},
    {"inlay_each(db, int64_t, row, \"$1\") {}",
     "6: inlay_each: the statement has $1, but 0 arguments are given"},
    /* The second of two */
    {"inlay_exec(db, \"x\");\ninlay_exec(db, \"$1\");",
     "7: inlay_exec: the statement has $1, but 0 arguments are given"},
    /* What nobody has described */
    {"static struct { struct inlay_query_record record; void *types; } site "
     "__attribute__((section(\"inlay_query\"), used)) = {{\"x\", __FILE__, "
     "__LINE__, INLAY_QUERY_EXEC, 0, 0}, 0};",
     "6: inlay_exec: the debug information does not tell its types: compile "
     "with -g, do not strip"},
    /* Nor as the record counts */
    {"static struct { struct inlay_query_record record; struct { int64_t *row; "
     "int *arg1; } *types; } site __attribute__((section(\"inlay_query\"), "
     "used)) = {{\"x\", __FILE__, __LINE__, INLAY_QUERY_EXEC, 2, 0}, 0};",
     "6: inlay_exec: the debug information does not tell its types: compile "
     "with -g, do not strip"},
    {"static struct { struct inlay_query_record record; struct { int64_t *row; "
     "} *types; } site __attribute__((section(\"inlay_query\"), used)) = "
     "{{\"x\", __FILE__, __LINE__, 99, 0, 0}, 0};",
     "6: query: it is of a newer inlay.h"},
};

static void test_wrong(void **state)
{
    struct compile_dir dir;
    struct inlay_module *module;
    char text[2000], message[1000];

    (void)state;
    compile_dir_init(&dir);
    for (size_t i = 0; i < inlay_array_size(wrong); i++) {
        snprintf(text, sizeof(text),
                 HEAD "%s\n(void)db; (void)user; (void)all; (void)ids; "
                      "(void)p; (void)bad; (void)many; (void)text; return 0; "
                      "}\n",
                 wrong[i][0]);
        struct inlay_error *error =
            open_try(&dir, "cc", "", "text.c", text, &module);
        if (!error)
            fail_msg("%s is taken", wrong[i][0]);
        snprintf(message, sizeof(message), "%s/text.c:%s", dir.path,
                 wrong[i][1]);
        assert_string_equal(error->message, message);
        assert_int_equal(error->code, INLAY_ERROR_IMPORT);
        inlay_error_destroy(error);
    }
    compile_dir_deinit(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_opened_again_it_keeps_its_queries),
        cmocka_unit_test(test_whatever_the_compiler),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
