/* api_auth.c - who says that he is who. */
#include "load/api.h"

#include "base/banned.h"

bool inlay_api_bearer(struct inlay_str authorization,
                      struct inlay_str *token_ret)
{
    (void)authorization;
    (void)token_ret;
    return false;
}

bool inlay_api_basic(struct inlay_str authorization,
                     struct inlay_str *user_ret,
                     struct inlay_str *password_ret)
{
    (void)authorization;
    (void)user_ret;
    (void)password_ret;
    return false;
}

bool inlay_api_equal(struct inlay_str left, struct inlay_str right)
{
    (void)left;
    (void)right;
    return false;
}

struct inlay_str inlay_api_sign(struct inlay_str key, struct inlay_str text)
{
    (void)key;
    (void)text;
    return inlay_str_make(NULL, 0);
}

bool inlay_api_verify(struct inlay_str key,
                      struct inlay_str signed_text,
                      uint32_t max_age,
                      struct inlay_str *text_ret)
{
    (void)key;
    (void)signed_text;
    (void)max_age;
    (void)text_ret;
    return false;
}
