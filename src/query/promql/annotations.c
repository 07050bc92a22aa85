/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/annotations.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_SIZE 1024
#define ARENA_BYTES_MAX ((size_t)2 << 20)

void annotations_init(struct annotations *a, const struct mem_source *mem)
{
    *a = (struct annotations){ 0 };
    arena_init(&a->arena, mem, ARENA_BYTES_MAX);
    mutex_init(&a->lock);
}

void annotations_deinit(struct annotations *a)
{
    arena_deinit(&a->arena);
    mutex_deinit(&a->lock);
}

static void add(struct annotations *a, struct annotation **list, size_t *count,
                struct annotation one)
{
    MUTEX_SCOPE(&a->lock);
    if (!*list) *list = arena_array(&a->arena, struct annotation, ANNOTATIONS_MAX);
    if (!*list || *count == ANNOTATIONS_MAX) return;
    for (size_t i = 0; i < *count; i++) {
        if (str_eq((*list)[i].text, one.text)) return;
    }
    one.text = arena_str(&a->arena, one.text);
    if (one.text.ptr) (*list)[(*count)++] = one;
}

void annotations_warn(struct annotations *a, struct promql_pos pos, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    add(a, &a->warnings, &a->warning_count, (struct annotation){ str_of_z(text), pos, false });
}

void annotations_info(struct annotations *a, struct promql_pos pos, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    add(a, &a->infos, &a->info_count, (struct annotation){ str_of_z(text), pos, false });
}

void annotations_warn_store(struct annotations *a, struct str text)
{
    add(a, &a->warnings, &a->warning_count,
        (struct annotation){ .text = text, .is_of_store = true });
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct str *annotations_render(const struct annotation *list, size_t count, const char *word,
                               struct str query, struct arena *out)
{
    struct str *texts = arena_array(out, struct str, count + 1);
    for (size_t i = 0; texts && i < count; i++) {
        uint32_t line, column;
        promql_line_column(query, list[i].pos.start, &line, &column);
        texts[i] = list[i].is_of_store ? arena_str(out, list[i].text)
                                       : arena_printf(out, "PromQL %s: " STR_FMT " (%u:%u)", word,
                                                      STR_ARG(list[i].text), line, column);
        if (!texts[i].ptr) return NULL;
    }
    /* Workers add them in any order. */
    if (texts && count) qsort(texts, count, sizeof *texts, by_text);
    return texts;
}
