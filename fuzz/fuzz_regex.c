/* SPDX-License-Identifier: Apache-2.0
 *
 * The literal analysis against plain RE2. First byte: the mode; then the pattern up to a NUL, then
 * subjects, each up to a NUL. What the analysis found (literals, prefix) gives more subjects.
 */
#include <stdint.h>

#include "codec/regex.h"
#include "codec/regex_re2.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
    struct regex *ours;
    struct re2_engine *plain;
    struct buf scratch;
};

static void compare(const struct pair *p, struct str subject)
{
    struct re2_slice text = { subject.ptr ? subject.ptr : "", subject.len }, whole;
    struct regex_groups groups;
    if (!str_is_utf8(subject)) {
        (void)regex_match(p->ours, subject);
        return;
    }
    bool want = re2_engine_match(p->plain, text, 0, &whole, 1);
    if (regex_match(p->ours, subject) != want) __builtin_trap();
    if (regex_match_groups(p->ours, subject, &groups) != want) __builtin_trap();
    if (subject.len == 0 && regex_matches_empty(p->ours) != want) __builtin_trap();
    if (!want) return;
    if (!str_starts_with(subject, regex_prefix(p->ours))) __builtin_trap();
    if (groups.at[0].len != whole.len) __builtin_trap();
}

/* The text itself and variations of it. */
static void compare_around(struct pair *p, struct str text)
{
    static const struct str extra[] = { STR_INIT(""), STR_INIT("a"), STR_INIT("\n"),
                                        STR_INIT("\xc3\xa9") };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            buf_reset(&p->scratch);
            buf_put_str(&p->scratch, extra[i]);
            buf_put_str(&p->scratch, text);
            buf_put_str(&p->scratch, extra[j]);
            compare(p, buf_str(&p->scratch));
        }
    }
    if (text.len > 0) compare(p, str_sub(text, 1, text.len));
    if (text.len > 0) compare(p, str_sub(text, 0, text.len - 1));
}

static struct re2_engine *compile_plain(struct str pattern, enum regex_mode mode,
                                        struct buf *scratch)
{
    struct re2_error error;
    buf_reset(scratch);
    if (mode == REGEX_FULL) buf_put_lit(scratch, "^(?s:");
    buf_put_str(scratch, pattern);
    if (mode == REGEX_FULL) buf_put_lit(scratch, ")$");
    struct re2_slice text = { (const char *)scratch->ptr, scratch->len };
    return re2_engine_create(text, false, REGEX_ENGINE_BYTES_MAX, &error);
}

static void compare_all(struct pair *p, struct str subjects)
{
    struct str subject;
    size_t count = 0;
    const struct str *literals = regex_literals(p->ours, &count);
    compare_around(p, STR(""));
    compare_around(p, regex_prefix(p->ours));
    for (size_t i = 0; i < count && i < 20; i++)
        compare_around(p, literals[i]);
    while (subjects.ptr != NULL && str_split(&subjects, '\0', &subject))
        compare(p, subject);
    struct regex_groups groups;
    if (regex_match_groups(p->ours, STR("aab"), &groups)) {
        buf_reset(&p->scratch);
        regex_expand(p->ours, regex_pattern(p->ours), &groups, &p->scratch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    if (size == 0 || size > 300) return 0;
    enum regex_mode mode = data[0] & 1 ? REGEX_SEARCH : REGEX_FULL;
    struct str rest = { (const char *)data + 1, size - 1 }, pattern = { "", 0 };
    if (rest.len > 0 && !str_split(&rest, '\0', &pattern)) return 0;
    /* where we differ from this RE2 on purpose */
    if (str_find(pattern, STR("\\C")) < pattern.len || str_find(pattern, STR("(?<")) < pattern.len)
        return 0;
    struct pair p = { NULL, NULL, { 0 } };
    buf_init(&p.scratch, mem_source_of(budget, MEM_SYSTEM), 4u << 20);
    enum err_code rc = regex_compile(budget, pattern, mode, &p.ours, NULL);
    /* Valid is what is valid by itself, not what becomes so between the anchors. */
    struct re2_error error;
    struct re2_engine *alone =
        re2_engine_create((struct re2_slice){ pattern.ptr, pattern.len }, mode == REGEX_FULL,
                          REGEX_ENGINE_BYTES_MAX, &error);
    if (rc == ERR_OK && alone == NULL) __builtin_trap();
    if (rc == ERR_INVALID && alone != NULL) __builtin_trap();
    re2_engine_destroy(alone);
    p.plain =
        compile_plain(pattern, mode, &p.scratch); /* NULL: an open \Q reads on into the anchor */
    if (rc == ERR_OK && p.plain != NULL) compare_all(&p, rest);
    regex_unref(p.ours);
    re2_engine_destroy(p.plain);
    buf_deinit(&p.scratch);
    return 0;
}
