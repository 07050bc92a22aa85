/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and times: any bytes are refused, or give a value whose canonical text gives the same
 * value again.
 */
#include <stdint.h>

#include "base/assert.h"
#include "base/duration.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_duration(struct str text)
{
    int64_t ms;
    int64_t again;
    struct err err = { 0 };
    if (duration_parse(text, &ms, &err) != ERR_OK) {
        ASSERT(err.code == ERR_INVALID);
        ASSERT(err.detail[0] != '\0');
        return;
    }
    char out[DURATION_TEXT_SIZE];
    size_t n = (size_t)duration_format(ms, out);
    enum err_code code = duration_parse((struct str){ out, n }, &again, &err);
    ASSERT(code == ERR_OK);
    ASSERT(again == ms);
}

static void check_time(struct str text)
{
    int64_t ms;
    int64_t again;
    if (!time_parse_rfc3339(text, &ms)) return;
    char out[TIME_TEXT_SIZE];
    size_t n = (size_t)time_format_rfc3339(ms, out);
    bool is_read = time_parse_rfc3339((struct str){ out, n }, &again);
    ASSERT(is_read);
    ASSERT(again == ms);
}

/* The bytes as a timestamp: every instant prints and reads back. */
static void check_instant(const uint8_t *data, size_t size)
{
    int64_t ms;
    int64_t again;
    if (size < sizeof ms) return;
    memcpy(&ms, data, sizeof ms);
    char out[TIME_TEXT_SIZE];
    size_t n = (size_t)time_format_rfc3339(ms, out);
    bool is_read = time_parse_rfc3339((struct str){ out, n }, &again);
    ASSERT(is_read);
    ASSERT(again == ms);
    ASSERT(time_format_rfc3339_ns(ms, out) > 0);
    ASSERT(time_format_seconds(ms, out) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    check_duration(text);
    check_time(text);
    check_instant(data, size);
    return 0;
}
