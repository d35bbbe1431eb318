/*
 * api.h - inside load/: services of inlay.h for functions that answer
 * requests. Each is declared by the table's member of the same name.
 */
#ifndef INLAY_LOAD_API_H
#define INLAY_LOAD_API_H

#include "load/context.h"

/* api_http.c: formats texts, checks that there is a request, and passes the
 * rest on to context->http. */
void inlay_api_status(int status);
void inlay_api_header_set(const char *name, const char *format, ...)
    inlay_printf(2, 3);
void inlay_api_header_add(const char *name, const char *format, ...)
    inlay_printf(2, 3);
void inlay_api_trailer_set(const char *name, const char *format, ...)
    inlay_printf(2, 3);
void inlay_api_cookie_set(const char *name,
                          struct inlay_str value,
                          const char *attributes);
void inlay_api_redirect(int status, const char *format, ...) inlay_printf(2, 3);
void inlay_api_send_file(const char *path);
void inlay_api_next(const inlay_request *request);
struct inlay_str inlay_api_part(const inlay_request *request, int part);
struct inlay_str inlay_api_header(const inlay_request *request,
                                  const char *name);
struct inlay_str inlay_api_cookie(const inlay_request *request,
                                  const char *name);
int inlay_api_answered(void);
ptrdiff_t inlay_api_read(inlay_request *request, void *buffer, size_t size);
bool inlay_api_write(inlay_request *request, struct inlay_str bytes);
bool inlay_api_print(inlay_request *request, const char *format, ...)
    inlay_printf(2, 3);
bool inlay_api_event(inlay_request *request,
                     const char *name,
                     const char *format,
                     ...) inlay_printf(3, 4);
bool inlay_api_sleep(uint32_t ms);
bool inlay_api_accept(inlay_socket *socket, struct inlay_str subprotocol);
bool inlay_api_receive(inlay_socket *socket, inlay_message *message_ret);
bool inlay_api_send(inlay_socket *socket, inlay_message message);
void inlay_api_close(inlay_socket *socket, int code, const char *format, ...)
    inlay_printf(3, 4);
const inlay_request *inlay_api_handshake(const inlay_socket *socket);

/* api_db.c: checks that there is a call and a database, and passes the rest on
 * to that. */
bool inlay_api_query(inlay_db *db,
                     const struct inlay_query_record *record,
                     struct inlay_str text,
                     const void *const *args,
                     void *result);
struct inlay_cursor *inlay_api_cursor_open(
    inlay_db *db,
    const struct inlay_query_record *record,
    struct inlay_str text,
    const void *const *args);
bool inlay_api_cursor_next(struct inlay_cursor *cursor, void *row_ret);
void inlay_api_cursor_close(struct inlay_cursor *cursor);
bool inlay_api_db_begin(inlay_db *db);
bool inlay_api_db_commit(inlay_db *db);
bool inlay_api_db_rollback(inlay_db *db);
bool inlay_api_db_attempt(struct inlay_attempt *attempt);
bool inlay_api_db_listen(inlay_db *db, struct inlay_str channel);
bool inlay_api_db_notified(inlay_db *db, struct inlay_notification *ret);

/* api_auth.c */
bool inlay_api_bearer(struct inlay_str authorization,
                      struct inlay_str *token_ret);
bool inlay_api_basic(struct inlay_str authorization,
                     struct inlay_str *user_ret,
                     struct inlay_str *password_ret);
bool inlay_api_equal(struct inlay_str left, struct inlay_str right);
struct inlay_str inlay_api_sign(struct inlay_str key, struct inlay_str text);
bool inlay_api_verify(struct inlay_str key,
                      struct inlay_str signed_text,
                      uint32_t max_age,
                      struct inlay_str *text_ret);

#endif
