/* Enums, arrays, pointers, callbacks, objects: what they are, where not. */
#include "fixture.h"

static void check_enums(const struct fixture *fixture)
{
    const struct inlay_type *color = fixture_type(fixture, "ok_color");

    assert_int_equal(color->kind, INLAY_KIND_ENUM);
    assert_str(color->name, "color");
    assert_int_equal(color->size, 4);
    assert_true(color->is_signed);
    assert_int_equal(color->nmembers, 4);
    assert_str(color->members[1].name, "GREEN");
    assert_int_equal(color->members[1].value, 5);
    assert_int_equal(color->members[2].value, -1);
    assert_str(color->members[3].name, "CRIMSON");

    const struct inlay_type *level = fixture_type(fixture, "ok_level");
    assert_str(level->name, "level");
    assert_false(level->is_signed);
    assert_int_equal(level->members[1].value, 200);
    const struct inlay_type *wide = fixture_type(fixture, "ok_wide");
    assert_int_equal(wide->size, 8);
    assert_false(wide->is_signed);
    assert_int_equal(wide->members[0].value, -1);
    const struct inlay_type *small = fixture_type(fixture, "ok_small");
    assert_int_equal(small->size, 1);
    assert_int_equal(small->members[0].value, -128);
    assert_ptr_equal(fixture_type(fixture, "ok_colors")->elem, color);
    assert_int_equal(fixture_type(fixture, "ok_char")->kind, INLAY_KIND_CHAR);
    assert_int_equal(fixture_type(fixture, "ok_maybe_char")->elem->kind,
                     INLAY_KIND_CHAR);
}

static void check_arrays(const struct fixture *fixture)
{
    const struct inlay_type *box = fixture_type(fixture, "ok_box");
    const struct inlay_field *fields = box->fields;

    assert_int_equal(box->nfields, 9);
    assert_int_equal(fields[0].type->kind, INLAY_KIND_CHARS);
    assert_int_equal(fields[0].type->size, 16);
    assert_int_equal(fields[0].type->count, 16);
    assert_int_equal(fields[1].type->kind, INLAY_KIND_ARRAY);
    assert_str(fields[1].type->name, "int32_t[2][3]");
    assert_int_equal(fields[1].type->count, 2);
    assert_int_equal(fields[1].type->size, 24);
    assert_int_equal(fields[1].type->align, 4);
    assert_str(fields[1].type->elem->name, "int32_t[3]");
    assert_int_equal(fields[1].type->elem->elem->kind, INLAY_KIND_INT);
    assert_str(fields[2].type->elem->name, "point");
    assert_str(fields[3].type->name, "box.parts[2]");
    assert_str(fields[3].type->elem->name, "box.parts");
    assert_int_equal(fields[4].type->elem->kind, INLAY_KIND_CHARS);
    assert_str(fields[4].type->name, "char[3][8]");
    assert_ptr_equal(fields[5].type, fixture_type(fixture, "ok_color"));
    assert_str(fields[6].type->name, "box.state");
    assert_int_equal(fields[7].type->elem->kind, INLAY_KIND_CSTR);
    assert_int_equal(fields[8].type->kind, INLAY_KIND_BYTES);
}

static void check_text(const struct fixture *fixture)
{
    static const char *const cases[][3] = {
        {"ok_plain", "inlay_str", ""},
        {"ok_text", "inlay_text", "text/plain; charset=utf-8"},
        {"ok_html", "inlay_html", "text/html; charset=utf-8"},
        {"ok_page", "inlay_html", "text/html; charset=utf-8"},
    };

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        const struct inlay_type *type = fixture_type(fixture, cases[i][0]);

        assert_int_equal(type->kind, INLAY_KIND_STR);
        assert_int_equal(type->size, 16);
        assert_str(type->name, cases[i][1]);
        assert_str(type->media, cases[i][2]);
        assert_ptr_equal(fixture_func(fixture, cases[i][0])->result, type);
    }
    assert_int_equal(fixture_type(fixture, "ok_bytes")->kind, INLAY_KIND_BYTES);
    const struct inlay_type *reals = fixture_type(fixture, "ok_reals");
    assert_int_equal(reals->kind, INLAY_KIND_OWNED);
    assert_str(reals->name, "reals");
    assert_int_equal(reals->len_offset, 8);
    assert_str(reals->elem->name, "double");
    assert_str(fixture_type(fixture, "ok_boxes")->elem->name, "point");
}

