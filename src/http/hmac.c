#include "http/hmac.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/banned.h"

int inlay_hmac_sha256(struct inlay_str key,
                      struct inlay_str text,
                      uint8_t ret[INLAY_HMAC_SIZE])
{
    unsigned len = 0;

    if (key.len > INT_MAX)
        return -1;
    /* A NULL key would mean the one of the call before. */
    const char *bytes = key.len ? key.ptr : "";
    if (!HMAC(EVP_sha256(), bytes, (int)key.len,
              (const unsigned char *)text.ptr, text.len, ret, &len))
        return -1;
    return len == INLAY_HMAC_SIZE ? 0 : -1;
}

bool inlay_secret_equal(struct inlay_str given, struct inlay_str secret)
{
    volatile unsigned char differs = given.len != secret.len;
    /* Bytes to compare with, when the secret has fewer. */
    const char *other = given.len == secret.len ? secret.ptr : given.ptr;

    for (size_t i = 0; i < given.len; i++)
        differs |= (unsigned char)(given.ptr[i] ^ other[i]);
    return differs == 0;
}
