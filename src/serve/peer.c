#include "serve/peer.h"

#include "base/mem.h"
#include "http/proxy_protocol.h"
#include "serve/address_count.h"

#include "base/banned.h"

/*
 * Is there room for one more of its address? A proxy that speaks for others is
 * not counted: its clients would share one limit. Nor are Unix sockets.
 */
static int count(struct inlay_session *session)
{
    struct inlay_server *server = session->thread->server;
    struct inlay_ip ip;

    if (inlay_likely(!server->addresses) || session->trusted ||
        !inlay_ip_parse(inlay_str_from(session->client.host), &ip))
        return 0;
    if (!inlay_address_counts_enter(server->addresses, &ip)) {
        inlay_log_write(&server->config.log, INLAY_LOG_DEBUG,
                        "%s has too many connections, one more was closed",
                        session->client.host);
        return -1;
    }
    session->counted = true;
    return 0;
}

static void learn_trust(struct inlay_session *session)
{
    struct inlay_server *server = session->thread->server;

    session->trusted =
        server->config.proxy_headers &&
        inlay_networks_have_peer(&server->trusted, &session->client);
}

int inlay_peer_enter(struct inlay_session *session)
{
    struct inlay_server *server = session->thread->server;

    learn_trust(session);
    if (inlay_likely(!server->config.proxy_protocol))
        return count(session);
    if (!inlay_networks_have_peer(&server->trusted, &session->client)) {
        inlay_log_write(&server->config.log, INLAY_LOG_DEBUG,
                        "%s may not send a PROXY header, it was closed",
                        session->client.host);
        return -1;
    }
    session->proxy = inlay_malloc(sizeof(*session->proxy));
    if (!session->proxy)
        return -1;
    inlay_proxy_protocol_init(session->proxy);
    return 0;
}

void inlay_peer_leave(struct inlay_session *session)
{
    struct inlay_ip ip;

    inlay_free(session->proxy);
    session->proxy = NULL;
    if (inlay_unlikely(session->counted) &&
        inlay_ip_parse(inlay_str_from(session->client.host), &ip))
        inlay_address_counts_leave(session->thread->server->addresses, &ip);
    session->counted = false;
}

size_t inlay_peer_read(struct inlay_session *session,
                       const char *data,
                       size_t len)
{
    struct inlay_proxy_peers peers;
    size_t taken = 0;

    switch (
        inlay_proxy_protocol_feed(session->proxy, data, len, &taken, &peers)) {
    case INLAY_PROXY_MORE:
        return taken;
    case INLAY_PROXY_ERROR:
        inlay_log_write(&session->thread->server->config.log, INLAY_LOG_DEBUG,
                        "%s sent no valid PROXY header, it was closed",
                        session->client.host);
        inlay_conn_close(&session->conn);
        return len;
    case INLAY_PROXY_DONE:
        break;
    }
    inlay_free(session->proxy);
    session->proxy = NULL;
    if (peers.known) {
        session->client = peers.client;
        session->local = peers.local;
        learn_trust(session);
    }
    if (count(session) < 0)
        inlay_conn_close(&session->conn);
    return taken;
}
