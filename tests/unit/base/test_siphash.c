/* SipHash-2-4: the vectors of its authors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

#include "base/banned.h"

/* Appendix A of the paper, and the first of vectors.h of the reference code:
 * the key is 00 01 … 0f, the text 00 01 … of that length. */
static void vectors(void **state)
{
    static const struct inlay_siphash hash = {
        {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    unsigned char text[15];

    (void)state;
    for (unsigned char i = 0; i < sizeof(text); i++)
        text[i] = i;
    assert_true(inlay_siphash_of(&hash, text, 0) ==
                UINT64_C(0x726fdb47dd0e0e31));
    assert_true(inlay_siphash_of(&hash, text, 1) ==
                UINT64_C(0x74f839c593dc67fd));
    assert_true(inlay_siphash_of(&hash, text, 8) ==
                UINT64_C(0x93f5f5799a932462));
    assert_true(inlay_siphash_of(&hash, text, 15) ==
                UINT64_C(0xa129ca6149be45e5));
}

static void seeds_differ(void **state)
{
    struct inlay_siphash one, other;

    (void)state;
    assert_int_equal(inlay_siphash_init(&one), 0);
    assert_int_equal(inlay_siphash_init(&other), 0);
    assert_true(inlay_siphash_of(&one, "a", 1) !=
                inlay_siphash_of(&other, "a", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(seeds_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
