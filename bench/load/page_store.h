/* SPDX-License-Identifier: Apache-2.0
 *
 * page_store - the pages of all targets, written and compressed before the first scrape. Target t is instance t
 * of the fleet; its variants 0, 1, 2 ... are what it shows at its 1st, 2nd, 3rd scrape.
 */
#ifndef PHAROS_BENCH_LOAD_PAGE_STORE_H
#define PHAROS_BENCH_LOAD_PAGE_STORE_H

#include <stddef.h>
#include <stdint.h>

struct page {
    uint8_t *gzip;
    uint32_t gzip_len, text_len;
};

struct page_store {
    uint32_t targets, variants;
    struct page *pages; /* [targets][variants] */
};

void page_store_fill(struct page_store *s, uint32_t targets, uint32_t variants, uint64_t seed);
const struct page *page_store_get(const struct page_store *s, uint32_t target, uint32_t scrape);

#endif
