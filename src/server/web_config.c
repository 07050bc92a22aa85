/* SPDX-License-Identifier: Apache-2.0 */
#include "server/web_config.h"

#include <string.h>

#include "base/cleanup.h"
#include "server/config_source.h"

#define WEB_CONFIG_BYTES_MAX ((size_t)16 << 20)
#define PEM_BYTES_MAX ((size_t)1 << 20)

/* ---- schema ---- */

enum { TLS10, TLS11, TLS12, TLS13 };
static const char *const VERSION_NAMES[] = { "TLS10", "TLS11", "TLS12", "TLS13", NULL };

enum { AUTH_NONE, AUTH_REQUEST, AUTH_REQUIRE_ANY, AUTH_VERIFY_IF_GIVEN, AUTH_REQUIRE_AND_VERIFY };
static const char *const AUTH_NAMES[] = { "NoClientCert",
                                          "RequestClientCert",
                                          "RequireAnyClientCert",
                                          "VerifyClientCertIfGiven",
                                          "RequireAndVerifyClientCert",
                                          NULL };

struct tls_server_config {
    struct str cert_file, key_file, client_ca_file;
    int client_auth, min_version, max_version;
};

struct web_config {
    struct tls_server_config *tls; /* NULL: no such section */
};

static void check_tls(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct tls_server_config *c = obj;
    bool verifies = c->client_auth >= AUTH_VERIFY_IF_GIVEN;
    if (c->client_auth == AUTH_REQUEST || c->client_auth == AUTH_REQUIRE_ANY) {
        yaml_bind_error(b, yaml_get(node, STR("client_auth_type")),
                        "certificates of clients are always verified: NoClientCert, "
                        "VerifyClientCertIfGiven or RequireAndVerifyClientCert");
    }
    if (verifies && c->client_ca_file.len == 0) {
        yaml_bind_error(b, node, "client_auth_type needs client_ca_file");
    }
    if (!verifies && c->client_ca_file.len) {
        yaml_bind_error(b, yaml_get(node, STR("client_ca_file")),
                        "client_ca_file needs a client_auth_type that verifies");
    }
    if (c->max_version < TLS12) {
        yaml_bind_error(b, yaml_get(node, STR("max_version")), "TLS below 1.2 is not served");
    }
    if (yaml_get(node, STR("min_version")) && c->min_version < TLS12) {
        yaml_bind_warn(b, yaml_get(node, STR("min_version")), "TLS below 1.2 is not served");
    }
    if (c->max_version == TLS12) {
        yaml_bind_warn(b, yaml_get(node, STR("max_version")),
                       "max_version has no effect: TLS 1.3 is served too");
    }
    if (yaml_get(node, STR("client_allowed_sans"))) {
        yaml_bind_error(b, yaml_get(node, STR("client_allowed_sans")),
                        "client_allowed_sans is not supported: names of clients would not be "
                        "checked");
    }
}

#define POLICY_NOTE "has no effect: suites and curves are those of OpenSSL with forward secrecy"

static const struct yaml_field TLS_FIELDS[] = {
    { "cert_file", YAML_T_STR, .offset = offsetof(struct tls_server_config, cert_file),
      .flags = YAML_F_REQUIRED | YAML_F_NOT_EMPTY },
    { "key_file", YAML_T_STR, .offset = offsetof(struct tls_server_config, key_file),
      .flags = YAML_F_REQUIRED | YAML_F_NOT_EMPTY },
    { "client_ca_file", YAML_T_STR, .offset = offsetof(struct tls_server_config, client_ca_file) },
    { "client_auth_type", YAML_T_ENUM, .offset = offsetof(struct tls_server_config, client_auth),
      .names = AUTH_NAMES, .default_text = "NoClientCert" },
    { "client_allowed_sans", YAML_T_UNUSED },
    { "min_version", YAML_T_ENUM, .offset = offsetof(struct tls_server_config, min_version),
      .names = VERSION_NAMES, .default_text = "TLS12" },
    { "max_version", YAML_T_ENUM, .offset = offsetof(struct tls_server_config, max_version),
      .names = VERSION_NAMES, .default_text = "TLS13" },
    { "cipher_suites", YAML_T_UNUSED, .note = POLICY_NOTE },
    { "prefer_server_cipher_suites", YAML_T_UNUSED, .note = POLICY_NOTE },
    { "curve_preferences", YAML_T_UNUSED, .note = POLICY_NOTE },
};
static const struct yaml_schema TLS_SERVER =
    YAML_SCHEMA(struct tls_server_config, TLS_FIELDS, .check = check_tls);

/* A server that seems to ask for passwords and does not is worse than one that does not start. */
static void check_web(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct yaml_node *users = yaml_get(node, STR("basic_auth_users"));
    (void)obj;
    if (!users || users->kind == YAML_NULL) return;
    yaml_bind_error(b, users,
                    "basic_auth_users is not supported yet: everybody would be let in without a "
                    "password");
}

