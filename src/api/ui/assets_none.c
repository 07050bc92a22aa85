/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a build without the UI (-Dui=false): one entry that no path names.
 */
#include "api/ui/assets.h"

const struct ui_asset UI_ASSETS[1] = { { .path = "", .mime = "text/plain", .etag = "\"\"" } };
const size_t UI_ASSET_COUNT = 0;
