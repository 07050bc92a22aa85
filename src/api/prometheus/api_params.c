/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of a request: query string and form body, times, durations, limits, selectors.
 */
#include <math.h>

#include "api/prometheus/api_priv.h"
#include "base/duration.h"
#include "base/float_text.h"
#include "base/time.h"

struct str api_param(const struct api_call *c, struct str name)
{
    for (size_t i = 0; i < c->params.len; i++) {
        if (str_eq(c->params.ptr[i].name, name)) return c->params.ptr[i].value;
    }
    return (struct str){ NULL, 0 };
}

enum err_code api_parse_time(struct str s, int64_t *out_ms, struct err *err)
{
    double seconds;
    if (float_parse(s, &seconds)) {
        if (isfinite(seconds) && double_to_i64(round(seconds * 1000.0), out_ms)) return ERR_OK;
    } else if (time_parse_rfc3339(s, out_ms)) {
        return ERR_OK;
    }
    return err_setf(err, ERR_INVALID, "bad time",
                    "cannot parse \"" STR_FMT "\" to a valid timestamp", STR_ARG(s));
}

enum err_code api_parse_duration(struct str s, int64_t *out_ms, struct err *err)
{
    double seconds;
    if (float_parse(s, &seconds)) {
        double ms = seconds * 1000.0;
        if (isfinite(ms) && fabs(ms) < 9.2e15 && double_to_i64(ms, out_ms)) return ERR_OK;
        return err_setf(err, ERR_INVALID, "bad duration",
                        "cannot parse \"" STR_FMT "\" to a valid duration. It overflows int64",
                        STR_ARG(s));
    }
    if (duration_parse(s, out_ms, NULL) == ERR_OK) return ERR_OK;
    return err_setf(err, ERR_INVALID, "bad duration",
                    "cannot parse \"" STR_FMT "\" to a valid duration", STR_ARG(s));
}

bool api_time(struct api_call *c, const char *name, int64_t fallback, int64_t *out)
{
    struct err err = { 0 };
    struct str text = api_param(c, str_of_z(name));
    *out = fallback;
    if (text.len == 0 || api_parse_time(text, out, &err) == ERR_OK) return true;
    api_errorf(c, API_BAD_DATA, "invalid parameter \"%s\": invalid time value for '%s': %s", name,
               name, err.detail);
    return false;
}

bool api_duration_ms(struct api_call *c, const char *name, int64_t *out)
{
    struct err err = { 0 };
    struct str text = api_param(c, str_of_z(name));
    *out = 0;
    if (text.len == 0 || api_parse_duration(text, out, &err) == ERR_OK) return true;
    api_errorf(c, API_BAD_DATA, "invalid parameter \"%s\": %s", name, err.detail);
    return false;
}

bool api_limit(struct api_call *c, const char *name, size_t *out)
{
    struct str text = api_param(c, str_of_z(name));
    int64_t value = 0;
    *out = 0;
    if (text.len == 0) return true;
    if (!str_to_i64(text, &value)) {
        api_errorf(c, API_BAD_DATA,
                   "invalid parameter \"%s\": strconv.Atoi: parsing \"" STR_FMT
                   "\": invalid syntax",
                   name, STR_ARG(text));
        return false;
    }
    if (value < 0) {
        api_errorf(c, API_BAD_DATA, "invalid parameter \"%s\": limit must be non-negative", name);
        return false;
    }
    *out = (size_t)value;
    return true;
}

/* Prometheus: a selector that every series satisfies is refused. */
static bool has_condition(struct matchers ms)
{
    for (size_t i = 0; i < ms.len; i++) {
        if (!matcher_matches(&ms.ptr[i], (struct str){ "", 0 })) return true;
    }
    return false;
}

bool api_matches(struct api_call *c, struct api_matches *out)
{
    struct promql_parse_options options = { .budget = c->api->options.mem,
                                            .regexes = &out->regexes };
    size_t count = 0;
    *out = (struct api_matches){ 0 };
    for (size_t i = 0; i < c->params.len; i++)
        count += str_eq(c->params.ptr[i].name, STR("match[]"));
    out->ptr = arena_array(c->arena, struct matchers, count + 1);
    if (!out->ptr) {
        api_error(c, API_INTERNAL, STR("request needs too much memory"));
        return false;
    }
    for (size_t i = 0; i < c->params.len; i++) {
        struct err err = { 0 };
        if (!str_eq(c->params.ptr[i].name, STR("match[]"))) continue;
        struct matchers *m = &out->ptr[out->len];
        if (promql_parse_selector(c->params.ptr[i].value, c->arena, &options, m, &err) != ERR_OK) {
            api_matches_deinit(out);
            api_errorf(c, API_BAD_DATA, "invalid parameter \"match[]\": %s", err.detail);
            return false;
        }
        if (!has_condition(*m)) {
            api_matches_deinit(out);
            api_error(c, API_BAD_DATA,
                      STR("invalid parameter \"match[]\": match[] must contain at least one "
                          "non-empty matcher"));
            return false;
        }
        out->len++;
    }
    return true;
}

void api_matches_deinit(struct api_matches *m)
{
    promql_regexes_deinit(&m->regexes);
}
