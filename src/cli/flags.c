/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/duration.h"
#include "os/process.h"

#define NAME_SIZE 128
#define DISTANCE_MAX 2

const char *cli_nearest(const char *given, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = DISTANCE_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned d = str_distance(str_of_z(given), str_of_z(names[i]), DISTANCE_MAX);
        if (d >= best_distance) continue;
        best = names[i];
        best_distance = d;
    }
    return best;
}

static const struct cli_flag *find(const struct cli_flags *flags, struct str name)
{
    for (size_t i = 0; i < flags->len; i++) {
        if (str_eq(str_of_z(flags->ptr[i].name), name)) return &flags->ptr[i];
    }
    return NULL;
}

static const struct cli_flag *find_short(const struct cli_flags *flags, char c)
{
    for (size_t i = 0; i < flags->len; i++) {
        if (flags->ptr[i].short_name == c) return &flags->ptr[i];
    }
    return NULL;
}

static bool fail_unknown(const struct cli_flags *flags, const char *arg, struct str name)
{
    char given[NAME_SIZE];
    const char *best = NULL;
    unsigned best_distance = DISTANCE_MAX + 1;
    str_z(name, given, sizeof given);
    for (size_t i = 0; i < flags->len; i++) {
        unsigned d = str_distance(name, str_of_z(flags->ptr[i].name), DISTANCE_MAX);
        if (d >= best_distance) continue;
        best = flags->ptr[i].name;
        best_distance = d;
    }
    fprintf(stderr, "pharos: unknown flag %s", arg);
    if (best) fprintf(stderr, "; did you mean --%s?", best);
    fprintf(stderr, " (--help lists all)\n");
    return false;
}

/* A whole number with a unit of 1024, or bytes. */
static bool parse_size(struct str s, uint64_t *out)
{
    static const struct {
        struct str unit;
        unsigned shift;
    } UNITS[] = { { STR_INIT("B"), 0 },    { STR_INIT("KB"), 10 },  { STR_INIT("MB"), 20 },
                  { STR_INIT("GB"), 30 },  { STR_INIT("TB"), 40 },  { STR_INIT("PB"), 50 },
                  { STR_INIT("KiB"), 10 }, { STR_INIT("MiB"), 20 }, { STR_INIT("GiB"), 30 },
                  { STR_INIT("TiB"), 40 } };
    size_t digits = 0;
    uint64_t n;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
        digits++;
    struct str unit = str_sub(s, digits, s.len);
    if (!str_to_u64(str_sub(s, 0, digits), &n)) return false;
    if (unit.len == 0) {
        *out = n;
        return true;
    }
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (!str_eq_nocase(unit, UNITS[i].unit) || n > UINT64_MAX >> UNITS[i].shift) continue;
        *out = n << UNITS[i].shift;
        return true;
    }
    return false;
}

static bool set_bool(const struct cli_flag *flag, const char *text, bool *out)
{
    struct str s = str_of_z(text);
    *out = str_eq_nocase(s, STR("true")) || str_eq(s, STR("1"));
    if (*out || str_eq_nocase(s, STR("false")) || str_eq(s, STR("0"))) return true;
    fprintf(stderr, "pharos: --%s is true or false, not \"%s\"\n", flag->name, text);
    return false;
}

static bool set_multi(const struct cli_flag *flag, const char *text, struct cli_texts *out)
{
    if (out->len == CLI_MULTI_MAX) {
        fprintf(stderr, "pharos: --%s can be given at most %d times\n", flag->name, CLI_MULTI_MAX);
        return false;
    }
    out->ptr[out->len++] = text;
    return true;
}

static bool parse_value(const struct cli_flag *flag, const char *text, void *at)
{
    struct err err = { 0 };
    switch (flag->kind) {
    case CLI_BOOL: return set_bool(flag, text, at);
    case CLI_TEXT: *(const char **)at = text; return true;
    case CLI_MULTI: return set_multi(flag, text, at);
    case CLI_IGNORED: return true;
    case CLI_UINT:
        if (str_to_u64(str_of_z(text), at)) return true;
        fprintf(stderr, "pharos: --%s needs a number, not \"%s\"\n", flag->name, text);
        return false;
    case CLI_DURATION:
        if (duration_parse(str_of_z(text), at, &err) == ERR_OK) return true;
        fprintf(stderr, "pharos: --%s: %s\n", flag->name, err.detail);
        return false;
    case CLI_SIZE:
        if (parse_size(str_of_z(text), at)) return true;
        fprintf(stderr, "pharos: --%s needs a size such as 512MB, not \"%s\"\n", flag->name, text);
        return false;
    }
    UNREACHABLE();
}

/* `text` lives as long as the process (argv, environment, literal). */
static bool set_value(const struct cli_flag *flag, const char *text, void *values)
{
    void *at = (char *)values + flag->offset;
    if (!parse_value(flag, text, at)) return false;
    const bool is_off = flag->kind == CLI_BOOL && !*(const bool *)at;
    if (flag->note && !is_off)
        fprintf(stderr, "pharos: warning: --%s %s\n", flag->name, flag->note);
    return true;
}

