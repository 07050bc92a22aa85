/* SPDX-License-Identifier: Apache-2.0
 *
 * Encodes remote write 1.0 bodies (prometheus/prompb/remote.proto): WriteRequest { repeated TimeSeries
 * timeseries = 1 }, TimeSeries { repeated Label labels = 1; repeated Sample samples = 2 }, Label { name = 1,
 * value = 2 }, Sample { double value = 1; int64 timestamp = 2 }. A value of 0 is left out, as generated
 * encoders do.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <snappy-c.h>

#include "fleet.h"
#include "options.h"
#include "request_file.h"

#define LABELS_BYTES_MAX 640 /* encoded labels of one series */
#define SERIES_BYTES_MAX (LABELS_BYTES_MAX + 64)

struct series_labels {
    uint32_t len;
    uint8_t bytes[LABELS_BYTES_MAX];
};

struct encoder {
    const struct encode_options *o;
    struct fleet *fleet;
    FILE *out;
    struct series_labels *labels; /* [batch] of the current slot */
    uint8_t *raw;
    char *packed;
};

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_text(uint8_t *p, uint8_t key, const char *text)
{
    size_t len = strlen(text);
    *p++ = key;
    p = put_varint(p, len);
    memcpy(p, text, len);
    return p + len;
}

static void encode_labels(const struct fleet *f, uint32_t series, struct series_labels *out)
{
    struct fleet_label labels[FLEET_LABELS_MAX];
    unsigned n = fleet_labels(f, series, labels);
    uint8_t *p = out->bytes;
    for (unsigned i = 0; i < n; i++) {
        uint8_t message[2 * FLEET_VALUE_SIZE + 80];
        uint8_t *end = put_text(message, 0x0a, labels[i].name);
        end = put_text(end, 0x12, labels[i].value);
        size_t len = (size_t)(end - message);
        if ((size_t)(p - out->bytes) + len + 4 > sizeof out->bytes) die("labels too long");
        *p++ = 0x0a;
        p = put_varint(p, len);
        memcpy(p, message, len);
        p += len;
    }
    out->len = (uint32_t)(p - out->bytes);
}

static uint8_t *put_series(uint8_t *p, const struct series_labels *labels, int64_t ts_ms,
                           double value)
{
    uint8_t sample[24], *end = sample;
    if (value != 0) {
        *end++ = 0x09;
        memcpy(end, &value, sizeof value);
        end += sizeof value;
    }
    *end++ = 0x10;
    end = put_varint(end, (uint64_t)ts_ms);
    size_t sample_len = (size_t)(end - sample);
    *p++ = 0x0a;
    p = put_varint(p, labels->len + 2 + sample_len);
    memcpy(p, labels->bytes, labels->len);
    p += labels->len;
    *p++ = 0x12;
    *p++ = (uint8_t)sample_len;
    memcpy(p, sample, sample_len);
    return p + sample_len;
}

static void write_request(struct encoder *e, uint32_t first, uint32_t count, uint32_t round)
{
    uint8_t *p = e->raw;
    int64_t ts_ms = e->o->start_ms + (int64_t)round * e->o->interval_ms;
    for (uint32_t i = 0; i < count; i++) {
        int64_t later = 0;
        if (e->o->spread_ms) later = fleet_instance(e->fleet, first + i) * 7919 % e->o->spread_ms;
        p = put_series(p, &e->labels[i], ts_ms + later, fleet_step(e->fleet, first + i));
    }
    size_t raw = (size_t)(p - e->raw), size = snappy_max_compressed_length(raw);
    if (snappy_compress((const char *)e->raw, raw, e->packed, &size) != SNAPPY_OK)
        die("snappy failed");
    struct request_header h = { (uint32_t)size, count, round, first / (uint32_t)e->o->batch };
    if (fwrite(&h, sizeof h, 1, e->out) != 1 || fwrite(e->packed, size, 1, e->out) != 1) {
        die("%s: cannot write", e->o->path);
    }
}

void request_file_write(const struct encode_options *o)
{
    struct fleet_options fo = { (uint32_t)o->series, (uint64_t)o->seed, o->is_hard, o->metric };
    struct encoder e = { .o = o, .fleet = fleet_create(&fo), .out = fopen(o->path, "wb") };
    size_t raw_max = (size_t)o->batch * SERIES_BYTES_MAX;
    e.labels = calloc((size_t)o->batch, sizeof *e.labels);
    e.raw = malloc(raw_max);
    e.packed = malloc(snappy_max_compressed_length(raw_max));
    if (!e.labels || !e.raw || !e.packed) die("out of memory");
    if (!e.out || fwrite(REQUEST_FILE_MAGIC, 8, 1, e.out) != 1) die("%s: cannot write", o->path);
    for (uint32_t first = 0; first < o->series; first += (uint32_t)o->batch) {
        uint32_t left = (uint32_t)o->series - first;
        uint32_t count = left < o->batch ? left : (uint32_t)o->batch;
        for (uint32_t i = 0; i < count; i++)
            encode_labels(e.fleet, first + i, &e.labels[i]);
        for (uint32_t round = 0; round < o->rounds; round++)
            write_request(&e, first, count, round);
    }
    if (fclose(e.out) != 0) die("%s: cannot write", o->path);
    fleet_destroy(e.fleet);
    free(e.labels);
    free(e.raw);
    free(e.packed);
}
