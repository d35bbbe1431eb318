/*
 * native_db.c - the databases of native calls: an inlay_db per call, whose
 * coroutine waits for orders of its I/O thread's lane.
 */
#include "db/call.h"
#include "serve/native_task.h"
#include "serve/server.h"

#include "base/banned.h"

/* --- Lanes ---------------------------------------------------------------- */

static struct inlay_lane *lane_of(struct inlay_io_thread *thread,
                                  struct inlay_database *database)
{
    struct inlay_lane **lane = &thread->db_lanes[database->index];

    if (*lane)
        return *lane;
    struct inlay_error *error = inlay_lane_open(database, &thread->loop, lane);
    if (error) {
        inlay_log_write(&thread->server->config.log, INLAY_LOG_ERROR, "%s",
                        error->message);
        inlay_error_destroy(error);
        *lane = NULL;
    }
    return *lane;
}

void inlay_native_lanes_open(struct inlay_io_thread *thread)
{
    struct inlay_database *database;

    for (size_t i = 0; (database = inlay_database_at(i)); i++)
        lane_of(thread, database);
}

void inlay_native_lanes_close(struct inlay_io_thread *thread)
{
    for (size_t i = 0; i < INLAY_DATABASES; i++) {
        if (thread->db_lanes[i])
            inlay_lane_close(thread->db_lanes[i]);
        thread->db_lanes[i] = NULL;
    }
}

/* --- Waiting -------------------------------------------------------------- */

static bool may(struct inlay_db *db)
{
    struct inlay_native_call *call = db->waiter;

    return !call->task->closed || inlay_native_refuse(&call->context);
}

static bool sleep_on(struct inlay_db *db)
{
    return inlay_native_sleep_for(db->waiter, INLAY_NATIVE_DB);
}

static void wake(struct inlay_db *db)
{
    inlay_native_wake(db->waiter, INLAY_NATIVE_DB);
}

static const struct inlay_db_waits waits = {may, sleep_on, wake};

/* --- A call's ------------------------------------------------------------- */

static struct inlay_db *find(const struct inlay_native_task *task,
                             const struct inlay_database *database)
{
    struct inlay_db *db = task->databases;

    while (db && db->database != database)
        db = db->next;
    return db;
}

static void *fail(struct inlay_native_call *call, int kind, const char *why)
{
    inlay_context_fail(&call->context, kind, inlay_str_from(why));
    return NULL;
}

struct inlay_db *inlay_native_database(struct inlay_native_call *call,
                                       struct inlay_database *database)
{
    struct inlay_native_task *task = call->task;
    struct inlay_db *db = task ? find(task, database) : NULL;

    if (db)
        return db;
    if (!task)
        return fail(call, INLAY_INTERNAL,
                    "a call that can't wait has no "
                    "database");
    struct inlay_lane *lane = lane_of(task->thread, database);
    if (!lane)
        return fail(call, INLAY_UNAVAILABLE, "the database can't be used");
    db = inlay_arena_new(call->context.arena, struct inlay_db);
    if (!db)
        return fail(call, INLAY_NO_MEMORY, "out of memory for this call");
    inlay_db_begin(db, database, &call->context, lane, &waits, call);
    db->next = task->databases;
    task->databases = db;
    return db;
}

void inlay_native_databases_end(struct inlay_native_task *task)
{
    while (task->databases) {
        struct inlay_db *db = task->databases;

        task->databases = db->next;
        inlay_db_end(db);
    }
}

void inlay_native_listening_end(struct inlay_native_task *task)
{
    for (struct inlay_db *db = task->databases; db; db = db->next)
        inlay_db_listening_end(db);
}

bool inlay_native_in_transaction(const struct inlay_native_task *task)
{
    for (const struct inlay_db *db = task->databases; db; db = db->next)
        if (inlay_db_in_transaction(db))
            return true;
    return false;
}
