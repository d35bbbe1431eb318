#include "serve/server.h"

#include "base/banned.h"

void inlay_limits_default(struct inlay_limits *limits)
{
    *limits = (struct inlay_limits){
        .head =
            {
                .head_bytes = 64u << 10,
                .header_count = 100,
                .trailer_bytes = 16u << 10,
            },
        .body_bytes = 0,
        .native_body_bytes = 8u << 20,
        .body_window = 64u << 10,
        .write_window = 64u << 10,
        .request_memory = 64u << 20,
        .connections = 65536,
        .header_timeout = 10000,
        .body_timeout = 30000,
        .keep_alive_timeout = 5000,
        .write_timeout = 60000,
    };
}
