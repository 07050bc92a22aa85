/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/relabel/relabel.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "codec/digest.h"
#include "codec/regex.h"

struct relabel_rule {
    enum relabel_action action;
    struct str separator, target_label, replacement;
    const struct str *source_labels;
    size_t source_label_count;
    struct regex *regex;
    uint64_t modulus;
    bool is_plain; /* replace of anything by a constant: no regex needs to run */
};

struct relabel_rules {
    struct mem_budget *mem;
    struct arena arena; /* this struct's texts */
    struct relabel_rule *rules;
    size_t count;
};

#define RULES_BYTES_MAX ((size_t)16 << 20)

DEFINE_CLEANUP(relabel_destroy, struct relabel_rules *)

static enum err_code fail_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the relabelling rules");
}

static bool has_reference(struct str s)
{
    return str_index(s, '$') < s.len;
}

static enum err_code compile_rule(struct relabel_rules *all, const struct relabel_config *c,
                                  struct relabel_rule *out, struct err *err)
{
    struct str *names = arena_array(&all->arena, struct str, c->source_labels.count + 1);
    if (!names) return fail_nomem(err);
    for (size_t i = 0; i < c->source_labels.count; i++) {
        names[i] = arena_str(&all->arena, ((const struct str *)c->source_labels.items)[i]);
        if (!names[i].ptr) return fail_nomem(err);
    }
    *out = (struct relabel_rule){
        .action = (enum relabel_action)c->action,
        .separator = arena_str(&all->arena, c->separator),
        .target_label = arena_str(&all->arena, c->target_label),
        .replacement = arena_str(&all->arena, c->replacement),
        .source_labels = names,
        .source_label_count = c->source_labels.count,
        .modulus = c->modulus,
        .is_plain = str_eq(c->regex, STR("(.*)")) && !has_reference(c->replacement) &&
                    !has_reference(c->target_label),
    };
    if (!out->separator.ptr || !out->target_label.ptr || !out->replacement.ptr) {
        return fail_nomem(err);
    }
    return regex_compile(all->mem, c->regex, REGEX_FULL, &out->regex, err);
}

enum err_code relabel_compile(const struct yaml_list *configs, struct mem_budget *mem,
                              struct relabel_rules **out, struct err *err)
{
    if (configs->count == 0) {
        *out = NULL;
        return ERR_OK;
    }
    CLEANUP(relabel_destroy_p) struct relabel_rules *all = mem_zalloc(mem, MEM_SYSTEM, sizeof *all);
    if (!all) return fail_nomem(err);
    all->mem = mem;
    arena_init(&all->arena, mem_source_of(mem, MEM_SYSTEM), RULES_BYTES_MAX);
    all->rules = arena_array(&all->arena, struct relabel_rule, configs->count);
    if (!all->rules) return fail_nomem(err);
    const struct relabel_config *items = configs->items;
    for (; all->count < configs->count; all->count++) {
        TRY(compile_rule(all, &items[all->count], &all->rules[all->count], err));
    }
    *out = TAKE(all);
    return ERR_OK;
}

void relabel_destroy(struct relabel_rules *rules)
{
    if (!rules) return;
    for (size_t i = 0; i < rules->count; i++)
        regex_unref(rules->rules[i].regex);
    arena_deinit(&rules->arena);
    mem_free(rules->mem, MEM_SYSTEM, rules, sizeof *rules);
}

size_t relabel_count(const struct relabel_rules *rules)
{
    return rules ? rules->count : 0;
}

/* The source labels' values joined by the separator. */
static struct str joined_input(const struct relabel_rule *r, struct labels_builder *b, bool *failed)
{
    if (r->source_label_count == 0) return (struct str){ "", 0 };
    if (r->source_label_count == 1) return labels_builder_get(b, r->source_labels[0]);
    size_t size = r->separator.len * (r->source_label_count - 1);
    for (size_t i = 0; i < r->source_label_count; i++) {
        size += labels_builder_get(b, r->source_labels[i]).len;
    }
    char *text = arena_alloc_raw(b->arena, size + 1, 1, 1);
    if (!text) {
        *failed = true;
        return (struct str){ "", 0 };
    }
    size_t n = 0;
    for (size_t i = 0; i < r->source_label_count; i++) {
        struct str v = labels_builder_get(b, r->source_labels[i]);
        if (i > 0 && r->separator.len) {
            memcpy(text + n, r->separator.ptr, r->separator.len);
            n += r->separator.len;
        }
        if (v.len) memcpy(text + n, v.ptr, v.len);
        n += v.len;
    }
    return (struct str){ text, n };
}

/* `text` with its $ references filled in, in the builder's arena. */
static struct str expanded(const struct relabel_rule *r, struct str text,
                           const struct regex_groups *groups, struct arena *a, bool *failed)
{
    if (!has_reference(text)) return text;
    struct buf out;
    buf_init(&out, a->mem, a->cap_bytes);
    regex_expand(r->regex, text, groups, &out);
    struct str copy = arena_str(a, buf_str(&out));
    if (buf_failed(&out) || (out.len && !copy.ptr)) *failed = true;
    buf_deinit(&out);
    return copy;
}

