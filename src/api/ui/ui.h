/* SPDX-License-Identifier: Apache-2.0
 *
 * ui - the embedded web page: its routes, and how its files are delivered.
 *
 * A page address answers browsers only (Accept contains text/html): the same path may belong to a
 * dialect for everybody else. Files with a hash in their name are immutable; index.html is
 * revalidated by its ETag. The page runs under a strict Content-Security-Policy and below any path
 * prefix (<base href>).
 *
 * Source    user-experience.md section 3.
 * Threads   Immutable once its routes are added.
 */
#ifndef PHAROS_API_UI_UI_H
#define PHAROS_API_UI_UI_H

#include "base/err.h"
#include "base/str.h"
#include "net/router.h"
#include "os/mem.h"

#define UI_ROUTES_MAX 16

struct ui {
    struct mem_budget *mem;
    struct bytes index; /* index.html with its base; owned when is_owned */
    bool is_owned;
    char etag[24]; /* of index, with its quotes */
    struct str base_path;
    struct http_route routes[UI_ROUTES_MAX];
};

/* `base_path`: where the page lives for the browser, "/" or "/x/y/"; outlives the ui. ERR_NOMEM. */
CHECK_RESULT enum err_code ui_init(struct ui *ui, struct mem_budget *mem, struct str base_path,
                                   struct err *err);
void ui_deinit(struct ui *ui);
/* At the root and, when that is another one, below base_path. The ui outlives the router. */
CHECK_RESULT enum err_code ui_add_routes(struct ui *ui, struct router *r, struct err *err);

#endif
