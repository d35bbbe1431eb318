/* Every place that a parameter comes from; sources_twin.py has the same in
 * FastAPI. */
#include <inlay.h>

INLAY_SLICE(ints, const int64_t);
INLAY_SLICE(texts, const inlay_str);
INLAY_SLICE(dates, const inlay_date);
INLAY_SLICE(uuids, const inlay_uuid);
INLAY_SLICE(uploads, const inlay_upload);
INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_real, double);
INLAY_OPTIONAL(maybe_bool, bool);
INLAY_OPTIONAL(maybe_str, inlay_str);
INLAY_OPTIONAL(maybe_date, inlay_date);
INLAY_OPTIONAL(maybe_datetime, inlay_datetime);
INLAY_OPTIONAL(maybe_uuid, inlay_uuid);
INLAY_OPTIONAL(maybe_ints, ints);
INLAY_OPTIONAL(maybe_texts, texts);
INLAY_OPTIONAL(maybe_upload, inlay_upload);
INLAY_OPTIONAL(maybe_bytes, inlay_bytes);
enum color { red, green, blue };
INLAY_SLICE(colors, const enum color);

/* --- Path ----------------------------------------------------------------- */

inlay_str path_str(inlay_str s)
{
    return s;
}
INLAY_GET("/path/str/{s:str}", path_str);

int64_t path_int(int64_t n)
{
    return n;
}
INLAY_GET("/path/int/{n:int}", path_int);

double path_float(double x)
{
    return x;
}
INLAY_GET("/path/float/{x:float}", path_float);

inlay_uuid path_uuid(inlay_uuid id)
{
    return id;
}
INLAY_GET("/path/uuid/{id:uuid}", path_uuid);

inlay_uuid path_any_uuid(inlay_uuid id)
{
    return id;
}
INLAY_GET("/path/any-uuid/{id}", path_any_uuid);

inlay_date path_date(inlay_date day)
{
    return day;
}
INLAY_GET("/path/date/{day}", path_date);

enum color path_color(enum color color)
{
    return color;
}
INLAY_GET("/path/color/{color}", path_color);

inlay_str path_rest(inlay_str rest)
{
    return rest;
}
INLAY_GET("/path/rest/{rest:path}", path_rest);

/* --- Query ---------------------------------------------------------------- */

struct seen {
    maybe_int n;
    maybe_real x;
    maybe_bool b;
    maybe_str s;
    maybe_date day;
    maybe_datetime at;
    maybe_uuid id;
};

struct seen query_all(maybe_int n,
                      maybe_real x,
                      maybe_bool b,
                      maybe_str s,
                      maybe_date day,
                      maybe_datetime at,
                      maybe_uuid id)
{
    return (struct seen){n, x, b, s, day, at, id};
}
INLAY_GET("/query/all", query_all);

struct alias {
    int64_t from;
    texts words;
};

struct alias query_alias(int64_t from_, texts words)
{
    return (struct alias){from_, words};
}
INLAY_GET("/query/alias", query_alias);
INLAY_QUERY(query_alias, from_, "from");
INLAY_QUERY(query_alias, words, "word[]");

struct lists {
    maybe_ints n;
    maybe_texts s;
};

struct lists query_lists(maybe_ints n, maybe_texts s)
{
    return (struct lists){n, s};
}
INLAY_GET("/query/lists", query_lists);

dates query_dates(dates day)
{
    return day;
}
INLAY_GET("/query/dates", query_dates);

uuids query_uuids(uuids id)
{
    return id;
}
INLAY_GET("/query/uuids", query_uuids);

int64_t query_post(int64_t a, ints more)
{
    return a + (int64_t)more.len;
}
INLAY_POST("/query/post", query_post);
INLAY_QUERY(query_post, more, 0);

struct page {
    int64_t limit;
    maybe_str word;
    enum color color;
    maybe_date day;
    maybe_ints tags;
};
INLAY_OPTIONAL(maybe_page, struct page);

struct page query_model(struct page page)
{
    return page;
}
INLAY_GET("/query/model", query_model);

maybe_page query_maybe_model(maybe_page page)
{
    return page;
}
INLAY_GET("/query/maybe-model", query_maybe_model);

const struct page *query_null_model(const struct page *page)
{
    return page;
}
INLAY_GET("/query/null-model", query_null_model);
INLAY_DEFAULT(query_null_model, page, NULL);

struct strict {
    int64_t a;
    maybe_int b;
};
INLAY_STRICT(struct strict);

struct strict query_strict(struct strict strict)
{
    return strict;
}
INLAY_GET("/query/strict", query_strict);