static void check_moments(const struct fixture *fixture)
{
    static const struct {
        const char *func, *name;
        enum inlay_kind kind;
        uint32_t size, align;
    } cases[] = {
        {"ok_date", "inlay_date", INLAY_KIND_DATE, 4, 2},
        {"ok_day", "inlay_date", INLAY_KIND_DATE, 4, 2},
        {"ok_datetime", "inlay_datetime", INLAY_KIND_DATETIME, 16, 8},
        {"ok_uuid", "inlay_uuid", INLAY_KIND_UUID, 16, 1},
        {"ok_upload", "inlay_upload", INLAY_KIND_UPLOAD, 48, 8},
    };

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        const struct inlay_type *type = fixture_type(fixture, cases[i].func);

        assert_int_equal(type->kind, cases[i].kind);
        assert_int_equal(type->size, cases[i].size);
        assert_int_equal(type->align, cases[i].align);
        assert_str(type->name, cases[i].name);
    }
    const struct inlay_type *event = fixture_type(fixture, "ok_event");
    assert_int_equal(event->fields[0].type->kind, INLAY_KIND_UUID);
    assert_int_equal(event->fields[1].type->kind, INLAY_KIND_DATE);
    assert_int_equal(event->fields[2].type->elem->kind, INLAY_KIND_DATETIME);
    assert_int_equal(event->fields[2].offset, 24);
    assert_int_equal(fixture_type(fixture, "ok_dates")->elem->kind,
                     INLAY_KIND_DATE);
    assert_int_equal(fixture_type(fixture, "ok_maybe_uuid")->elem->kind,
                     INLAY_KIND_UUID);
    /* A typedef that is not the tag is known, too. */
    assert_ptr_equal(fixture_type(fixture, "ok_nickname"), event);
    assert_str(event->aliases->name, "nickname");
    assert_null(event->aliases->next);
}

static void check_pointers(const struct fixture *fixture)
{
    const struct inlay_type *node = fixture_type(fixture, "ok_node");
    const struct inlay_type *constant = fixture_type(fixture, "ok_const_node");

    assert_int_equal(node->kind, INLAY_KIND_POINTER);
    assert_int_equal(node->size, 8);
    assert_false(node->elem_const);
    assert_true(constant->elem_const);
    assert_str(node->elem->name, "node");
    assert_ptr_equal(node->elem, constant->elem);
    assert_int_equal(node->elem->fields[1].type->kind, INLAY_KIND_POINTER);
    assert_ptr_equal(node->elem->fields[1].type->elem, node->elem);
    assert_true(node->elem->fields[1].type->elem_const);
    assert_int_equal(fixture_type(fixture, "ok_object")->kind,
                     INLAY_KIND_OBJECT);
}

static void check_callbacks(const struct fixture *fixture)
{
    static const enum inlay_kind kinds[] = {
        INLAY_KIND_INT,      INLAY_KIND_CSTR,    INLAY_KIND_STR,
        INLAY_KIND_STRUCT,   INLAY_KIND_POINTER, INLAY_KIND_ENUM,
        INLAY_KIND_USERDATA,
    };
    const struct inlay_type *visit = fixture_type(fixture, "ok_visit");

    assert_int_equal(visit->kind, INLAY_KIND_CALLBACK);
    assert_int_equal(visit->signature->nparams, inlay_array_size(kinds));
    for (size_t i = 0; i < inlay_array_size(kinds); i++)
        assert_int_equal(visit->signature->params[i]->kind, kinds[i]);
    assert_str(visit->signature->params[4]->elem->name, "node");
    assert_int_equal(visit->signature->result->kind, INLAY_KIND_INT);
    assert_int_equal(fixture_func(fixture, "ok_visit")->params[1].type->kind,
                     INLAY_KIND_USERDATA);
    assert_true(
        inlay_param_hidden(&fixture_func(fixture, "ok_visit")->params[1]));
    const struct inlay_type *give = fixture_type(fixture, "ok_callback");
    assert_int_equal(give->signature->nparams, 0);
    assert_int_equal(give->signature->result->kind, INLAY_KIND_STRUCT);
    assert_reason(fixture, "ok_two", "");
    assert_reason(fixture, "ok_array", "");
    assert_reason(fixture, "ok_arrow", "");
    assert_int_equal(fixture_func(fixture, "ok_arrow")->params[0].type->kind,
                     INLAY_KIND_ARROW_SCHEMA);
    assert_int_equal(fixture_func(fixture, "ok_arrow")->params[2].type->kind,
                     INLAY_KIND_ARROW_ARRAY);
}

