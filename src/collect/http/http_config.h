/* SPDX-License-Identifier: Apache-2.0
 *
 * http_config - Prometheus' HTTP client options, as they appear inline in scrape_configs, service
 * discovery and remote endpoints; and the way from them to a prepared call.
 *
 * Files (password_file, ca_file, ...) are read when a call is prepared, so that whoever prepares it
 * anew gets a rotated secret; secrets never leave this struct except into the request.
 */
#ifndef PHAROS_COLLECT_HTTP_HTTP_CONFIG_H
#define PHAROS_COLLECT_HTTP_HTTP_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/yaml_bind.h"
#include "net/http_client.h"
#include "os/file_layer.h"

struct basic_auth_config {
    struct str username, username_file, password, password_file;
};

struct authorization_config {
    struct str type, credentials, credentials_file;
};

struct tls_client_config {
    struct str ca, ca_file, cert, cert_file, key, key_file, server_name;
    bool insecure_skip_verify;
    struct str min_version, max_version;
};

struct http_config {
    struct basic_auth_config *basic_auth;
    struct authorization_config *authorization;
    struct tls_client_config *tls_config;
    struct str bearer_token, bearer_token_file;
    bool follow_redirects, enable_http2, proxy_from_environment;
    struct str proxy_url, no_proxy;
};

/* For YAML_T_INLINE. */
extern const struct yaml_schema HTTP_CONFIG;

/* Where the files of a configuration are: relative paths start at the directory of its file. */
struct http_config_files {
    const struct file_layer *layer;
    struct str base_dir;
};

/* Fill authentication, TLS, proxy and redirects of *out, and add to its headers; texts in `a`.
 * ERR_IO / ERR_NOTFOUND when a file cannot be read (detail names it), ERR_NOMEM. */
CHECK_RESULT enum err_code http_config_apply(const struct http_config *config,
                                             const struct http_config_files *files, struct arena *a,
                                             struct http_call_options *out, struct err *err);

#endif
