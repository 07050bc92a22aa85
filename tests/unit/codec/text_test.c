/* SPDX-License-Identifier: Apache-2.0
 *
 * hex, base64, URLs and digests.
 */
#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/hex.h"
#include "codec/url.h"
#include "codec_test.h"

static void assert_hex(const uint8_t *digest, size_t size, const char *want)
{
    char text[64];
    hex_encode((struct bytes){ digest, size }, text);
    ck_assert_str_is(((struct str){ text, 2 * size }), want);
}

START_TEST(digests_of_published_vectors)
{
    uint8_t out[SHA256_SIZE];
    ck_assert_int_eq(md5(bytes_of_z(""), out, &T.err), ERR_OK);
    assert_hex(out, MD5_SIZE, "d41d8cd98f00b204e9800998ecf8427e");
    ck_assert_int_eq(md5(bytes_of_z("message digest"), out, &T.err), ERR_OK);
    assert_hex(out, MD5_SIZE, "f96b697d7cb7938d525a2f31aaf161d0"); /* RFC 1321 */
    ck_assert_int_eq(sha256(bytes_of_z("abc"), out, &T.err), ERR_OK);
    assert_hex(out, SHA256_SIZE,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_int_eq(
        hmac_sha256(bytes_of_z("Jefe"), bytes_of_z("what do ya want for nothing?"), out, &T.err),
        ERR_OK);
    assert_hex(out, SHA256_SIZE, /* RFC 4231, case 2 */
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    ck_assert_int_eq(hmac_sha256((struct bytes){ NULL, 0 }, (struct bytes){ NULL, 0 }, out, &T.err),
                     ERR_OK);
    ck_assert(digest_equal(bytes_of_z("abc"), bytes_of_z("abc")));
    ck_assert(!digest_equal(bytes_of_z("abc"), bytes_of_z("abd")));
    ck_assert(!digest_equal(bytes_of_z("abc"), bytes_of_z("ab")));
    ck_assert(digest_equal((struct bytes){ NULL, 0 }, (struct bytes){ NULL, 0 }));
}
END_TEST

static const struct {
    const char *plain, *std, *url;
} BASE64[] = {
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" }, /* RFC 4648 section 10 */
    { "\xfb\xff\xbf", "+/+/", "-_-_" },
};

START_TEST(base64_of_the_rfc)
{
    uint8_t out[16];
    size_t len = 99;
    struct str plain = str_of_z(BASE64[_i].plain);
    base64_encode(bytes_of_str(plain), BASE64_STD, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), BASE64[_i].std);
    buf_reset(&T.buf);
    base64_encode(bytes_of_str(plain), BASE64_URL, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), BASE64[_i].url);
    ck_assert(base64_decode(str_of_z(BASE64[_i].std), out, &len));
    ck_assert(str_eq((struct str){ (char *)out, len }, plain));
    ck_assert(base64_decode(str_of_z(BASE64[_i].url), out, &len));
    ck_assert(str_eq((struct str){ (char *)out, len }, plain));
}
END_TEST

START_TEST(base64_refuses)
{
    static const char *const bad[] = { "Z",    "Zg=",  "Zh==", "Zm9=", "Zg==Zg==", "Zm 9",
                                       "====", "Z===", "=",    "Zg\n", "Zm9v=" };
    uint8_t out[16];
    size_t len;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!base64_decode(str_of_z(bad[i]), out, &len), "%s", bad[i]);
}
END_TEST

START_TEST(url_escapes_go_both_ways)
{
    struct str out;
    ck_assert_int_eq(url_decode(STR("a%20b+c%2Fd"), URL_PATH, &T.arena, &out, &T.err), ERR_OK);
    ck_assert_str_is(out, "a b+c/d");
    ck_assert_int_eq(url_decode(STR("a%20b+c"), URL_QUERY, &T.arena, &out, &T.err), ERR_OK);
    ck_assert_str_is(out, "a b c");
    url_encode(STR("a b/c+d\xc3\xa9~&="), URL_QUERY, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "a+b%2Fc%2Bd%C3%A9~%26%3D");
    buf_reset(&T.buf);
    url_encode(STR("a b/c+d&="), URL_PATH, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "a%20b%2Fc+d&=");
    struct str plain = STR("unchanged");
    ck_assert_int_eq(url_decode(plain, URL_QUERY, &T.arena, &out, &T.err), ERR_OK);
    ck_assert_ptr_eq(out.ptr, plain.ptr);
}
END_TEST

START_TEST(bad_url_escape_is_named_as_go_does)
{
    static const struct {
        const char *in, *detail;
    } cases[] = { { "a%zzb", "invalid URL escape \"%zz\"" },
                  { "%", "invalid URL escape \"%\"" },
                  { "%4", "invalid URL escape \"%4\"" },
                  { "%4g", "invalid URL escape \"%4g\"" } };
    for (size_t i = 0; i < 4; i++) {
        struct str out;
        ck_assert_int_eq(url_decode(str_of_z(cases[i].in), URL_PATH, &T.arena, &out, &T.err),
                         ERR_INVALID);
        ck_assert_str_eq(T.err.detail, cases[i].detail);
    }
}
END_TEST