static enum relabel_result replace(const struct relabel_rule *r, struct labels_builder *b)
{
    bool failed = false;
    struct regex_groups groups;
    if (r->is_plain) {
        labels_builder_set(b, r->target_label, r->replacement);
        return b->failed ? RELABEL_NOMEM : RELABEL_KEPT;
    }
    struct str input = joined_input(r, b, &failed);
    if (failed) return RELABEL_NOMEM;
    if (!regex_match_groups(r->regex, input, &groups)) return RELABEL_KEPT;
    struct str target = expanded(r, r->target_label, &groups, b->arena, &failed);
    struct str value = expanded(r, r->replacement, &groups, b->arena, &failed);
    if (failed) return RELABEL_NOMEM;
    if (label_name_is_valid(target)) labels_builder_set(b, target, value);
    return b->failed ? RELABEL_NOMEM : RELABEL_KEPT;
}

static enum relabel_result hashmod(const struct relabel_rule *r, struct labels_builder *b)
{
    bool failed = false;
    uint8_t digest[MD5_SIZE];
    struct str input = joined_input(r, b, &failed);
    if (failed || md5(bytes_of_str(input), digest, NULL) != ERR_OK) return RELABEL_NOMEM;
    uint64_t hash = 0;
    for (int i = 8; i < MD5_SIZE; i++)
        hash = hash << 8 | digest[i];
    struct str text = arena_printf(b->arena, "%llu", (unsigned long long)(hash % r->modulus));
    if (!text.ptr) return RELABEL_NOMEM;
    labels_builder_set(b, r->target_label, text);
    return b->failed ? RELABEL_NOMEM : RELABEL_KEPT;
}

static enum relabel_result labelmap(const struct relabel_rule *r, struct labels_builder *b)
{
    bool failed = false;
    size_t count = b->len;
    /* All labels are read before the first is written: what is mapped is not mapped again. */
    struct label *before = arena_array_raw(b->arena, struct label, count + 1);
    if (!before) return RELABEL_NOMEM;
    if (count) memcpy(before, b->ptr, count * sizeof *before);
    for (size_t i = 0; i < count; i++) {
        struct regex_groups groups;
        struct label l = before[i];
        if (!regex_match_groups(r->regex, l.name, &groups)) continue;
        struct str name = expanded(r, r->replacement, &groups, b->arena, &failed);
        if (!failed && label_name_is_valid(name)) labels_builder_set(b, name, l.value);
        if (failed || b->failed) return RELABEL_NOMEM;
    }
    return RELABEL_KEPT;
}

static enum relabel_result filter_names(const struct relabel_rule *r, struct labels_builder *b)
{
    bool drop_matching = r->action == RELABEL_LABELDROP;
    size_t kept = 0;
    for (size_t i = 0; i < b->len; i++) {
        if (regex_match(r->regex, b->ptr[i].name) != drop_matching) b->ptr[kept++] = b->ptr[i];
    }
    b->len = kept;
    return RELABEL_KEPT;
}

/* ASCII letters only; Prometheus maps all of Unicode. */
static enum relabel_result change_case(const struct relabel_rule *r, struct labels_builder *b)
{
    bool failed = false;
    struct str input = joined_input(r, b, &failed);
    struct str copy = arena_str(b->arena, input);
    if (failed || (input.len && !copy.ptr)) return RELABEL_NOMEM;
    char low = r->action == RELABEL_LOWERCASE ? 'A' : 'a';
    char *text = (char *)copy.ptr;
    for (size_t i = 0; i < copy.len; i++) {
        if (text[i] >= low && text[i] <= low + 25) text[i] = (char)(text[i] ^ 0x20);
    }
    labels_builder_set(b, r->target_label, copy);
    return b->failed ? RELABEL_NOMEM : RELABEL_KEPT;
}

/* keep, drop, keepequal, dropequal. */
static enum relabel_result select_set(const struct relabel_rule *r, struct labels_builder *b)
{
    bool failed = false;
    struct str input = joined_input(r, b, &failed);
    if (failed) return RELABEL_NOMEM;
    bool is_equal = r->action == RELABEL_KEEPEQUAL || r->action == RELABEL_DROPEQUAL;
    bool keep_on_match = r->action == RELABEL_KEEP || r->action == RELABEL_KEEPEQUAL;
    bool matches = is_equal ? str_eq(input, labels_builder_get(b, r->target_label))
                            : regex_match(r->regex, input);
    return matches == keep_on_match ? RELABEL_KEPT : RELABEL_DROPPED;
}

enum relabel_result relabel_apply_one(const struct relabel_rules *rules, size_t index,
                                      struct labels_builder *b)
{
    const struct relabel_rule *r = &rules->rules[index];
    switch (r->action) {
    case RELABEL_REPLACE: return replace(r, b);
    case RELABEL_KEEP:
    case RELABEL_DROP:
    case RELABEL_KEEPEQUAL:
    case RELABEL_DROPEQUAL: return select_set(r, b);
    case RELABEL_HASHMOD: return hashmod(r, b);
    case RELABEL_LABELMAP: return labelmap(r, b);
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP: return filter_names(r, b);
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE: return change_case(r, b);
    }
    UNREACHABLE();
}

enum relabel_result relabel_apply(const struct relabel_rules *rules, struct labels_builder *b)
{
    for (size_t i = 0; i < relabel_count(rules); i++) {
        enum relabel_result result = relabel_apply_one(rules, i, b);
        if (result != RELABEL_KEPT) return result;
    }
    return RELABEL_KEPT;
}
