/* SPDX-License-Identifier: Apache-2.0
 *
 * duration - Prometheus durations ("1h30m", "15s", "250ms", "0") to and from milliseconds.
 *
 * Grammar  One or more <digits><unit>, units y w d h m s ms in strictly decreasing order, each at
 *          most once; y = 365 d, w = 7 d; the single text "0" is allowed. Source: Prometheus
 *          common model/time.go.
 */
#ifndef PHAROS_BASE_DURATION_H
#define PHAROS_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Texts as Prometheus': `not a valid duration string: "x"`, `unknown unit "x" in duration "1x"`,
 * `duration out of range`, `empty duration string` (the whole text is in err->detail, msg is
 * "duration"). */
CHECK_RESULT enum err_code duration_parse(struct str s, int64_t *out_ms, struct err *err);

#define DURATION_TEXT_SIZE 64
/* Canonical text: "1h30m", "0s"; y and w only when the value is an exact multiple. ms >= 0; a
 * negative value gets a leading '-'. Returns the length (not NUL-terminated). */
uint64_t duration_format(int64_t ms, char *out);

#endif
