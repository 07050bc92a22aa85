/* SPDX-License-Identifier: Apache-2.0
 *
 * assets - the built web page inside the binary: a table made by tools/embed-assets from web/dist,
 * sorted by path. Empty in builds without the UI.
 */
#ifndef PHAROS_API_UI_ASSETS_H
#define PHAROS_API_UI_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ui_asset {
    const char *path; /* "index.html", "assets/app-1a2b3c4d.js" */
    const char *mime;
    const char *etag;    /* with its quotes */
    const uint8_t *gzip; /* NULL when it would not be smaller */
    size_t gzip_size;
    const uint8_t *plain;
    size_t plain_size;
    bool is_immutable; /* the name carries a hash of the content */
};

extern const struct ui_asset UI_ASSETS[];
extern const size_t UI_ASSET_COUNT;

#endif
