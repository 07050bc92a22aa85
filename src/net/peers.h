/* SPDX-License-Identifier: Apache-2.0
 *
 * peers - how many connections each address has open.
 *
 * Table      Open addressing with linear probing and backward-shift deletion over (address text
 *            without port, count); doubles at 3/4 full, seeded hash.
 * Threads    Any: one mutex, O(1) work under it, except for doubling.
 */
#ifndef PHAROS_NET_PEERS_H
#define PHAROS_NET_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "os/mem.h"

struct peers;

CHECK_RESULT enum err_code peers_create(struct mem_budget *mem, uint64_t seed, struct peers **out,
                                        struct err *err);
void peers_destroy(struct peers *p);
/* Count one more connection from "ip:port"; false (nothing counted) when it has `max` already or
 * there is no memory. */
__attribute__((warn_unused_result)) bool peers_add(struct peers *p, struct str addr, uint32_t max);
void peers_remove(struct peers *p, struct str addr);
uint32_t peers_count(struct peers *p, struct str addr);

#endif