/* --- Headers -------------------------------------------------------------- */

struct headers {
    inlay_str token;
    int64_t n;
    maybe_bool flag;
    texts all;
};

struct headers header_all(inlay_str x_token,
                          int64_t n,
                          maybe_bool flag,
                          maybe_texts all)
{
    return (struct headers){x_token, n, flag, all.value};
}
INLAY_GET("/header/all", header_all);
INLAY_HEADER(header_all, x_token, 0);
INLAY_HEADER(header_all, n, "X-Number");
INLAY_DEFAULT(header_all, n, 7);
INLAY_HEADER(header_all, flag, "x-flag");
INLAY_HEADER(header_all, all, "x-all");

ints header_list(ints x)
{
    return x;
}
INLAY_GET("/header/list", header_list);
INLAY_HEADER(header_list, x, "X-Num");

struct seen header_types(maybe_date day, maybe_datetime at, maybe_uuid id)
{
    return (struct seen){.day = day, .at = at, .id = id};
}
INLAY_GET("/header/types", header_types);
INLAY_HEADER(header_types, day, "x-day");
INLAY_HEADER(header_types, at, "x-at");
INLAY_HEADER(header_types, id, "x-id");

struct head {
    int64_t x_number;
    inlay_str accept;
    maybe_texts x_tag;
    maybe_uuid x_id;
};
INLAY_OPTIONAL(maybe_head, struct head);

struct head header_model(struct head head)
{
    return head;
}
INLAY_GET("/header/model", header_model);
INLAY_HEADER(header_model, head, 0);

struct special {
    int64_t x_number;
    maybe_str x_other;
};
INLAY_OPTIONAL(maybe_special, struct special);

maybe_special header_maybe_model(maybe_special head)
{
    return head;
}
INLAY_GET("/header/maybe-model", header_maybe_model);
INLAY_HEADER(header_maybe_model, head, 0);

/* --- Cookies -------------------------------------------------------------- */

struct cookies {
    inlay_str sid;
    maybe_int n;
    enum color color;
};

struct cookies cookie_all(inlay_str sid, maybe_int n, enum color color)
{
    return (struct cookies){sid, n, color};
}
INLAY_GET("/cookie/all", cookie_all);
INLAY_COOKIE(cookie_all, sid, 0);
INLAY_COOKIE(cookie_all, n, "the-number");
INLAY_COOKIE(cookie_all, color, 0);
INLAY_DEFAULT(cookie_all, color, blue);

struct jar {
    int64_t sid;
    maybe_str word;
};

struct jar cookie_model(struct jar jar)
{
    return jar;
}
INLAY_GET("/cookie/model", cookie_model);
INLAY_COOKIE(cookie_model, jar, 0);

/* --- Forms ---------------------------------------------------------------- */

struct seen form_all(inlay_str s,
                     maybe_int n,
                     maybe_real x,
                     maybe_bool b,
                     maybe_date day,
                     maybe_datetime at,
                     maybe_uuid id)
{
    return (struct seen){n, x, b, {true, s}, day, at, id};
}
INLAY_POST("/form/all", form_all);
INLAY_FORM(form_all, n);
INLAY_FORM(form_all, x);
INLAY_FORM(form_all, b);
INLAY_FORM(form_all, s);
INLAY_FORM(form_all, day);
INLAY_FORM(form_all, at);
INLAY_FORM(form_all, id);

/* Nothing lies behind the last value. */
void form_last(int64_t a, int64_t b, maybe_datetime at)
{
    (void)a;
    (void)b;
    (void)at;
}
INLAY_POST("/form/last", form_last);
INLAY_FORM(form_last, a);
INLAY_FORM(form_last, b);
INLAY_FORM(form_last, at);

struct titles {
    inlay_str title;
    maybe_ints n;
    colors c;
};

struct titles form_lists(inlay_str title, colors c, maybe_ints n)
{
    return (struct titles){title, n, c};
}
INLAY_PUT("/form/lists", form_lists);
INLAY_FORM(form_lists, title);
INLAY_FORM(form_lists, n);
INLAY_FORM(form_lists, c);

struct form {
    inlay_str title;
    int64_t n;
    maybe_texts tags;
    maybe_date day;
};

struct form form_model(struct form form)
{
    return form;
}
INLAY_POST("/form/model", form_model);
INLAY_FORM(form_model, form);

struct mixed {
    struct form form;
    maybe_str note;
    int64_t q;
};

