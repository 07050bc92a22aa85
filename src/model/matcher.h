/* SPDX-License-Identifier: Apache-2.0
 *
 * matcher - one condition on a label: = != =~ !~. A missing label has the value "".
 * Regexes are RE2, fully anchored, '.' matches newline.
 */
#ifndef PHAROS_MODEL_MATCHER_H
#define PHAROS_MODEL_MATCHER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "model/labels.h"

struct regex; /* codec/regex.h */

enum match_type { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };

struct matcher {
    enum match_type type;
    struct str name, value;
    struct regex *re; /* for MATCH_RE and MATCH_NRE; borrowed */
};

struct matchers {
    const struct matcher *ptr;
    size_t len;
};

bool matcher_matches(const struct matcher *m, struct str value);
bool matchers_match(struct matchers ms, struct labels l);
/* "=", "!=", "=~", "!~" */
struct str match_type_text(enum match_type type);

#endif
