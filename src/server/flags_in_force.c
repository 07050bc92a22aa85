/* SPDX-License-Identifier: Apache-2.0
 *
 * What /api/v1/status/flags shows for flags whose value comes from the file or from a default that
 * depends: what is in force, not "" or 0.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "server/server_priv.h"

static struct str listen_text(const struct server *s, char *text)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->listen_count; i++) {
        size_t left = API_FLAG_TEXT_SIZE - n;
        int len = snprintf(text + n, left, "%s%s", i ? "," : "", s->listen_addr[i]);
        if (len < 0 || (size_t)len >= left) break;
        n += (size_t)len;
    }
    return (struct str){ text, n };
}

static struct str size_text(uint64_t bytes, char *text)
{
    int len = snprintf(text, API_FLAG_TEXT_SIZE, "%lluB", (unsigned long long)bytes);
    return (struct str){ text, (size_t)len };
}

static struct str durability_text(enum journal_mode mode)
{
    switch (mode) {
    case JOURNAL_INTERVAL: return STR("interval");
    case JOURNAL_COMMIT: return STR("commit");
    case JOURNAL_OFF: return STR("off");
    }
    return STR("");
}

void server_flag_in_force(void *ctx, struct str name, char text[API_FLAG_TEXT_SIZE],
                          struct str *io_value)
{
    struct server *s = ctx;
    const struct server_options *o = s->options;
    if (str_eq(name, STR("web.listen-address"))) {
        *io_value = listen_text(s, text);
    } else if (str_eq(name, STR("storage.path")) || str_eq(name, STR("storage.tsdb.path"))) {
        *io_value = str_of_z(o->storage_path);
    } else if (str_eq(name, STR("storage.tsdb.retention.time"))) {
        *io_value = (struct str){ text, duration_format(s->retention_ms, text) };
    } else if (str_eq(name, STR("storage.tsdb.retention.size"))) {
        *io_value = size_text(s->retention_bytes, text);
    } else if (str_eq(name, STR("storage.durability"))) {
        *io_value = durability_text(s->durability);
    } else if (str_eq(name, STR("memory.limit"))) {
        *io_value = size_text(s->memory_limit, text);
    }
}
