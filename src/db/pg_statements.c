/* pg_statements.c - which statements a connection has prepared, by their text. */
#include "db/pg_statements.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/mem.h"

#include "base/banned.h"

void inlay_pg_statements_init(struct inlay_pg_statements *statements,
                              size_t most)
{
    *statements = (struct inlay_pg_statements){.most = most};
    inlay_list_init(&statements->order);
    /* Names that others may have are worse than none. */
    if (getrandom(&statements->key, sizeof(statements->key), 0) !=
        sizeof(statements->key))
        statements->most = 0;
}

void inlay_pg_statements_deinit(struct inlay_pg_statements *statements)
{
    inlay_list_for_each (node, &statements->order)
        inlay_free(inlay_list_entry(node, struct inlay_pg_statement, node));
    inlay_list_init(&statements->order);
    inlay_free(statements->buckets);
    statements->buckets = NULL;
    statements->count = 0;
}

/* Eight bytes at a time: texts are the program's, not a client's, and the
 * table is small. */
static uint64_t hash_of(struct inlay_str text)
{
    const uint64_t prime = 0x9E3779B97F4A7C15u;
    uint64_t hash = text.len * prime, word = 0;
    size_t at = 0;

    for (; at + 8 <= text.len; at += 8) {
        memcpy(&word, text.ptr + at, 8);
        hash = (hash ^ word) * prime;
        hash ^= hash >> 29;
    }
    word = 0;
    if (at < text.len)
        memcpy(&word, text.ptr + at, text.len - at);
    hash = (hash ^ word) * prime;
    return hash ^ hash >> 32;
}

static struct inlay_pg_statement **bucket_of(
    const struct inlay_pg_statements *statements,
    uint64_t hash)
{
    return &statements->buckets[hash & (statements->nbuckets - 1)];
}

static struct inlay_pg_statement *find(
    const struct inlay_pg_statements *statements,
    struct inlay_str text,
    uint64_t hash)
{
    struct inlay_pg_statement *it =
        statements->buckets ? *bucket_of(statements, hash) : NULL;

    while (it && (it->hash != hash ||
                  !inlay_str_equal(inlay_str_make(it->text, it->len), text)))
        it = it->chain;
    return it;
}

static bool make_buckets(struct inlay_pg_statements *statements)
{
    size_t count = 16;

    if (statements->buckets)
        return true;
    while (count < statements->most && count < 65536)
        count *= 2;
    statements->buckets =
        inlay_calloc(count, sizeof(struct inlay_pg_statement *));
    statements->nbuckets = count;
    return statements->buckets != NULL;
}

static void take_out(struct inlay_pg_statements *statements,
                     struct inlay_pg_statement *statement)
{
    struct inlay_pg_statement **at = bucket_of(statements, statement->hash);

    while (*at != statement)
        at = &(*at)->chain;
    *at = statement->chain;
    inlay_list_remove(&statement->node);
    statements->count--;
    statement->is_gone = true;
    if (!statement->uses)
        inlay_free(statement);
}

void inlay_pg_statements_forget(struct inlay_pg_statements *statements,
                                struct inlay_pg_statement *statement)
{
    if (!statement->is_gone)
        take_out(statements, statement);
}

void inlay_pg_statement_unuse(struct inlay_pg_statement *statement)
{
    if (--statement->uses == 0 && statement->is_gone)
        inlay_free(statement);
}

/* Room for one more: the one goes that was not used for longest. False: all of
 * those are in use. */
static bool make_room(struct inlay_pg_statements *statements, unsigned *old_ret)
{
    if (statements->count < statements->most)
        return true;
    inlay_list_for_each (node, &statements->order) {
        struct inlay_pg_statement *oldest =
            inlay_list_entry(node, struct inlay_pg_statement, node);

        if (oldest->uses)
            continue;
        *old_ret = oldest->number;
        take_out(statements, oldest);
        return true;
    }
    return false;
}

static struct inlay_pg_statement *add(struct inlay_pg_statements *statements,
                                      struct inlay_str text,
                                      uint64_t hash,
                                      unsigned *old_ret)
{
    struct inlay_pg_statement *statement;

    if (!statements->most || !make_buckets(statements) ||
        !(statement = inlay_malloc(sizeof(*statement) + text.len + 1)))
        return NULL;
    if (!make_room(statements, old_ret)) {
        inlay_free(statement);
        return NULL;
    }
    *statement = (struct inlay_pg_statement){
        .chain = *bucket_of(statements, hash),
        .hash = hash,
        .number = ++statements->last_number,
        .len = text.len,
    };
    if (text.len)
        memcpy(statement->text, text.ptr, text.len);
    statement->text[text.len] = '\0';
    statement->name = inlay_pg_statement_name(statements, statement->number);
    *bucket_of(statements, hash) = statement;
    inlay_list_init(&statement->node);
    statements->count++;
    return statement;
}

struct inlay_pg_statement *inlay_pg_statements_use(
    struct inlay_pg_statements *statements,
    struct inlay_str text,
    bool *is_new_ret,
    unsigned *old_ret)
{
    uint64_t hash = hash_of(text);
    struct inlay_pg_statement *statement = find(statements, text, hash);

    *is_new_ret = !statement;
    *old_ret = 0;
    if (!statement)
        statement = add(statements, text, hash, old_ret);
    else if (!statement->is_ready)
        return NULL;
    if (!statement)
        return NULL;
    inlay_list_remove(&statement->node);
    inlay_list_append(&statements->order, &statement->node);
    statement->uses++;
    return statement;
}

struct inlay_pg_name inlay_pg_statement_name(
    const struct inlay_pg_statements *statements,
    unsigned number)
{
    struct inlay_pg_name name;

    snprintf(name.text, sizeof(name.text), "inlay_%016" PRIx64 "_%u",
             statements->key, number);
    return name;
}
