/* WebSockets in C, for test_native_sockets.py. One I/O thread serves them. */
#include <inlay.h>
#include <inttypes.h>
#include <string.h>

/* --- Plain ones ------------------------------------------------------------ */

void echo(inlay_socket *socket)
{
    inlay_message message;

    while (inlay_receive(socket, &message))
        inlay_send(socket, message);
}
INLAY_WEBSOCKET("/echo", echo);
INLAY_WEBSOCKET("/guarded/echo", echo);

static void say(inlay_socket *socket, inlay_str text)
{
    inlay_send(socket, (inlay_message){.data = text});
}

struct user {
    inlay_str name;
};

struct user *current_user(inlay_str token)
{
    struct user *user = inlay_alloc(sizeof(*user));

    if (token.len < 3)
        inlay_fail(INLAY_UNAUTHORIZED, "a token has three letters");
    else if (user)
        user->name = token;
    return user;
}
INLAY_HEADER(current_user, token, "x-token");
INLAY_DEFAULT(current_user, token, "none");
INLAY_PROVIDE(current_user);

/* Everything a route can have. */
void parameters(inlay_socket *socket,
                int32_t room,
                int32_t limit,
                inlay_str session,
                const struct user *user)
{
    const inlay_request *request = inlay_handshake(socket);
    inlay_str path = inlay_part(request, INLAY_PART_PATH);
    inlay_str agent = inlay_header(request, "user-agent");

    say(socket,
        inlay_format("%d %d %.*s %.*s %.*s %s", room, limit, (int)session.len,
                     session.ptr, (int)user->name.len, user->name.ptr,
                     (int)path.len, path.ptr, agent.len ? "yes" : "no"));
}
INLAY_DEFAULT(parameters, limit, 20);
INLAY_COOKIE(parameters, session, "sid");
INLAY_DEFAULT(parameters, session, "nobody");
INLAY_WEBSOCKET("/parameters/{room}", parameters);

void guard(const inlay_request *request)
{
    if (!inlay_header(request, "x-key").len)
        inlay_fail(INLAY_DENIED, "no key");
}
INLAY_BEFORE("/guarded/*", guard);

int32_t answer(void)
{
    return 42;
}
INLAY_GET("/both", answer);
INLAY_WEBSOCKET("/both", echo);

/* --- Accepting and refusing -------------------------------------------------- */

void chooses(inlay_socket *socket)
{
    inlay_header_set("x-made", "%d", 1);
    if (inlay_accept(socket, INLAY_STR("chat")))
        say(socket, INLAY_STR("chosen"));
}
INLAY_WEBSOCKET("/chooses", chooses);

void own_header(inlay_socket *socket)
{
    inlay_header_set("sec-websocket-accept", "x");
    inlay_accept(socket, INLAY_STR(""));
}
INLAY_WEBSOCKET("/own-header", own_header);

void silent(inlay_socket *socket, bool says)
{
    (void)socket;
    if (says)
        inlay_status(418);
}
INLAY_DEFAULT(silent, says, 0);
INLAY_WEBSOCKET("/silent", silent);

void elsewhere(inlay_socket *socket)
{
    (void)socket;
    inlay_redirect(307, "/echo");
}
INLAY_WEBSOCKET("/elsewhere", elsewhere);

enum moment { before, after };

void fails(inlay_socket *socket, enum moment when, int32_t kind)
{
    inlay_message message = {INLAY_STR(""), false};

    if (when == after) {
        inlay_accept(socket, INLAY_STR(""));
        inlay_receive(socket, &message);
    }
    inlay_fail(kind, "because of %d", kind);
    inlay_send(socket, message); /* does nothing now */
}
INLAY_WEBSOCKET("/fails", fails);

void closes(inlay_socket *socket, int32_t code)
{
    inlay_message message;

    say(socket, INLAY_STR("first"));
    inlay_close(socket, code, "bye %d", code);
    if (inlay_receive(socket, &message) || inlay_send(socket, message))
        inlay_fail(INLAY_INTERNAL, "it goes on");
}
INLAY_WEBSOCKET("/closes", closes);

void no_body(inlay_socket *socket, inlay_request *request)
{
    say(socket, INLAY_STR("x"));
    inlay_write(request, INLAY_STR("y"));
}
INLAY_WEBSOCKET("/no-body", no_body);

void not_text(inlay_socket *socket)
{
    say(socket, INLAY_STR("\xff"));
}
INLAY_WEBSOCKET("/not-text", not_text);

/* --- Time -------------------------------------------------------------------- */

static int64_t sent, received, ended;

/* As long as the client reads. */
void flood(inlay_socket *socket)
{
    static char block[1 << 16];
    inlay_message message = {{block, sizeof(block)}, true};

    while (inlay_send(socket, message))
        sent++;
    ended++;
}
INLAY_WEBSOCKET("/flood", flood);

/* Reads what came while it slept, and what came before the end. */
void sleeper(inlay_socket *socket, int32_t ms)
{
    inlay_message message;

    inlay_accept(socket, INLAY_STR(""));
    inlay_sleep((uint32_t)ms);
    while (inlay_receive(socket, &message)) {
        received += (int64_t)message.data.len;
        inlay_send(socket, message);
    }
    ended++;
}
INLAY_WEBSOCKET("/sleeper", sleeper);

void waits(inlay_socket *socket)
{
    inlay_message message;

    inlay_accept(socket, INLAY_STR(""));
    while (inlay_receive(socket, &message))
        received++;
    ended++;
}
INLAY_WEBSOCKET("/waits", waits);

/* Does not look at what it is told. */
void stubborn(inlay_socket *socket)
{
    inlay_message message;

    for (;;)
        inlay_receive(socket, &message);
}
INLAY_WEBSOCKET("/stubborn", stubborn);

struct counts {
    int64_t sent, received, ended;
};

struct counts counts(void)
{
    return (struct counts){sent, received, ended};
}
INLAY_GET("/counts", counts);

void reset(void)
{
    sent = received = ended = 0;
}
INLAY_POST("/reset", reset);

/* --- A room: sockets of others, on the same thread ----------------------------- */

struct member {
    struct member *next;
    inlay_socket *socket;
    inlay_str room;
};

static struct member *members;

static void leave(void *arg)
{
    struct member **at = &members;

    while (*at != arg)
        at = &(*at)->next;
    *at = (*at)->next;
}

static int64_t tell(inlay_str room, inlay_message message)
{
    int64_t told = 0;

    for (struct member *it = members; it; it = it->next) {
        if (it->room.len == room.len &&
            memcmp(it->room.ptr, room.ptr, room.len) == 0)
            told += inlay_send(it->socket, message);
    }
    return told;
}

void chat(inlay_socket *socket, inlay_str room)
{
    struct member *me = inlay_alloc(sizeof(*me));
    inlay_message message;

    if (!me || !inlay_accept(socket, INLAY_STR("")))
        return;
    *me = (struct member){members, socket, inlay_copy(room)};
    members = me;
    inlay_defer(leave, me);
    while (inlay_receive(socket, &message))
        tell(room, message);
}
INLAY_WEBSOCKET("/chat/{room}", chat);

/* From outside of any WebSocket. */
int64_t announce(inlay_str room, inlay_str text)
{
    return tell(room, (inlay_message){.data = text});
}
INLAY_GET("/announce/{room}", announce);

int64_t dismiss(inlay_str room)
{
    int64_t count = 0;

    for (struct member *it = members; it; it = it->next, count++)
        inlay_close(it->socket, 4001, "%.*s is closed", (int)room.len,
                    room.ptr);
    return count;
}
INLAY_GET("/dismiss/{room}", dismiss);
