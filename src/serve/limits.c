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
        .form_bytes = 64u << 20,
        .form_fields = 1000,
        .form_files = 1000,
        .form_field_bytes = 1u << 20,
        .form_file_memory = 1u << 20,
        .body_window = 64u << 10,
        .write_window = 256u << 10,
        .request_memory = 64u << 20,
        .connections = 65536,
        .header_timeout = 10000,
        .body_timeout = 30000,
        .keep_alive_timeout = 5000,
        .write_timeout = 60000,
        .body_rate = 240,
        .body_grace = 5000,
        .queue_timeout = 10000,
        .watchdog = 100,
        .ws_message_bytes = 16u << 20,
        .ws_queue = 32,
        .ws_ping_interval = 20000,
        .ws_ping_timeout = 20000,
    };
}

void inlay_server_config_default(struct inlay_server_config *config)
{
    static const struct inlay_str types[] = {
        INLAY_STR("text/*"),
        INLAY_STR("application/json"),
        INLAY_STR("application/javascript"),
        INLAY_STR("application/xml"),
        INLAY_STR("application/wasm"),
        INLAY_STR("application/*+json"),
        INLAY_STR("application/*+xml"),
        INLAY_STR("image/svg+xml"),
    };

    *config = (struct inlay_server_config){
        .io_threads = 1,
        .date_header = true,
        .server_header = true,
        .proxy_headers = true,
        .static_index = INLAY_STR("index.html"),
        .static_max_age = -1,
        .form_folder = INLAY_STR("/tmp"),
        .compress_types = {types, inlay_array_size(types)},
        .compress_min_size = 1024,
        .docs = true,
        .websockets = true,
        .ws_per_message_deflate = true,
        .metrics_fd = -1,
        .metrics_requests = true,
    };
    inlay_limits_default(&config->limits);
}
