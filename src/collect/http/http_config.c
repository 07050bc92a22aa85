/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/http/http_config.h"

#define SECRET_FILE_MAX ((size_t)1 << 20)

#define STR_FIELD(type, name)                                                                      \
    {                                                                                              \
#name, YAML_T_STR, .offset = offsetof(type, name)                                          \
    }
#define SECRET_FIELD(type, name)                                                                   \
    {                                                                                              \
#name, YAML_T_SECRET, .offset = offsetof(type, name)                                       \
    }

static const struct yaml_field BASIC_AUTH_FIELDS[] = {
    STR_FIELD(struct basic_auth_config, username),
    STR_FIELD(struct basic_auth_config, username_file),
    SECRET_FIELD(struct basic_auth_config, password),
    STR_FIELD(struct basic_auth_config, password_file),
};
static const struct yaml_schema BASIC_AUTH =
    YAML_SCHEMA(struct basic_auth_config, BASIC_AUTH_FIELDS);

static const struct yaml_field AUTHORIZATION_FIELDS[] = {
    { "type", YAML_T_STR, .offset = offsetof(struct authorization_config, type),
      .default_text = "Bearer" },
    SECRET_FIELD(struct authorization_config, credentials),
    STR_FIELD(struct authorization_config, credentials_file),
};
static const struct yaml_schema AUTHORIZATION =
    YAML_SCHEMA(struct authorization_config, AUTHORIZATION_FIELDS);

static const struct yaml_field TLS_FIELDS[] = {
    STR_FIELD(struct tls_client_config, ca),
    STR_FIELD(struct tls_client_config, ca_file),
    STR_FIELD(struct tls_client_config, cert),
    STR_FIELD(struct tls_client_config, cert_file),
    SECRET_FIELD(struct tls_client_config, key),
    STR_FIELD(struct tls_client_config, key_file),
    STR_FIELD(struct tls_client_config, server_name),
    { "insecure_skip_verify", YAML_T_BOOL,
      .offset = offsetof(struct tls_client_config, insecure_skip_verify) },
    STR_FIELD(struct tls_client_config, min_version),
    STR_FIELD(struct tls_client_config, max_version),
};
static const struct yaml_schema TLS = YAML_SCHEMA(struct tls_client_config, TLS_FIELDS);

static void check_http_config(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct http_config *c = obj;
    bool has_bearer = c->bearer_token.len || c->bearer_token_file.len;
    if ((c->basic_auth != NULL) + (c->authorization != NULL) + has_bearer > 1) {
        yaml_bind_error(b, node,
                        "at most one of basic_auth, authorization and bearer_token may be set");
    }
    if (c->basic_auth && c->basic_auth->password.len && c->basic_auth->password_file.len) {
        yaml_bind_error(b, node,
                        "at most one of basic_auth password & password_file must be configured");
    }
}

static const struct yaml_field HTTP_FIELDS[] = {
    { "basic_auth", YAML_T_STRUCT_PTR, .offset = offsetof(struct http_config, basic_auth),
      .schema = &BASIC_AUTH },
    { "authorization", YAML_T_STRUCT_PTR, .offset = offsetof(struct http_config, authorization),
      .schema = &AUTHORIZATION },
    { "oauth2", YAML_T_UNUSED, .note = "oauth2 is not supported: requests go without a token" },
    { "tls_config", YAML_T_STRUCT_PTR, .offset = offsetof(struct http_config, tls_config),
      .schema = &TLS },
    SECRET_FIELD(struct http_config, bearer_token),
    STR_FIELD(struct http_config, bearer_token_file),
    { "follow_redirects", YAML_T_BOOL, .offset = offsetof(struct http_config, follow_redirects),
      .default_text = "true" },
    { "enable_http2", YAML_T_BOOL, .offset = offsetof(struct http_config, enable_http2),
      .default_text = "true" },
    { "proxy_url", YAML_T_URL, .offset = offsetof(struct http_config, proxy_url) },
    STR_FIELD(struct http_config, no_proxy),
    { "proxy_from_environment", YAML_T_BOOL,
      .offset = offsetof(struct http_config, proxy_from_environment) },
    { "proxy_connect_header", YAML_T_UNUSED, .note = "proxy_connect_header has no effect" },
    { "http_headers", YAML_T_UNUSED, .note = "http_headers has no effect yet" },
};
const struct yaml_schema HTTP_CONFIG =
    YAML_SCHEMA(struct http_config, HTTP_FIELDS, .check = check_http_config,
                .docs = "configuration.md#http_config");

/* `text` itself, or the trimmed content of `file` when that is set. */
static enum err_code text_or_file(const struct file_layer *files, struct arena *a, struct str text,
                                  struct str file, struct str *out, struct err *err)
{
    char path[FILE_PATH_SIZE];
    struct bytes content = { NULL, 0 };
    if (file.len == 0) {
        *out = text;
        return ERR_OK;
    }
    TRY(file_read_all(files, str_z(file, path, sizeof path), a->mem, SECRET_FILE_MAX, &content,
                      err));
    struct str trimmed = str_trim(str_of_bytes(content));
    struct str copy = arena_str(a, trimmed);
    a->mem->free(a->mem->ctx, (void *)(uintptr_t)content.ptr, content.len);
    if (trimmed.len && !copy.ptr) return err_set(err, ERR_NOMEM, "no memory for a secret");
    *out = copy;
    return ERR_OK;
}

static enum err_code apply_tls(const struct tls_client_config *c, const struct file_layer *files,
                               struct arena *a, struct http_call_options *out, struct err *err)
{
    struct http_client_tls *tls = arena_new(a, struct http_client_tls);
    if (!tls) return err_set(err, ERR_NOMEM, "no memory for TLS options");
    TRY(text_or_file(files, a, c->ca, c->ca_file, &tls->ca_pem, err));
    TRY(text_or_file(files, a, c->cert, c->cert_file, &tls->certificate_pem, err));
    TRY(text_or_file(files, a, c->key, c->key_file, &tls->key_pem, err));
    tls->server_name = c->server_name;
    tls->insecure_skip_verify = c->insecure_skip_verify;
    tls->is_tls13_only = str_eq(c->min_version, STR("TLS13"));
    out->tls = tls;
    return ERR_OK;
}

enum err_code http_config_apply(const struct http_config *config, const struct file_layer *files,
                                struct arena *a, struct http_call_options *out, struct err *err)
{
    const struct basic_auth_config *basic = config->basic_auth;
    const struct authorization_config *authorization = config->authorization;
    out->follow_redirects = config->follow_redirects;
    out->proxy_url = config->proxy_url;
    out->proxy_from_environment = config->proxy_from_environment;
    if (basic) {
        TRY(text_or_file(files, a, basic->username, basic->username_file, &out->basic_user, err));
        TRY(text_or_file(files, a, basic->password, basic->password_file, &out->basic_password,
                         err));
    }
    if (authorization) {
        TRY(text_or_file(files, a, authorization->credentials, authorization->credentials_file,
                         &out->bearer_token, err));
    } else if (config->bearer_token.len || config->bearer_token_file.len) {
        TRY(text_or_file(files, a, config->bearer_token, config->bearer_token_file,
                         &out->bearer_token, err));
    }
    return config->tls_config ? apply_tls(config->tls_config, files, a, out, err) : ERR_OK;
}
