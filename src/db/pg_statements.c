/* pg_statements.c - which statements a connection has prepared, by their text. */
#include "db/pg_statements.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/mem.h"

#include "base/banned.h"

static struct inlay_pg_statement *statement_of(struct inlay_list *node)
{
    return inlay_list_entry(node, struct inlay_pg_statement, kept.node);
}

void inlay_pg_statements_init(struct inlay_pg_statements *statements,
                              size_t most)
{
    statements->last_number = 0;
    /* Names that others may have are worse than none. */
    if (getrandom(&statements->key, sizeof(statements->key), 0) !=
        sizeof(statements->key))
        most = 0;
    inlay_kept_init(&statements->kept, most);
}

void inlay_pg_statements_deinit(struct inlay_pg_statements *statements)
{
    inlay_list_for_each (node, &statements->kept.order)
        inlay_free(statement_of(node));
    inlay_kept_deinit(&statements->kept);
}

static void take_out(struct inlay_pg_statements *statements,
                     struct inlay_pg_statement *statement)
{
    inlay_kept_remove(&statements->kept, &statement->kept);
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
    if (statements->kept.count < statements->kept.most)
        return true;
    inlay_list_for_each (node, &statements->kept.order) {
        struct inlay_pg_statement *oldest = statement_of(node);

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

    if (!statements->kept.most ||
        !(statement = inlay_malloc(sizeof(*statement) + text.len + 1)))
        return NULL;
    *statement = (struct inlay_pg_statement){
        .kept = {.hash = hash, .text = {statement->text, text.len}},
        .number = ++statements->last_number,
        .pace = INLAY_PG_QUICK, /* until it has shown better */
    };
    if (text.len)
        memcpy(statement->text, text.ptr, text.len);
    statement->text[text.len] = '\0';
    statement->name = inlay_pg_statement_name(statements, statement->number);
    if (make_room(statements, old_ret) &&
        inlay_kept_add(&statements->kept, &statement->kept))
        return statement;
    inlay_free(statement);
    return NULL;
}

struct inlay_pg_statement *inlay_pg_statements_use(
    struct inlay_pg_statements *statements,
    struct inlay_str text,
    bool *is_new_ret,
    unsigned *old_ret)
{
    uint64_t hash = inlay_kept_hash(text);
    struct inlay_kept *found = inlay_kept_find(&statements->kept, text, hash);
    struct inlay_pg_statement *statement;

    *is_new_ret = !found;
    *old_ret = 0;
    if (found)
        statement = inlay_container_of(found, struct inlay_pg_statement, kept);
    else
        statement = add(statements, text, hash, old_ret);
    if (!statement || (found && !statement->is_ready))
        return NULL;
    inlay_kept_use(&statements->kept, &statement->kept);
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