static const char *const refusals[][2] = {
    {"no_upload", "the result has type inlay_upload: an upload is a parameter "
                  "of a route, or within one"},
    {"no_callback_upload", "parameter 'v' has type int (*)(inlay_upload): "
                           "parameter 1 of the callback has type "
                           "inlay_upload: an upload"},
    {"no_texts", "the result has type texts, which is made of inlay_str: "
                 "INLAY_ARRAY holds numbers or structs of numbers: return "
                 "INLAY_SLICE"},
    {"no_levels", "the result has type levels, which is made of level: "
                  "INLAY_ARRAY holds numbers"},
    {"no_owned", "parameter 'v' has type reals: INLAY_ARRAY is a result only"},
    {"no_holds_owned", "parameter 'v' has type struct holds_owned: field 'r' "
                       "of holds_owned has type reals: INLAY_ARRAY is a "
                       "result only: write INLAY_SLICE"},
    {"no_three", "the result has type three_owned: a struct with an "
                 "inlay_owned is an array"},
    {"no_holds_object", "parameter 'v' has type struct holds_object: field "
                        "'o' of holds_object has type PyObject *: Python "
                        "objects are parameters or results only"},
    {"no_holds_void", "parameter 'v' has type struct holds_void: field 'p' "
                      "of holds_void has type void *: void pointers"},
    {"no_matrix", "parameter 'v' has type struct matrix *: field 'rows' of "
                  "matrix has type struct point *: arrays of pointers"},
    {"no_endless", "parameter 'v' has type struct endless *, which is made "
                   "of struct endless: it is too large"},
    {"no_nothing", "parameter 'v' has type struct nothing *: field 'none' of "
                   "nothing has type int["},
    {"no_rows", "parameter 'v' has type rows, which is made of row: arrays "
                "stand within structs only"},
    {"no_pointers", "parameter 'v' has type pointers, which is made of "
                    "struct point *: slices hold structs by value"},
    {"no_maybe_point", "parameter 'v' has type maybe_point, which is made of "
                       "struct point *: a pointer can be NULL by itself"},
    {"no_pointer_pointer", "parameter 'v' has type struct point **: pointers "
                           "to pointers have no Python form"},
    {"no_str_pointer", "parameter 'v' has type inlay_str *, which is made of "
                       "inlay_str: a pointer leads to a plain struct"},
    {"no_colors_pointer", "parameter 'v' has type colors *, which is made of "
                          "colors: a pointer leads to a plain struct"},
    {"no_tree", "parameter 'v' has type struct tree, which is made of struct "
                "tree: it is a slice of itself: write a slice of structs"},
    {"no_branches", "parameter 'v' has type branches, which is made of "
                    "struct branch: it is a slice of itself"},
    {"no_branch", "parameter 'v' has type struct branch, which is made of "
                  "struct branch: it is a slice of itself"},
    {"no_hole", "parameter 'v' has type struct hole: it has hidden members"},
    {"no_union_pointer",
     "parameter 'v' has type union either *: unions have no Python form"},
    {"no_nameless", "parameter 'v' has type struct without a name *, which "
                    "is made of struct without a name: it has no name"},
    {"no_unknown", "parameter 'v' has type enum unknown *: a pointer does "
                   "not say how many"},
    {"no_object_pointer", "parameter 'v' has type PyObject **: pointers to"},
    {"no_void", "parameter 'v' has type const void *: void pointers"},
    {"no_userdata", "parameter 'v' has type void *: void pointers have no "
                    "Python form, but for one beside a callback that takes"},
    {"no_second", "parameter 'v' has type void *: void pointers"},
    {"no_compare", "parameter 'v' has type int (*)(const void *, const void "
                   "*): parameter 1 of the callback has type const void *: "
                   "void pointers"},
    {"no_two_data", "parameter 'v' has type int (*)(void *, void *): "
                    "parameter 2 of the callback has type void *: a callback "
                    "takes one void * at most"},
    {"no_variadic", "parameter 'v' has type int (*)(int, ...): it takes a "
                    "variable number"},
    {"no_prototype", "parameter 'v' has type int (*)("},
    {"no_callback_callback", "parameter 'v' has type int (*)(int (*)(int)): "
                             "parameter 1 of the callback has type int "
                             "(*)(int): a function pointer is a parameter"},
    {"no_callback_slice", "parameter 'v' has type int (*)(int, colors): "
                          "parameter 2 of the callback has type colors: "
                          "callbacks take numbers, text"},
    {"no_callback_object", "parameter 'v' has type int (*)(PyObject *): "
                           "parameter 1 of the callback has type PyObject *"},
    {"no_callback_union",
     "parameter 'v' has type int (*)(struct holds_union): parameter 1 of the "
     "callback has type holds_union: field 'e' of holds_union has type union "
     "either: unions"},
    {"no_callback_str", "parameter 'v' has type inlay_str (*)(void): the "
                        "callback's result has type inlay_str: callbacks "
                        "return numbers"},
    {"no_callback_box", "parameter 'v' has type struct box (*)(void): the "
                        "callback's result has type struct box: callbacks"},
    {"no_callback_pointer", "parameter 'v' has type struct point *(*)(void)"},
    {"no_callback_result", "the result has type int (*)(int): a function "
                           "pointer is a parameter only"},
    {"no_schema", "parameter 'v' has type struct ArrowSchema *: a schema "
                  "stands behind the struct ArrowArray * that it describes"},
    {"no_apart", "parameter 'v' has type struct ArrowSchema *: a schema"},
    {"no_between", "parameter 'v' has type struct ArrowSchema *: a schema"},
    {"no_shared", "parameter 's' has type struct ArrowSchema *: a schema"},
    {"no_arrow_result", "the result has type struct ArrowArray *: Arrow data "
                        "are parameters only"},
    {"no_stream", "parameter 'v' has type struct ArrowArrayStream *: streams"},
};

