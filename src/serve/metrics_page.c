#include "serve/metrics_page.h"

#include <inttypes.h>

#include "base/banned.h"

/* --- Labels -------------------------------------------------------------- */

/* One byte of a value; how many went to `at`, which has room for two. */
static size_t put_escaped(char *at, char c, bool utf8)
{
    if (c == '\\' || c == '"' || c == '\n') {
        at[0] = '\\';
        at[1] = c;
        if (c == '\n')
            at[1] = 'n';
        return 2;
    }
    at[0] = c;
    if (!utf8 && (unsigned char)c >= 0x80)
        at[0] = '?';
    return 1;
}

void inlay_metrics_label(struct inlay_metrics_labels *labels,
                         const char *name,
                         struct inlay_str value)
{
    size_t name_len = strlen(name);
    bool utf8 = inlay_utf8_valid(value);

    if (name_len + 4 + value.len * 2 > sizeof(labels->text) - labels->len)
        return;
    char *at = labels->text + labels->len;
    if (labels->len)
        *at++ = ',';
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = '=';
    *at++ = '"';
    for (size_t i = 0; i < value.len; i++)
        at += put_escaped(at, value.ptr[i], utf8);
    *at++ = '"';
    labels->len = (size_t)(at - labels->text);
}

void inlay_metrics_label_u64(struct inlay_metrics_labels *labels,
                             const char *name,
                             uint64_t value)
{
    char text[20];

    inlay_metrics_label(labels, name,
                        inlay_str_make(text, inlay_format_u64(text, value)));
}

/* --- Lines --------------------------------------------------------------- */

static void put(struct inlay_metrics_page *page, struct inlay_str text)
{
    if (inlay_buf_append_str(page->out, text) < 0)
        page->failed = true;
}

#define put_literal(page, literal) put((page), INLAY_STR(literal))

static void put_u64(struct inlay_metrics_page *page, uint64_t value)
{
    if (inlay_buf_append_u64(page->out, value) < 0)
        page->failed = true;
}

void inlay_metrics_family(struct inlay_metrics_page *page,
                          const char *name,
                          enum inlay_metrics_type type,
                          const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *total =
        type == INLAY_METRICS_COUNTER && !page->open_metrics ? "_total" : "";

    if (inlay_buf_format(page->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name,
                         total, help, name, total, types[type]) < 0)
        page->failed = true;
}

/* Up to the value. `le`: a bound, or NULL. */
static void begin(struct inlay_metrics_page *page,
                  const char *name,
                  const char *suffix,
                  const struct inlay_metrics_labels *labels,
                  const char *le)
{
    bool labelled = labels && labels->len;

    put(page, inlay_str_from(name));
    put(page, inlay_str_from(suffix));
    if (labelled || le)
        put_literal(page, "{");
    if (labelled)
        put(page, inlay_str_make(labels->text, labels->len));
    if (le) {
        put(page, labelled ? INLAY_STR(",le=\"") : INLAY_STR("le=\""));
        put(page, inlay_str_from(le));
        put_literal(page, "\"");
    }
    put(page, labelled || le ? INLAY_STR("} ") : INLAY_STR(" "));
}

void inlay_metrics_sample(struct inlay_metrics_page *page,
                          const char *name,
                          const char *suffix,
                          const struct inlay_metrics_labels *labels,
                          uint64_t value)
{
    begin(page, name, suffix, labels, NULL);
    put_u64(page, value);
    put_literal(page, "\n");
}

void inlay_metrics_sample_ns(struct inlay_metrics_page *page,
                             const char *name,
                             const char *suffix,
                             const struct inlay_metrics_labels *labels,
                             uint64_t ns)
{
    begin(page, name, suffix, labels, NULL);
    if (inlay_buf_format(page->out, "%" PRIu64 ".%09" PRIu64 "\n",
                         ns / 1000000000, ns % 1000000000) < 0)
        page->failed = true;
}

void inlay_metrics_page_end(struct inlay_metrics_page *page)
{
    if (page->open_metrics)
        put_literal(page, "# EOF\n");
}

/* --- Histograms ---------------------------------------------------------- */

void inlay_metrics_times_add(struct inlay_metrics_times *times,
                             const struct inlay_histogram *histogram)
{
    for (size_t i = 0; i < INLAY_METRICS_BUCKETS; i++)
        times->buckets[i] +=
            atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    times->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}

uint64_t inlay_metrics_times_count(const struct inlay_metrics_times *times)
{
    uint64_t count = 0;

    for (size_t i = 0; i < INLAY_METRICS_BUCKETS; i++)
        count += times->buckets[i];
    return count;
}

void inlay_metrics_sample_times(struct inlay_metrics_page *page,
                                const char *name,
                                const struct inlay_metrics_labels *labels,
                                const struct inlay_metrics_times *times)
{
    static const char *const bounds[] = {
#define BOUND(ns, text) text,
        INLAY_METRICS_BOUNDS(BOUND)
#undef BOUND
            "+Inf",
    };
    uint64_t count = 0;

    for (size_t i = 0; i < INLAY_METRICS_BUCKETS; i++) {
        count += times->buckets[i];
        begin(page, name, "_bucket", labels, bounds[i]);
        put_u64(page, count);
        put_literal(page, "\n");
    }
    inlay_metrics_sample_ns(page, name, "_sum", labels, times->sum);
    inlay_metrics_sample(page, name, "_count", labels, count);
}
