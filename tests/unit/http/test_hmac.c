/* HMAC-SHA256: vectors of RFC 4231; comparing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/hmac.h"

#include "base/banned.h"

static void same(struct inlay_str key, struct inlay_str text, const char *hex)
{
    uint8_t digest[INLAY_HMAC_SIZE];
    char made[2 * INLAY_HMAC_SIZE + 1];

    assert_int_equal(inlay_hmac_sha256(key, text, digest), 0);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(made + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(made, hex);
}

static void rfc_4231(void **state)
{
    char key[131], data[50];

    (void)state;
    memset(key, 0x0b, 20);
    same(inlay_str_make(key, 20), INLAY_STR("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b"
         "881dc200c9833da726e9376c2e32cff7");
    same(INLAY_STR("Jefe"), INLAY_STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c7"
         "5a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    same(inlay_str_make(key, 20), inlay_str_make(data, 50),
         "773ea91e36800e46854db8ebd09181a7"
         "2959098b3ef8c122d9635514ced565fe");
    same(inlay_str_make(key, 131),
         INLAY_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f"
         "8e0bc6213728c5140546040f0ee37f54");
    same(inlay_str_make(NULL, 0), inlay_str_make(NULL, 0),
         "b613679a0814d9ec772f95d778c35fc5"
         "ff1697c493715653c6c712144292c5ad");
}

static void equal(void **state)
{
    (void)state;
    assert_true(inlay_secret_equal(INLAY_STR("secret"), INLAY_STR("secret")));
    assert_false(inlay_secret_equal(INLAY_STR("secret"), INLAY_STR("secreT")));
    assert_false(inlay_secret_equal(INLAY_STR("xecret"), INLAY_STR("secret")));
    assert_false(inlay_secret_equal(INLAY_STR("secre"), INLAY_STR("secret")));
    assert_false(inlay_secret_equal(INLAY_STR("secrets"), INLAY_STR("secret")));
    assert_false(inlay_secret_equal(INLAY_STR("x"), inlay_str_make(NULL, 0)));
    assert_false(inlay_secret_equal(inlay_str_make(NULL, 0), INLAY_STR("x")));
    assert_true(inlay_secret_equal(inlay_str_make(NULL, 0), INLAY_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_4231),
        cmocka_unit_test(equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