static bool set_defaults(const struct cli_flags *flags, void *values)
{
    for (size_t i = 0; i < flags->len; i++) {
        const struct cli_flag *flag = &flags->ptr[i];
        char name[NAME_SIZE] = "PHAROS_";
        size_t n = strlen(name);
        for (const char *c = flag->name; *c && n + 1 < sizeof name; c++) {
            name[n++] =
                *c == '.' || *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        }
        name[n] = '\0';
        struct str env = process_env(name);
        const char *text = env.ptr ? env.ptr : flag->default_text;
        if (text && !set_value(flag, text, values)) return false;
    }
    return true;
}

/* The lists that defaults filled begin anew when the command line names them. */
static void begin_multi(const struct cli_flag *flag, void *values, uint64_t *seen, size_t index)
{
    if (flag->kind != CLI_MULTI || (*seen >> index & 1)) return;
    ((struct cli_texts *)(void *)((char *)values + flag->offset))->len = 0;
    *seen |= 1ull << index;
}

/* One flag at argv[*i]; moves *i past its value. */
static bool take_flag(const struct cli_flags *flags, int argc, char **argv, int *i, void *values,
                      uint64_t *seen)
{
    const char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    struct str name = str_of_z(arg + (is_long ? 2 : 1)), value = { NULL, 0 };
    size_t equals = str_index(name, '=');
    if (equals < name.len) {
        value = (struct str){ name.ptr + equals + 1, name.len - equals - 1 };
        name = str_sub(name, 0, equals);
    }
    const struct cli_flag *flag = is_long         ? find(flags, name)
                                  : name.len == 1 ? find_short(flags, name.ptr[0])
                                                  : find(flags, name);
    if (!flag && is_long && str_starts_with(name, STR("no-"))) {
        flag = find(flags, str_sub(name, 3, name.len));
        if (flag && flag->kind == CLI_BOOL && !value.ptr) return set_value(flag, "false", values);
        flag = NULL;
    }
    if (!flag) return fail_unknown(flags, arg, name);
    begin_multi(flag, values, seen, (size_t)(flag - flags->ptr));
    if (value.ptr) return set_value(flag, value.ptr, values);
    if (flag->kind == CLI_BOOL) return set_value(flag, "true", values);
    if (*i + 1 >= argc) {
        fprintf(stderr, "pharos: --%s needs a value\n", flag->name);
        return false;
    }
    return set_value(flag, argv[++*i], values);
}

bool cli_parse(const struct cli_flags *flags, int argc, char **argv, void *values,
               struct cli_args *out)
{
    bool flags_end = false;
    uint64_t seen = 0;
    *out = (struct cli_args){ 0 };
    ASSERT(flags->len <= 64);
    if (!set_defaults(flags, values)) return false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        bool is_flag = !flags_end && arg[0] == '-' && arg[1] != '\0';
        if (is_flag && strcmp(arg, "--") == 0) {
            flags_end = true;
        } else if (is_flag && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            out->wants_help = true;
        } else if (is_flag) {
            if (!take_flag(flags, argc, argv, &i, values, &seen)) return false;
        } else if (out->positional_count == CLI_POSITIONAL_MAX) {
            fprintf(stderr, "pharos: too many arguments\n");
            return false;
        } else {
            out->positional[out->positional_count++] = arg;
        }
    }
    return true;
}

void cli_print_flags(const struct cli_flags *flags)
{
    for (size_t i = 0; i < flags->len; i++) {
        const struct cli_flag *f = &flags->ptr[i];
        char left[NAME_SIZE], shorthand[8] = "    ";
        if (!f->help) continue;
        if (f->short_name) snprintf(shorthand, sizeof shorthand, "-%c, ", f->short_name);
        snprintf(left, sizeof left, "%s--%s%s%s", shorthand, f->name, f->value_name ? " " : "",
                 f->value_name ? f->value_name : "");
        printf("  %-48s %s", left, f->help);
        if (f->default_text && f->kind != CLI_BOOL) printf(" (default %s)", f->default_text);
        printf("\n");
    }
}

struct str cli_flag_text(const struct cli_flag *flag, const void *values, char *out, size_t size)
{
    const void *at = (const char *)values + flag->offset;
    switch (flag->kind) {
    case CLI_BOOL: return *(const bool *)at ? STR("true") : STR("false");
    case CLI_TEXT: return str_of_z(*(const char *const *)at ? *(const char *const *)at : "");
    case CLI_MULTI: {
        const struct cli_texts *texts = at;
        return str_of_z(texts->len ? texts->ptr[0] : "");
    }
    case CLI_UINT:
    case CLI_SIZE:
        return (struct str){ out, (size_t)snprintf(out, size, "%llu",
                                                   (unsigned long long)*(const uint64_t *)at) };
    case CLI_DURATION:
        ASSERT(size >= DURATION_TEXT_SIZE);
        return (struct str){ out, duration_format(*(const int64_t *)at, out) };
    case CLI_IGNORED: return (struct str){ "", 0 };
    }
    UNREACHABLE();
}
