/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf: walking any bytes ends; a message that can be walked is written again field by field,
 * and the copy has the same fields.
 */
#include <stdint.h>

#include "codec/pb.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool copy_fields(struct bytes in, struct buf *out)
{
    struct rd r = rd_of(in);
    for (uint32_t key; (key = pb_key(&r)) != 0;) {
        switch (pb_wire_of(key)) {
        case PB_VARINT: pb_put_u64(out, pb_field_of(key), pb_u64(&r)); break;
        case PB_I64: pb_put_fixed64(out, pb_field_of(key), pb_fixed64(&r)); break;
        case PB_LEN: {
            struct bytes inner = pb_bytes(&r);
            size_t mark = pb_begin(out, pb_field_of(key));
            if (pb_packed_count(inner) > inner.len) __builtin_trap();
            buf_put(out, inner.ptr, inner.len);
            pb_end(out, mark);
            break;
        }
        case PB_I32: pb_put_fixed32(out, pb_field_of(key), pb_fixed32(&r)); break;
        default: pb_skip(&r, key); break;
        }
    }
    return rd_ok(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    const struct mem_source *mem = mem_source_of(budget, MEM_SYSTEM);
    struct bytes in = { data, size };
    struct buf first, second;
    buf_init(&first, mem, 16u << 20);
    buf_init(&second, mem, 16u << 20);

    struct rd r = rd_of(in);
    for (uint32_t key; (key = pb_key(&r)) != 0;)
        pb_skip(&r, key);
    bool is_valid = rd_ok(&r);
    if (copy_fields(in, &first) != is_valid) __builtin_trap();
    if (is_valid) {
        if (first.len > size) __builtin_trap(); /* ours are minimal */
        if (!copy_fields(buf_bytes(&first), &second)) __builtin_trap();
        if (!str_eq(buf_str(&first), buf_str(&second))) __builtin_trap();
    }
    buf_deinit(&first);
    buf_deinit(&second);
    return 0;
}