struct mixed form_mixed(struct form form, maybe_str note, int64_t q)
{
    return (struct mixed){form, note, q};
}
INLAY_POST("/form/mixed", form_mixed);
INLAY_FORM(form_mixed, form);
INLAY_FORM(form_mixed, note);

struct strict form_strict(struct strict strict)
{
    return strict;
}
INLAY_POST("/form/strict", form_strict);
INLAY_FORM(form_strict, strict);

struct sent {
    inlay_str name, type;
    int64_t size;
    inlay_str note;
};
INLAY_SLICE(sents, const struct sent);

static struct sent sent_of(inlay_upload file, inlay_str note)
{
    return (struct sent){file.name, file.type, (int64_t)file.data.len, note};
}

struct sent upload_one(inlay_upload file, inlay_str note)
{
    return sent_of(file, note);
}
INLAY_POST("/upload/one", upload_one);
INLAY_FORM(upload_one, file);
INLAY_FORM(upload_one, note);
INLAY_DEFAULT(upload_one, note, "none");

sents upload_many(uploads files)
{
    struct sent *all = inlay_alloc(files.len * sizeof(*all) + 1);

    for (size_t i = 0; i < files.len; i++)
        all[i] = sent_of(files.ptr[i],
                         (inlay_str){(const char *)files.ptr[i].data.ptr,
                                     files.ptr[i].data.len < 20
                                         ? files.ptr[i].data.len
                                         : 20});
    return (sents){all, files.len};
}
INLAY_POST("/upload/many", upload_many);

struct sent upload_maybe(maybe_upload file)
{
    return file.has
               ? sent_of(file.value, INLAY_STR("x"))
               : (struct sent){INLAY_STR(""), INLAY_STR(""), -1, INLAY_STR("")};
}
INLAY_POST("/upload/maybe", upload_maybe);

inlay_str upload_bytes(inlay_bytes data)
{
    return (inlay_str){(const char *)data.ptr, data.len};
}
INLAY_POST("/upload/bytes", upload_bytes);
INLAY_FORM(upload_bytes, data);

/* --- Embedded bodies ------------------------------------------------------ */

int64_t body_one(int64_t count)
{
    return count;
}
INLAY_POST("/body/one", body_one);
INLAY_BODY(body_one, count);

struct mixed body_several(struct form form, maybe_str note, int64_t q)
{
    return (struct mixed){form, note, q};
}
INLAY_POST("/body/several", body_several);
INLAY_BODY(body_several, note);

struct form body_embedded(struct form form)
{
    return form;
}
INLAY_POST("/body/embedded", body_embedded);
INLAY_BODY(body_embedded, form);

/* --- Constraints ---------------------------------------------------------- */

struct limited {
    int64_t n;
    inlay_str word;
    maybe_ints few;
};
INLAY_RANGE(struct limited, n, 1, 10);
INLAY_LENGTH(struct limited, word, 2, 4);
INLAY_LENGTH(struct limited, few, 1, 2);

struct limited limited_query(struct limited limited)
{
    return limited;
}
INLAY_GET("/limited/query", limited_query);

struct limited limited_form(struct limited limited)
{
    return limited;
}
INLAY_POST("/limited/form", limited_form);
INLAY_FORM(limited_form, limited);

struct titles limited_params(inlay_str id, ints n, inlay_str token)
{
    (void)id;
    return (struct titles){token, {true, n}, {0, 0}};
}
INLAY_GET("/limited/params/{id}", limited_params);
INLAY_LENGTH(limited_params, id, 3, 3);
INLAY_PATTERN(limited_params, id, "^[a-z]+$");
INLAY_LENGTH(limited_params, n, 1, 2);
INLAY_RANGE(limited_params, n, 0, 5);
INLAY_HEADER(limited_params, token, "x-token");
INLAY_LENGTH(limited_params, token, 2, INLAY_NONE);

/* --- Everything in one ---------------------------------------------------- */

struct every {
    int64_t p, q, h, c;
    struct form form;
};

struct every every(struct form form, int64_t c, int64_t h, int64_t q, int64_t p)
{
    return (struct every){p, q, h, c, form};
}
INLAY_POST("/every/{p}", every);
INLAY_HEADER(every, h, "x-h");
INLAY_COOKIE(every, c, "c");

struct every every_form(struct form form,
                        int64_t c,
                        int64_t h,
                        int64_t q,
                        int64_t p)
{
    return (struct every){p, q, h, c, form};
}
INLAY_POST("/every-form/{p}", every_form);
INLAY_HEADER(every_form, h, "x-h");
INLAY_COOKIE(every_form, c, "c");
INLAY_FORM(every_form, form);