START_TEST(query_parameters_in_order)
{
    struct url_query q =
        url_query_of(STR("&query=up%7Ba%3D%22b%22%7D&&x=1&x=2=3&flag&=v&"), &T.arena);
    static const char *const want[][2] = {
        { "query", "up{a=\"b\"}" }, { "x", "1" }, { "x", "2=3" }, { "flag", "" }, { "", "v" }
    };
    struct str key, value;
    size_t n = 0;
    for (; url_query_next(&q, &key, &value); n++) {
        ck_assert_uint_lt(n, 5);
        ck_assert_str_is(key, want[n][0]);
        ck_assert_str_is(value, want[n][1]);
    }
    ck_assert_uint_eq(n, 5);
    ck_assert_int_eq(url_query_finish(&q, &T.err), ERR_OK);
    q = url_query_of((struct str){ NULL, 0 }, &T.arena);
    ck_assert(!url_query_next(&q, &key, &value));
}
END_TEST

START_TEST(bad_query_is_refused)
{
    struct str key, value;
    struct url_query q = url_query_of(STR("a=1;b=2"), &T.arena);
    ck_assert(!url_query_next(&q, &key, &value));
    ck_assert_int_eq(url_query_finish(&q, &T.err), ERR_INVALID);
    ck_assert_str_eq(T.err.detail, "invalid semicolon separator in query");
    q = url_query_of(STR("a=%q1"), &T.arena);
    ck_assert(!url_query_next(&q, &key, &value));
    ck_assert_int_eq(url_query_finish(&q, &T.err), ERR_INVALID);
    char *many = arena_alloc(&T.arena, 2, URL_QUERY_PARAMS_MAX + 1, 1);
    ck_assert_ptr_nonnull(many);
    for (size_t i = 0; i <= URL_QUERY_PARAMS_MAX; i++)
        memcpy(many + 2 * i, "a&", 2);
    q = url_query_of((struct str){ many, 2 * (URL_QUERY_PARAMS_MAX + 1) }, &T.arena);
    while (url_query_next(&q, &key, &value)) {}
    ck_assert_int_eq(url_query_finish(&q, &T.err), ERR_LIMIT);
}
END_TEST

static const struct {
    const char *in, *scheme, *userinfo, *host;
    uint16_t port;
    const char *path, *query, *fragment;
} URLS[] = {
    { "http://localhost:9090/metrics?a=b#f", "http", "", "localhost", 9090, "/metrics", "a=b",
      "f" },
    { "https://u:p@example.com", "https", "u:p", "example.com", 0, "", "", "" },
    { "https://u:p@ss@example.com/", "https", "u:p@ss", "example.com", 0, "/", "", "" },
    { "http://[::1]:80/x", "http", "", "::1", 80, "/x", "", "" },
    { "http://[fe80::1]", "http", "", "fe80::1", 0, "", "", "" },
    { "http://h:/", "http", "", "h", 0, "/", "", "" },
    { "http://h?q", "http", "", "h", 0, "", "q", "" },
    { "unix+http://a_b.c/", "unix+http", "", "a_b.c", 0, "/", "", "" },
};

START_TEST(url_is_taken_apart)
{
    struct url u;
    ck_assert_int_eq(url_parse(str_of_z(URLS[_i].in), &u, &T.err), ERR_OK);
    ck_assert_str_is(u.scheme, URLS[_i].scheme);
    ck_assert_str_is(u.userinfo, URLS[_i].userinfo);
    ck_assert_str_is(u.host, URLS[_i].host);
    ck_assert_uint_eq(u.port, URLS[_i].port);
    ck_assert_str_is(u.path, URLS[_i].path);
    ck_assert_str_is(u.query, URLS[_i].query);
    ck_assert_str_is(u.fragment, URLS[_i].fragment);
}
END_TEST

START_TEST(no_url_is_refused)
{
    static const char *const bad[] = { "",
                                       "localhost:9090",
                                       "/path",
                                       "http:/x",
                                       "http://",
                                       "http://:80",
                                       "1http://x",
                                       "http://h:0/",
                                       "http://h:65536/",
                                       "http://h:8a/",
                                       "http://[::1/",
                                       "http://[]/",
                                       "http://[::1]x/",
                                       "http://a b/",
                                       "http://h/\n",
                                       "http://h<x>/" };
    struct url u;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(url_parse(str_of_z(bad[i]), &u, &T.err) == ERR_INVALID, "%s", bad[i]);
}
END_TEST

START_TEST(password_is_masked)
{
    url_put_redacted(STR("https://user:secret@h/p"), &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "https://user:xxxxx@h/p");
    buf_reset(&T.buf);
    url_put_redacted(STR("https://user@h/p"), &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "https://user@h/p");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = codec_case(suite, "text");
    tcase_add_test(tc, digests_of_published_vectors);
    tcase_add_loop_test(tc, base64_of_the_rfc, 0, sizeof BASE64 / sizeof BASE64[0]);
    tcase_add_test(tc, base64_refuses);
    tcase_add_test(tc, url_escapes_go_both_ways);
    tcase_add_test(tc, bad_url_escape_is_named_as_go_does);
    tcase_add_test(tc, query_parameters_in_order);
    tcase_add_test(tc, bad_query_is_refused);
    tcase_add_loop_test(tc, url_is_taken_apart, 0, sizeof URLS / sizeof URLS[0]);
    tcase_add_test(tc, no_url_is_refused);
    tcase_add_test(tc, password_is_masked);
    return codec_run(suite);
}
