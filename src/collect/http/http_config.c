/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/http/http_config.h"

#include <stdio.h>

#define SECRET_FILE_MAX ((size_t)1 << 20)

#define STR_FIELD(type, name)                                                                      \
    {                                                                                              \
#name, YAML_T_STR, .offset = offsetof(type, name)                                          \
    }
#define SECRET_FIELD(type, name)                                                                   \
    {                                                                                              \
#name, YAML_T_SECRET, .offset = offsetof(type, name)                                       \
    }

/* The two exclude each other. */
static void check_pair(struct yaml_binder *b, const struct yaml_node *node, struct str first,
                       struct str second, const char *names)
{
    if (first.len && second.len) {
        yaml_bind_error(b, node, "at most one of %s must be configured", names);
    }
}

static void check_basic_auth(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct basic_auth_config *c = obj;
    check_pair(b, node, c->username, c->username_file, "basic_auth username & username_file");
    check_pair(b, node, c->password, c->password_file, "basic_auth password & password_file");
}

static void check_authorization(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct authorization_config *c = obj;
    check_pair(b, node, c->credentials, c->credentials_file,
               "authorization credentials & credentials_file");
    if (str_eq_nocase(str_trim(c->type), STR("basic"))) {
        yaml_bind_error(
            b, node, "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    }
}

static bool is_tls_version(struct str s)
{
    return s.len == 0 || str_eq(s, STR("TLS10")) || str_eq(s, STR("TLS11")) ||
           str_eq(s, STR("TLS12")) || str_eq(s, STR("TLS13"));
}

static void check_tls(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct tls_client_config *c = obj;
    bool has_cert = c->cert.len || c->cert_file.len, has_key = c->key.len || c->key_file.len;
    check_pair(b, node, c->ca, c->ca_file, "ca & ca_file");
    check_pair(b, node, c->cert, c->cert_file, "cert & cert_file");
    check_pair(b, node, c->key, c->key_file, "key & key_file");
    if (has_cert != has_key) {
        yaml_bind_error(
            b, node, "exactly one of %s must be configured when a client %s is configured",
            has_cert ? "key or key_file" : "cert or cert_file", has_cert ? "certificate" : "key");
    }
    if (!is_tls_version(c->min_version) || !is_tls_version(c->max_version)) {
        yaml_bind_error(b, node, "unknown TLS version: TLS10, TLS11, TLS12 or TLS13");
    }
    if (c->max_version.len && !str_eq(c->max_version, STR("TLS13"))) {
        yaml_bind_warn(b, yaml_get_key(node, STR("max_version")), "max_version has no effect");
    }
}

static const struct yaml_field BASIC_AUTH_FIELDS[] = {
    STR_FIELD(struct basic_auth_config, username),
    STR_FIELD(struct basic_auth_config, username_file),
    SECRET_FIELD(struct basic_auth_config, password),
    STR_FIELD(struct basic_auth_config, password_file),
};
static const struct yaml_schema BASIC_AUTH =
    YAML_SCHEMA(struct basic_auth_config, BASIC_AUTH_FIELDS, .check = check_basic_auth);

static const struct yaml_field AUTHORIZATION_FIELDS[] = {
    { "type", YAML_T_STR, .offset = offsetof(struct authorization_config, type),
      .default_text = "Bearer" },
    SECRET_FIELD(struct authorization_config, credentials),
    STR_FIELD(struct authorization_config, credentials_file),
};
static const struct yaml_schema AUTHORIZATION =
    YAML_SCHEMA(struct authorization_config, AUTHORIZATION_FIELDS, .check = check_authorization);

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
static const struct yaml_schema TLS =
    YAML_SCHEMA(struct tls_client_config, TLS_FIELDS, .check = check_tls);

static void check_http_config(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct http_config *c = obj;
    bool has_bearer = c->bearer_token.len || c->bearer_token_file.len;
    check_pair(b, node, c->bearer_token, c->bearer_token_file, "bearer_token & bearer_token_file");
    if ((c->basic_auth != NULL) + (c->authorization != NULL) + has_bearer > 1) {
        yaml_bind_error(b, node,
                        "at most one of basic_auth, authorization and bearer_token may be set");
    }
}

static const struct yaml_field HTTP_FIELDS[] = {
    { "basic_auth", YAML_T_STRUCT_PTR, .offset = offsetof(struct http_config, basic_auth),
      .schema = &BASIC_AUTH },
    { "authorization", YAML_T_STRUCT_PTR, .offset = offsetof(struct http_config, authorization),
      .schema = &AUTHORIZATION },
    { "oauth2", YAML_T_UNUSED, .note = "is not supported yet: requests go without a token" },
    { "tls_config", YAML_T_STRUCT_PTR, .offset = offsetof(struct http_config, tls_config),
      .schema = &TLS },
    SECRET_FIELD(struct http_config, bearer_token),
    STR_FIELD(struct http_config, bearer_token_file),
    { "follow_redirects", YAML_T_BOOL, .offset = offsetof(struct http_config, follow_redirects),
      .default_text = "true" },
    { "enable_http2", YAML_T_BOOL, .offset = offsetof(struct http_config, enable_http2),
      .default_text = "true" },
    { "proxy_url", YAML_T_URL, .offset = offsetof(struct http_config, proxy_url) },
    { "no_proxy", YAML_T_STR, .offset = offsetof(struct http_config, no_proxy),
      .note = "has no effect yet" },
    { "proxy_from_environment", YAML_T_BOOL,
      .offset = offsetof(struct http_config, proxy_from_environment) },
    { "proxy_connect_header", YAML_T_UNUSED, .note = "has no effect" },
    { "http_headers", YAML_T_UNUSED, .note = "has no effect yet" },
};
const struct yaml_schema HTTP_CONFIG =
    YAML_SCHEMA(struct http_config, HTTP_FIELDS, .check = check_http_config,
                .docs = "configuration.md#http_config");

/* `text` itself, or the trimmed content of `file` when that is set. */
struct source {
    const struct http_config_files *files;
    struct arena *a;
    struct err *err;
};

static enum err_code text_or_file(const struct source *from, struct str text, struct str file,
                                  struct str *out)
{
    char path[FILE_PATH_SIZE];
    struct bytes content = { NULL, 0 };
    struct arena *a = from->a;
    struct err *err = from->err, why = { 0 };
    if (file.len == 0) {
        *out = text;
        return ERR_OK;
    }
    struct str base = file.ptr[0] == '/' ? (struct str){ "", 0 } : from->files->base_dir;
    int n = snprintf(path, sizeof path, STR_FMT "%s" STR_FMT, STR_ARG(base), base.len ? "/" : "",
                     STR_ARG(file));
    if (n < 0 || n >= (int)sizeof path) return err_set(err, ERR_LIMIT, "the path is too long");
    enum err_code rc =
        file_read_all(from->files->layer, path, a->mem, SECRET_FILE_MAX, &content, &why);
    if (rc != ERR_OK) {
        char text_of[256];
        err_text(&why, text_of, sizeof text_of);
        return err_setf(err, rc, "http config", "unable to read %s: %s", path, text_of);
    }
    struct str trimmed = str_trim(str_of_bytes(content));
    struct str copy = arena_str(a, trimmed);
    a->mem->free(a->mem->ctx, (void *)(uintptr_t)content.ptr, content.len);
    if (trimmed.len && !copy.ptr) return err_set(err, ERR_NOMEM, "no memory for a secret");
    *out = copy;
    return ERR_OK;
}

static enum err_code apply_tls(const struct source *from, const struct tls_client_config *c,
                               struct http_call_options *out)
{
    struct http_client_tls *tls = arena_new(from->a, struct http_client_tls);
    if (!tls) return err_set(from->err, ERR_NOMEM, "no memory for TLS options");
    TRY(text_or_file(from, c->ca, c->ca_file, &tls->ca_pem));
    TRY(text_or_file(from, c->cert, c->cert_file, &tls->certificate_pem));
    TRY(text_or_file(from, c->key, c->key_file, &tls->key_pem));
    tls->server_name = c->server_name;
    tls->insecure_skip_verify = c->insecure_skip_verify;
    tls->is_tls13_only = str_eq(c->min_version, STR("TLS13"));
    out->tls = tls;
    return ERR_OK;
}

/* Bearer tokens are the client's business; any other type is a header of ours. */
static enum err_code apply_authorization(const struct source *from,
                                         const struct authorization_config *c,
                                         struct http_call_options *out)
{
    struct str credentials, type = str_trim(c->type);
    TRY(text_or_file(from, c->credentials, c->credentials_file, &credentials));
    if (str_eq_nocase(type, STR("bearer"))) {
        out->bearer_token = credentials;
        return ERR_OK;
    }
    struct http_header *headers =
        arena_array(from->a, struct http_header, (size_t)out->header_count + 1);
    struct str value = (struct str){ arena_alloc_raw(from->a, type.len + credentials.len + 1, 1, 1),
                                     type.len + 1 + credentials.len };
    if (!headers || !value.ptr) return err_set(from->err, ERR_NOMEM, "no memory for a header");
    char *text = (char *)(uintptr_t)value.ptr;
    memcpy(text, type.ptr, type.len);
    text[type.len] = ' ';
    if (credentials.len) memcpy(text + type.len + 1, credentials.ptr, credentials.len);
    for (uint32_t i = 0; i < out->header_count; i++)
        headers[i] = out->headers[i];
    headers[out->header_count] = (struct http_header){ STR("Authorization"), value };
    out->headers = headers;
    out->header_count++;
    return ERR_OK;
}

enum err_code http_config_apply(const struct http_config *config,
                                const struct http_config_files *files, struct arena *a,
                                struct http_call_options *out, struct err *err)
{
    const struct source from = { files, a, err };
    const struct basic_auth_config *basic = config->basic_auth;
    out->follow_redirects = config->follow_redirects;
    out->proxy_url = config->proxy_url;
    out->proxy_from_environment = config->proxy_from_environment;
    if (basic) {
        TRY(text_or_file(&from, basic->username, basic->username_file, &out->basic_user));
        TRY(text_or_file(&from, basic->password, basic->password_file, &out->basic_password));
    }
    if (config->authorization) {
        TRY(apply_authorization(&from, config->authorization, out));
    } else {
        TRY(text_or_file(&from, config->bearer_token, config->bearer_token_file,
                         &out->bearer_token));
    }
    return config->tls_config ? apply_tls(&from, config->tls_config, out) : ERR_OK;
}
