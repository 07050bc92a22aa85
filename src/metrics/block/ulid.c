/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/ulid.h"

#include <string.h>

static const char DIGITS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct ulid ulid_make(const struct clock *clock)
{
    struct ulid id;
    uint64_t ms = (uint64_t)clock_wall_ms(clock), high = clock_random_u64(clock),
             low = clock_random_u64(clock);
    for (int i = 0; i < 6; i++)
        id.octets[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(id.octets + 6, &high, 2);
    memcpy(id.octets + 8, &low, 8);
    return id;
}

/* 26 digits of 5 bits are 130 bits: the first digit holds only the top 3. */
void ulid_text(struct ulid id, char out[ULID_TEXT_LEN + 1])
{
    for (int digit = 0; digit < ULID_TEXT_LEN; digit++) {
        int bit = digit * 5 - 2; /* of its highest bit, from the front */
        unsigned v = 0;
        for (int i = bit; i < bit + 5; i++)
            v = v << 1 | (i < 0 ? 0u : (unsigned)id.octets[i / 8] >> (7 - i % 8) & 1u);
        out[digit] = DIGITS[v];
    }
    out[ULID_TEXT_LEN] = '\0';
}

bool ulid_parse(struct str text, struct ulid *out)
{
    if (text.len != ULID_TEXT_LEN) return false;
    struct ulid id = { 0 };
    for (int digit = 0; digit < ULID_TEXT_LEN; digit++) {
        const char *at = text.ptr[digit] ? strchr(DIGITS, text.ptr[digit]) : NULL;
        if (!at) return false;
        unsigned v = (unsigned)(at - DIGITS);
        if (digit == 0 && v > 7) return false;
        for (int i = 0; i < 5; i++) {
            int bit = digit * 5 - 2 + i;
            if (bit >= 0 && (v >> (4 - i) & 1)) id.octets[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
        }
    }
    *out = id;
    return true;
}

int ulid_cmp(struct ulid a, struct ulid b)
{
    return memcmp(a.octets, b.octets, sizeof a.octets);
}

bool ulid_eq(struct ulid a, struct ulid b)
{
    return ulid_cmp(a, b) == 0;
}

bool ulid_is_none(struct ulid id)
{
    return ulid_eq(id, (struct ulid){ 0 });
}
