/* SPDX-License-Identifier: Apache-2.0 */
#include "model/batch.h"

#include "base/assert.h"

struct str batch_outcome_text(enum batch_outcome outcome)
{
    switch (outcome) {
    case BATCH_STORED: return STR("stored");
    case BATCH_DROPPED: return STR("dropped");
    case BATCH_INVALID_LABELS: return STR("invalid labels");
    case BATCH_LIMIT: return STR("series limit reached");
    case BATCH_NOMEM: return STR("out of memory for series");
    case BATCH_OUT_OF_ORDER: return STR("out of order sample");
    case BATCH_TOO_OLD: return STR("too old sample");
    case BATCH_OUT_OF_BOUNDS: return STR("out of bounds");
    case BATCH_DUPLICATE: return STR("duplicate sample for timestamp");
    case BATCH_OUTCOME_COUNT: break;
    }
    UNREACHABLE();
}