static const struct yaml_field WEB_FIELDS[] = {
    { "tls_server_config", YAML_T_STRUCT_PTR, .offset = offsetof(struct web_config, tls),
      .schema = &TLS_SERVER },
    { "http_server_config", YAML_T_UNUSED, .note = "has no effect yet" },
    { "basic_auth_users", YAML_T_UNUSED },
    { "rate_limit", YAML_T_UNUSED, .note = "has no effect yet" },
};
static const struct yaml_schema WEB = YAML_SCHEMA(struct web_config, WEB_FIELDS, .check = check_web,
                                                  .docs = "configuration.md#web-configuration");

/* ---- certificates ---- */

/* Texts of PEM files, in memory that is wiped. */
struct pems {
    struct bytes certificate, key, client_ca;
};

static enum err_code read_pem(const struct config_place *place, struct str base_dir,
                              struct str file, struct bytes *out, struct err *err)
{
    char path[FILE_PATH_SIZE], dir[FILE_PATH_SIZE], name[FILE_PATH_SIZE];
    if (file.len == 0) return ERR_OK;
    str_z(file, name, sizeof name);
    str_z(base_dir, dir, sizeof dir);
    bool is_joined = name[0] != '/' && dir[0];
    if (is_joined) TRY(file_join(path, dir, name, err));
    return file_read_all(place->files, is_joined ? path : name,
                         mem_source_of(place->mem, MEM_SYSTEM), PEM_BYTES_MAX, out, err);
}

static void wipe(struct mem_budget *mem, struct bytes pem)
{
    const struct mem_source *source = mem_source_of(mem, MEM_SYSTEM);
    if (!pem.ptr) return;
    explicit_bzero((void *)(uintptr_t)pem.ptr, pem.len);
    source->free(source->ctx, (void *)(uintptr_t)pem.ptr, pem.len);
}

static enum err_code read_pems(const struct config_place *place, struct str base_dir,
                               const struct tls_server_config *c, struct pems *out, struct err *err)
{
    TRY(read_pem(place, base_dir, c->cert_file, &out->certificate, err));
    TRY(read_pem(place, base_dir, c->key_file, &out->key, err));
    return read_pem(place, base_dir, c->client_ca_file, &out->client_ca, err);
}

/* Create *tls, or give the one there is the new settings. */
static enum err_code use_pems(struct mem_budget *mem, const struct tls_server_config *c,
                              const struct pems *pems, struct tls_context **tls, struct err *err)
{
    struct tls_options options = {
        .certificate_pem = str_of_bytes(pems->certificate),
        .key_pem = str_of_bytes(pems->key),
        .client_ca_pem = str_of_bytes(pems->client_ca),
        .client_auth = c->client_auth == AUTH_REQUIRE_AND_VERIFY
                           ? TLS_CLIENT_AUTH_REQUIRE_AND_VERIFY
                       : c->client_auth == AUTH_VERIFY_IF_GIVEN ? TLS_CLIENT_AUTH_REQUEST
                                                                : TLS_CLIENT_AUTH_NONE,
        .is_tls13_only = c->min_version == TLS13,
    };
    return *tls ? tls_context_reload(*tls, &options, err)
                : tls_context_create(mem, &options, tls, err);
}

static enum err_code load(const struct config_place *place, const char *path, struct buf *diags,
                          bool is_reload, struct tls_context **tls, struct err *err)
{
    struct config_source source = { 0 };
    struct web_config config = { 0 };
    struct pems pems = { 0 };
    TRY(config_source_read(place, path, &source, err));
    TRY(config_source_bind(place, &source, &WEB, &config, diags, err));
    if (is_reload && !config.tls != !*tls) {
        return err_setf(err, ERR_INVALID, "web configuration",
                        "%s: to turn TLS on or off needs a restart", path);
    }
    if (!config.tls) return ERR_OK;
    enum err_code rc = read_pems(place, source.base_dir, config.tls, &pems, err);
    if (rc == ERR_OK) rc = use_pems(place->mem, config.tls, &pems, tls, err);
    wipe(place->mem, pems.certificate);
    wipe(place->mem, pems.key);
    wipe(place->mem, pems.client_ca);
    return rc;
}

enum err_code web_config_load(struct mem_budget *mem, const struct file_layer *files,
                              const char *path, struct buf *diags, struct tls_context **tls,
                              struct err *err)
{
    struct arena arena;
    struct config_place place = { .mem = mem, .files = files, .arena = &arena };
    *tls = NULL;
    arena_init(&arena, mem_source_of(mem, MEM_SYSTEM), WEB_CONFIG_BYTES_MAX);
    enum err_code rc = load(&place, path, diags, false, tls, err);
    arena_deinit(&arena);
    return rc;
}

enum err_code web_config_reload(struct mem_budget *mem, const struct file_layer *files,
                                const char *path, struct buf *diags, struct tls_context *tls,
                                struct err *err)
{
    struct arena arena;
    struct config_place place = { .mem = mem, .files = files, .arena = &arena };
    arena_init(&arena, mem_source_of(mem, MEM_SYSTEM), WEB_CONFIG_BYTES_MAX);
    enum err_code rc = load(&place, path, diags, true, &tls, err);
    arena_deinit(&arena);
    return rc;
}
