/* SPDX-License-Identifier: Apache-2.0
 *
 * web_config - the file of --web.config.file, in Prometheus' format: TLS of the listeners.
 *
 *     tls_server_config: {cert_file, key_file, min_version, client_auth_type, client_ca_file}
 *
 * Relative paths start at the file's directory. What would be a promise about security and cannot
 * be kept is an error (basic_auth_users, client_allowed_sans, versions below TLS 1.2 only); other
 * keys of the format are accepted with a warning that they have no effect.
 *
 * Threads   One at a time; the server loads under its config_lock.
 * Memory    Certificates and keys are read for the duration of a load and wiped.
 * Failure   ERR_INVALID with errors rendered in `diags`, as config.h; ERR_IO and such for
 *           certificates that cannot be read, ERR_INVALID for those that cannot be used.
 */
#ifndef PHAROS_SERVER_WEB_CONFIG_H
#define PHAROS_SERVER_WEB_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "net/tls.h"
#include "os/file_layer.h"
#include "os/mem.h"

/* Load `path`. *tls becomes a new context, or NULL when the file asks for no TLS. */
CHECK_RESULT enum err_code web_config_load(struct mem_budget *mem, const struct file_layer *files,
                                           const char *path, struct buf *diags,
                                           struct tls_context **tls, struct err *err);
/* Load it again for a server that runs with (`tls`) or without (NULL) TLS: the context gets the new
 * certificate, on an error it keeps the old one. To turn TLS on or off needs a restart: an error.
 */
CHECK_RESULT enum err_code web_config_reload(struct mem_budget *mem, const struct file_layer *files,
                                             const char *path, struct buf *diags,
                                             struct tls_context *tls, struct err *err);

#endif
