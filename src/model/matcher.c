/* SPDX-License-Identifier: Apache-2.0 */
#include "model/matcher.h"

#include "base/assert.h"
#include "codec/regex.h"

bool matcher_matches(const struct matcher *m, struct str value)
{
    switch (m->type) {
    case MATCH_EQ: return str_eq(m->value, value);
    case MATCH_NE: return !str_eq(m->value, value);
    case MATCH_RE: return regex_match(m->re, value);
    case MATCH_NRE: return !regex_match(m->re, value);
    }
    UNREACHABLE();
}

bool matchers_match(struct matchers ms, struct labels l)
{
    for (size_t i = 0; i < ms.len; i++)
        if (!matcher_matches(&ms.ptr[i], labels_get(l, ms.ptr[i].name))) return false;
    return true;
}

struct str match_type_text(enum match_type type)
{
    switch (type) {
    case MATCH_EQ: return STR("=");
    case MATCH_NE: return STR("!=");
    case MATCH_RE: return STR("=~");
    case MATCH_NRE: return STR("!~");
    }
    UNREACHABLE();
}
