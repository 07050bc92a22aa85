/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/http/http_config.h"

#include <check.h>

#include "os/file_fault.h"

static struct mem_budget *budget;
static struct arena arena;
static struct file_fault *disk;
static struct http_config_files files;
static struct http_config config;
static struct http_call_options options;
static struct yaml_diags diags;
static struct err error;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_SCRAPE), 16u << 20);
    disk = file_fault_create(1);
    files = (struct http_config_files){ file_fault_layer(disk), STR("etc") };
    options = (struct http_call_options){ 0 };
    error = (struct err){ 0 };
    ck_assert_int_eq(file_mkdirs(files.layer, "etc", NULL), ERR_OK);
}

static void tear_down(void)
{
    arena_deinit(&arena);
    file_fault_destroy(disk);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

/* Bind `text`; true when it is good. */
static bool bind(const char *text)
{
    struct yaml_doc doc;
    struct yaml_env env = { .budget = budget };
    struct yaml_binder *b = arena_new(&arena, struct yaml_binder);
    ck_assert_ptr_nonnull(b);
    yaml_diags_init(&diags, &arena);
    ck_assert_int_eq(yaml_parse(STR("t.yml"), str_of_z(text), &arena, &diags, &doc), ERR_OK);
    yaml_binder_init(b, &doc, &arena, &diags, &env);
    return yaml_bind(b, &HTTP_CONFIG, &config) == ERR_OK;
}

static enum err_code apply(const char *text)
{
    ck_assert(bind(text));
    return http_config_apply(&config, &files, &arena, &options, &error);
}

static void put(const char *path, const char *text)
{
    ck_assert_int_eq(file_write_atomic(files.layer, path, bytes_of_str(str_of_z(text)), NULL),
                     ERR_OK);
}

START_TEST(defaults_follow_redirects_and_send_nothing)
{
    ck_assert_int_eq(apply("{}"), ERR_OK);
    ck_assert(options.follow_redirects);
    ck_assert_uint_eq(options.basic_user.len + options.bearer_token.len + options.header_count, 0);
    ck_assert_ptr_null(options.tls);
}
END_TEST

START_TEST(secrets_come_from_files_beside_the_configuration)
{
    put("etc/user", "bob\n");
    put("etc/secret", "  s3cret \n");
    ck_assert_int_eq(apply("basic_auth: {username_file: user, password_file: secret}"), ERR_OK);
    ck_assert(str_eq(options.basic_user, STR("bob")));
    ck_assert(str_eq(options.basic_password, STR("s3cret")));
    put("etc/secret", "rotated");
    ck_assert_int_eq(apply("basic_auth: {username: x, password_file: /etc/secret}"), ERR_OK);
    ck_assert(str_eq(options.basic_password, STR("rotated")));
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    ck_assert_int_eq(apply("authorization: {credentials_file: token}"), ERR_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(error.detail, "unable to read etc/token"));
}
END_TEST

START_TEST(bearer_tokens_and_other_types)
{
    ck_assert_int_eq(apply("authorization: {credentials: abc}"), ERR_OK);
    ck_assert(str_eq(options.bearer_token, STR("abc")));
    struct http_header accept = { STR("Accept"), STR("x") };
    options = (struct http_call_options){ .headers = &accept, .header_count = 1 };
    ck_assert_int_eq(apply("authorization: {type: Token, credentials: abc}"), ERR_OK);
    ck_assert_uint_eq(options.bearer_token.len, 0);
    ck_assert_uint_eq(options.header_count, 2);
    ck_assert(str_eq(options.headers[0].name, STR("Accept")));
    ck_assert(str_eq(options.headers[1].name, STR("Authorization")));
    ck_assert(str_eq(options.headers[1].value, STR("Token abc")));
    options = (struct http_call_options){ 0 };
    put("etc/token", "old-style\n");
    ck_assert_int_eq(apply("bearer_token_file: token"), ERR_OK);
    ck_assert(str_eq(options.bearer_token, STR("old-style")));
}
END_TEST

START_TEST(tls_options_are_read)
{
    put("etc/ca.pem", "CA");
    ck_assert_int_eq(apply("tls_config: {ca_file: ca.pem, cert: C, key: K, server_name: n, "
                           "insecure_skip_verify: true, min_version: TLS13}"),
                     ERR_OK);
    ck_assert(str_eq(options.tls->ca_pem, STR("CA")));
    ck_assert(str_eq(options.tls->certificate_pem, STR("C")));
    ck_assert(str_eq(options.tls->key_pem, STR("K")));
    ck_assert(str_eq(options.tls->server_name, STR("n")));
    ck_assert(options.tls->insecure_skip_verify && options.tls->is_tls13_only);
}
END_TEST

static const struct {
    const char *text, *message;
} WRONG[] = {
    { "basic_auth: {password: a, password_file: b}",
      "at most one of basic_auth password & password_file must be configured" },
    { "basic_auth: {username: a, username_file: b}",
      "at most one of basic_auth username & username_file must be configured" },
    { "bearer_token: a\nbearer_token_file: b", "at most one of bearer_token & bearer_token_file" },
    { "basic_auth: {username: a}\nauthorization: {credentials: b}", "at most one of basic_auth" },
    { "authorization: {type: Basic, credentials: b}", "use \"basic_auth\" instead" },
    { "authorization: {credentials: a, credentials_file: b}", "credentials & credentials_file" },
    { "tls_config: {ca: a, ca_file: b}", "at most one of ca & ca_file" },
    { "tls_config: {cert: a}", "exactly one of key or key_file" },
    { "tls_config: {key_file: a}", "exactly one of cert or cert_file" },
    { "tls_config: {min_version: SSL3}", "unknown TLS version" },
    { "proxy_url: 'no url'", "proxy_url" },
};

START_TEST(contradictions_are_errors)
{
    ck_assert_msg(!bind(WRONG[_i].text), "accepted: %s", WRONG[_i].text);
    struct buf text;
    buf_init(&text, mem_source_of(budget, MEM_SYSTEM), 1u << 16);
    yaml_diags_render(&diags, &text);
    bool has = str_find(buf_str(&text), str_of_z(WRONG[_i].message)) < text.len;
    ck_assert_msg(has, "%s: %.*s", WRONG[_i].text, (int)text.len, (const char *)text.ptr);
    buf_deinit(&text);
}
END_TEST

START_TEST(what_has_no_effect_is_a_warning)
{
    ck_assert(bind("oauth2: {client_id: a}\nno_proxy: b\nhttp_headers: {}\n"));
    ck_assert_uint_eq(diags.warning_count, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_config");
    TCase *tc = tcase_create("options");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, defaults_follow_redirects_and_send_nothing);
    tcase_add_test(tc, secrets_come_from_files_beside_the_configuration);
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_test(tc, bearer_tokens_and_other_types);
    tcase_add_test(tc, tls_options_are_read);
    tcase_add_loop_test(tc, contradictions_are_errors, 0, (int)(sizeof WRONG / sizeof WRONG[0]));
    tcase_add_test(tc, what_has_no_effect_is_a_warning);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
