/* SPDX-License-Identifier: Apache-2.0
 *
 * index_format - numbers of the index file, shared by its writer and its reader.
 *
 * The picture (docs/formats.md, "index" has each byte):
 *
 *     SYMBOLS  all texts, sorted, front-coded in groups of 16; symbol id = rank
 *     NAMES    per label name: symbol, number of values and of series, where its values and its
 *              "has this name" posting are
 *     VALUES   per name: its values in order as symbol id deltas in groups of 64; beside each its
 *              cardinality and the one series or the offset of its posting
 *     POSTINGS roaring sets, one after the other
 *     SERIES   per series: leading pairs shared with the series before, then (name rank, value
 *              rank) pairs; restart every 64
 *     PAGES    40 bytes per page of samples
 *     TSDICT   shared timestamp vectors
 *     TOC      the last 128 bytes
 *
 * A name rank is the position in NAMES, a value rank the position among the values of its name.
 */
#ifndef PHAROS_METRICS_BLOCK_INDEX_FORMAT_H
#define PHAROS_METRICS_BLOCK_INDEX_FORMAT_H

#include <stdint.h>

#define INDEX_MAGIC 0x58494850u /* "PHIX" */
#define INDEX_VERSION 1
#define INDEX_TOC_SIZE 128

enum index_section { /* in the order of the TOC */
                     INDEX_SYMBOLS,
                     INDEX_NAMES,
                     INDEX_VALUES,
                     INDEX_POSTINGS,
                     INDEX_SERIES,
                     INDEX_PAGES,
                     INDEX_TSDICT,
                     INDEX_SECTION_COUNT
};

struct index_extent {
    uint64_t offset, size;
};

#define SYMBOLS_GROUP 16
#define VALUES_GROUP 64
#define SERIES_GROUP 64
#define NAME_ENTRY_SIZE 32
#define PAGE_ENTRY_SIZE 40
#define SECTION_HEAD_SIZE 8 /* SYMBOLS, NAMES, SERIES begin with two u32 */

_Static_assert(8 + INDEX_SECTION_COUNT * 16 + 8 == INDEX_TOC_SIZE, "on-disk format");

#endif