static void check_kinds(const char *cc, const char *flags)
{
    struct fixture fixture;

    if (!compile_has(cc))
        skip();
    fixture_open(&fixture, cc, flags, "kinds.c");
    check_enums(&fixture);
    check_arrays(&fixture);
    check_text(&fixture);
    check_moments(&fixture);
    check_pointers(&fixture);
    check_callbacks(&fixture);
    for (size_t i = 0; i < inlay_array_size(refusals); i++)
        assert_reason(&fixture, refusals[i][0], refusals[i][1]);
    for (size_t i = 0; i < fixture.debug.nfuncs; i++) {
        const struct inlay_func *func = &fixture.debug.funcs[i];

        assert_int_equal(func->reason.len > 0,
                         inlay_str_starts(func->name, INLAY_STR("no_")));
    }
    assert_int_equal(fixture.debug.nobjects, 0);
    fixture_close(&fixture);
}

static void test_kinds_gcc(void **state)
{
    (void)state;
    check_kinds("gcc", "-O2");
}

static void test_kinds_dwarf4(void **state)
{
    (void)state;
    check_kinds("gcc", "-O0 -gdwarf-4 -fdebug-types-section");
}

static void test_kinds_clang(void **state)
{
    (void)state;
    check_kinds("clang", "-O2");
}

static const struct inlay_object *find_object(const struct fixture *fixture,
                                              const char *name)
{
    for (size_t i = 0; i < fixture->debug.nobjects; i++) {
        const struct inlay_object *object = &fixture->debug.objects[i];

        if (inlay_str_equal(object->name, inlay_str_from(name)))
            return object;
    }
    return NULL;
}

static void check_methods(const struct fixture *fixture)
{
    static const char *const methods[][2] = {
        {"counter_new", "counter"},
        {"counter_free", "counter"},
        {"counter_add", "counter"},
        {"counter_get", "counter"},
        {"counter_copy", "counter"},
        {"counter_bad", "counter"},
        {"stack_new", "stack"},
        {"stack_depth", "stack"},
        {"opaque_new", "opaque"},
        {"opaque_free", "opaque"},
        {"opaque_is", "opaque"},
        {"counter_many", NULL},
        {"both", NULL},
        {"counters_size", NULL},
        {"broken_get", NULL},
        {"half_new", NULL},
    };

    for (size_t i = 0; i < inlay_array_size(methods); i++) {
        const struct inlay_object *object =
            methods[i][1] ? find_object(fixture, methods[i][1]) : NULL;

        assert_ptr_equal(fixture_func(fixture, methods[i][0])->object, object);
    }
    const struct inlay_type *self = fixture_type(fixture, "counter_get");
    assert_int_equal(self->kind, INLAY_KIND_HANDLE);
    assert_ptr_equal(self->object, find_object(fixture, "counter"));
    assert_true(self->object_const);
    assert_false(fixture_func(fixture, "counter_copy")->result->object_const);
    assert_int_equal(fixture_type(fixture, "both")->kind, INLAY_KIND_HANDLE);
    assert_int_equal(fixture_type(fixture, "opaque_new")->kind,
                     INLAY_KIND_HANDLE);
}

static void check_objects(const char *cc)
{
    static const char *const reasons[][2] = {
        {"counter_bad", "parameter 'v' has type int *: a pointer does not"},
        {"broken_free", "parameter 'self' has type struct broken *: "
                        "broken_new can't be called: parameter 'a' has type "
                        "int *: a pointer does not say how many"},
        {"broken_get", "parameter 'self' has type struct broken *: broken_new"},
        {"chained_new", "parameter 'a' has type struct broken *: broken_new"},
        {"chained_get", "the result has type struct chained *: chained_new "
                        "can't be called: parameter 'a' has type struct "
                        "broken *: broken_new can't be called"},
        {"half_new", ""},
        {"wrong_new", ""},
        {"by_value", "parameter 'v' has type struct counter: it is an "
                     "object, made by counter_new: write a pointer to it"},
        {"in_slice", "parameter 'v' has type counters, which is made of "
                     "struct counter *: an object is a parameter or a result "
                     "only"},
        {"in_field", "parameter 'v' has type struct has_counter: field 'c' "
                     "of has_counter has type struct counter *: an object"},
        {"in_struct", "parameter 'v' has type struct embeds_counter: field "
                      "'c' of embeds_counter has type struct counter: it is"},
        {"in_callback", "parameter 'v' has type int (*)(struct counter *): "
                        "parameter 1 of the callback has type struct counter "
                        "*: an object"},
    };
    struct fixture fixture;

    if (!compile_has(cc))
        skip();
    fixture_open(&fixture, cc, "", "objects.c");
    assert_int_equal(fixture.debug.nobjects, 3);
    assert_str(fixture.debug.objects[0].name, "counter");
    assert_str(fixture.debug.objects[1].name, "stack");
    assert_str(fixture.debug.objects[2].name, "opaque");
    const struct inlay_object *counter = &fixture.debug.objects[0];
    assert_ptr_equal(counter->create, fixture_func(&fixture, "counter_new"));
    assert_ptr_equal(counter->destroy, fixture_func(&fixture, "counter_free"));
    assert_int_equal(counter->decl.line, 5);
    assert_int_not_equal(counter->layout, 0);
    assert_int_equal(fixture.debug.objects[2].layout, 0);
    check_methods(&fixture);
    for (size_t i = 0; i < inlay_array_size(reasons); i++)
        assert_reason(&fixture, reasons[i][0], reasons[i][1]);
    assert_int_equal(fixture_func(&fixture, "half_new")->result->kind,
                     INLAY_KIND_POINTER);
    fixture_close(&fixture);
}

static void test_objects_gcc(void **state)
{
    (void)state;
    check_objects("gcc");
}

static void test_objects_clang(void **state)
{
    (void)state;
    check_objects("clang");
}

static uint64_t layout_of(const char *members, const char *flags)
{
    char text[500];
    struct compile_dir dir;
    struct inlay_arena arena;
    struct inlay_debug debug;

    snprintf(text, sizeof(text),
             "struct part { %s };\n"
             "struct t { struct part *next; int a; };\n"
             "struct t *t_new(void) { return 0; }\n"
             "void t_free(struct t *t) {}\n",
             members);
    compile_dir_init(&dir);
    inlay_arena_init(&arena, 1 << 20);
    char *path = compile_text(&dir, "cc", flags, "t.c", text);
    assert_null(
        inlay_dwarf_read(path, inlay_str_from(dir.path), &arena, &debug));
    assert_int_equal(debug.nobjects, 1);
    uint64_t layout = debug.objects[0].layout;
    free(path);
    inlay_arena_deinit(&arena);
    compile_dir_deinit(&dir);
    return layout;
}

/* The same source compiled otherwise is the same; another struct is not. */
static void test_layout(void **state)
{
    uint64_t layout = layout_of("int a; struct t *up;", "-O2");

    (void)state;
    assert_int_equal(layout, layout_of("int a; struct t *up;", "-O0"));
    assert_int_not_equal(layout, layout_of("int b; struct t *up;", "-O2"));
    assert_int_not_equal(layout, layout_of("long a; struct t *up;", "-O2"));
    assert_int_not_equal(layout, layout_of("struct t *up; int a;", "-O2"));
    assert_int_not_equal(layout_of("int a[2];", ""),
                         layout_of("int a[3];", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_gcc),
        cmocka_unit_test(test_kinds_dwarf4),
        cmocka_unit_test(test_kinds_clang),
        cmocka_unit_test(test_objects_gcc),
        cmocka_unit_test(test_objects_clang),
        cmocka_unit_test(test_layout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
