/* SPDX-License-Identifier: Apache-2.0
 *
 * pharos query EXPR: ask a running server over HTTP.
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "codec/json_read.h"
#include "codec/url.h"
#include "net/http_client.h"
#include "os/loop.h"

#define ANSWER_BYTES_MAX ((size_t)1 << 30)
#define URL_BYTES_MAX ((size_t)2 << 20)
#define EXIT_UNREACHABLE 5
#define EXIT_EMPTY 4

struct query_values {
    const char *url, *time, *from, *to, *step, *output;
    int64_t since_ms;
    bool fail_empty;
};

#define V(field) offsetof(struct query_values, field)

static const struct cli_flag FLAGS[] = {
    { "url", 0, CLI_TEXT, V(url), "http://127.0.0.1:9090", "URL", "the server; also $PHAROS_URL" },
    { "time", 0, CLI_TEXT, V(time), NULL, "TIME", "instant of an instant query; default now" },
    { "since", 0, CLI_DURATION, V(since_ms), NULL, "DURATION",
      "range query over the last DURATION" },
    { "from", 0, CLI_TEXT, V(from), NULL, "TIME", "start of a range query" },
    { "to", 0, CLI_TEXT, V(to), NULL, "TIME", "end of a range query; default now" },
    { "step", 0, CLI_TEXT, V(step), NULL, "DURATION",
      "step of a range query; default 1/100 of it" },
    { "output", 'o', CLI_TEXT, V(output), "table", "table|json|csv", "form of the answer" },
    { "fail-empty", 0, CLI_BOOL, V(fail_empty), NULL, NULL, "exit with 4 when nothing matches" },
};

static const struct cli_flags ALL = { FLAGS, sizeof FLAGS / sizeof FLAGS[0] };

static void usage(FILE *to)
{
    fprintf(to, "usage: pharos query EXPR [flags]\n\nInstant query, or with --since or --from a "
                "range query. TIME is Unix seconds or RFC 3339.\n\n");
    if (to == stdout) cli_print_flags(&ALL);
}

/* ---- asking ---- */

struct ask {
    struct loop *loop;
    unsigned status;
    enum err_code code;
    char error[512];
};

static void on_done(void *ctx, struct http_call *call, const struct http_call_result *result)
{
    struct ask *ask = ctx;
    (void)call;
    ask->code = result->code;
    ask->status = result->status;
    err_text(&result->err, ask->error, sizeof ask->error);
    loop_stop(ask->loop);
}

/* GET url into *answer; fills ask. */
static enum err_code fetch(struct mem_budget *mem, struct str url, struct buf *answer,
                           struct ask *ask, struct err *err)
{
    struct http_client *client = NULL;
    struct http_call *call = NULL;
    TRY(loop_create(mem, clock_system(), &ask->loop, err));
    struct http_client_options options = { .mem = mem,
                                           .account = MEM_SYSTEM,
                                           .loop = ask->loop,
                                           .clock = clock_system(),
                                           .user_agent = STR("pharos-query") };
    enum err_code rc = http_client_create(&options, &client, err);
    if (rc == ERR_OK) {
        struct http_call_options c = { .url = url,
                                       .method = HTTP_GET,
                                       .accept_gzip = true,
                                       .timeout_ms = 130000,
                                       .body_bytes_max = ANSWER_BYTES_MAX,
                                       .decoded_bytes_max = ANSWER_BYTES_MAX };
        rc = http_call_create(client, &c, &call, err);
    }
    if (rc == ERR_OK) {
        struct http_call_start start = { .answer = answer, .done = on_done, .ctx = ask };
        rc = http_call_start(call, &start, err);
    }
    if (rc == ERR_OK) loop_run(ask->loop);
    http_call_destroy(call);
    http_client_destroy(client);
    loop_destroy(ask->loop);
    return rc;
}

static void put_param(struct buf *url, const char *name, struct str value)
{
    buf_printf(url, "&%s=", name);
    url_encode(value, URL_QUERY, url);
}

static void put_seconds(struct buf *url, const char *name, int64_t ts_ms)
{
    char text[TIME_TEXT_SIZE];
    put_param(url, name, (struct str){ text, time_format_seconds(ts_ms, text) });
}

static void build_url(const struct query_values *v, const char *expr, struct buf *url)
{
    int64_t now = clock_wall_ms(clock_system());
    bool is_range = v->since_ms || v->from;
    struct str base = str_of_z(v->url);
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    buf_put_str(url, base);
    buf_printf(url, "/api/v1/%s?query=", is_range ? "query_range" : "query");
    url_encode(str_of_z(expr), URL_QUERY, url);
    if (!is_range) {
        if (v->time) put_param(url, "time", str_of_z(v->time));
        return;
    }
    if (v->from) {
        put_param(url, "start", str_of_z(v->from));
    } else {
        put_seconds(url, "start", now - v->since_ms);
    }
    if (v->to) {
        put_param(url, "end", str_of_z(v->to));
    } else {
        put_seconds(url, "end", now);
    }
    int64_t step = v->since_ms / 100;
    if (v->step) {
        put_param(url, "step", str_of_z(v->step));
    } else {
        put_seconds(url, "step", step > 1000 ? step - step % 1000 : v->since_ms ? 1000 : 60000);
    }
}

/* ---- showing ---- */

struct table {
    struct json_reader *r;
    bool is_csv;
    size_t rows;
};

static const char *separator(const struct table *t)
{
    return t->is_csv ? "," : "  ";
}

/* A quote of a label; in CSV, where the whole metric is quoted, it is doubled. */
static const char *quote(const struct table *t)
{
    return t->is_csv ? "\"\"" : "\"";
}

/* Text of the server on a terminal: control characters do not get there. */
static void print_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
}

/* name{a="b",...} of the JSON object `text`. */
static void print_metric(const struct table *t, struct str text)
{
    bool any = false;
    struct str name = { "", 0 };
    struct json_reader again;
    json_reader_init(&again, text, t->r->arena);
    json_object(&again);
    for (struct str key; json_next_key(&again, &key);) {
        struct str value = json_str(&again);
        if (str_eq(key, STR("__name__"))) name = value;
    }
    if (t->is_csv) putchar('"');
    print_text(name);
    json_reader_init(&again, text, t->r->arena);
    json_object(&again);
    for (struct str key; json_next_key(&again, &key);) {
        struct str value = json_str(&again);
        if (str_eq(key, STR("__name__"))) continue;
        printf("%s", any ? "," : "{");
        print_text(key);
        printf("=%s", quote(t));
        print_text(value);
        printf("%s", quote(t));
        any = true;
    }
    if (any || name.len == 0) printf("%s", any ? "}" : "{}");
    if (t->is_csv) putchar('"');
    printf("%s", separator(t));
}

/* [seconds, "value"] */
static void print_point(struct table *t)
{
    json_array(t->r);
    struct str time = json_next_item(t->r) ? json_number(t->r) : (struct str){ "", 0 };
    struct str value = json_next_item(t->r) ? json_str(t->r) : (struct str){ "", 0 };
    (void)json_next_item(t->r);
    print_text(time);
    printf("%s", separator(t));
    print_text(value);
    putchar('\n');
    t->rows++;
}

static void print_series(struct table *t)
{
    struct str metric = { "{}", 2 };
    json_object(t->r);
    for (struct str key; json_next_key(t->r, &key);) {
        if (str_eq(key, STR("metric"))) {
            metric = json_raw(t->r);
            continue;
        }
        bool is_list = str_eq(key, STR("values"));
        if (is_list) json_array(t->r);
        while (!is_list || json_next_item(t->r)) {
            print_metric(t, metric);
            print_point(t);
            if (!is_list) break;
        }
    }
}

static void print_result(struct table *t, struct str type)
{
    bool is_list = str_eq(type, STR("vector")) || str_eq(type, STR("matrix"));
    if (!is_list) {
        print_point(t);
        return;
    }
    json_array(t->r);
    while (json_next_item(t->r))
        print_series(t);
}

/* Print data.result; returns the number of points, or SIZE_MAX when the answer makes no sense. */
static size_t print_answer(struct str text, struct arena *a, bool is_csv)
{
    struct json_reader r;
    struct table t = { &r, is_csv, 0 };
    struct str type = { "", 0 };
    json_reader_init(&r, text, a);
    json_object(&r);
    for (struct str key; json_next_key(&r, &key);) {
        if (!str_eq(key, STR("data"))) {
            json_skip(&r);
            continue;
        }
        json_object(&r);
        for (struct str inner; json_next_key(&r, &inner);) {
            if (str_eq(inner, STR("resultType"))) {
                type = json_str(&r);
            } else if (str_eq(inner, STR("result"))) {
                print_result(&t, type);
            } else {
                json_skip(&r);
            }
        }
    }
    return json_finish(&r, NULL) == ERR_OK ? t.rows : SIZE_MAX;
}

/* The "error" of an error envelope, else the text itself. */
static void print_error(struct str text, struct arena *a)
{
    struct json_reader r;
    struct str message = text;
    json_reader_init(&r, text, a);
    json_object(&r);
    for (struct str key; json_next_key(&r, &key);) {
        if (str_eq(key, STR("error"))) {
            message = json_str(&r);
        } else {
            json_skip(&r);
        }
    }
    fprintf(stderr, "pharos: " STR_FMT "\n", STR_ARG(str_trim(message)));
}

static int show(const struct query_values *v, struct str text, const struct ask *ask,
                struct arena *a)
{
    if (ask->status != 200) {
        print_error(text, a);
        return 1;
    }
    if (strcmp(v->output, "json") == 0) {
        printf("%.*s\n", (int)text.len, text.ptr);
        return 0;
    }
    size_t rows = print_answer(text, a, strcmp(v->output, "csv") == 0);
    if (rows == SIZE_MAX) {
        fprintf(stderr, "pharos: the answer is not one of the Prometheus API\n");
        return 1;
    }
    return rows == 0 && v->fail_empty ? EXIT_EMPTY : 0;
}

static int ask_and_show(const struct query_values *v, const char *expr, struct mem_budget *mem)
{
    const struct mem_source *source = mem_source_of(mem, MEM_SYSTEM);
    struct ask ask = { 0 };
    struct err err = { 0 };
    struct buf url, answer;
    struct arena arena;
    buf_init(&url, source, URL_BYTES_MAX);
    buf_init(&answer, source, ANSWER_BYTES_MAX);
    arena_init(&arena, source, ANSWER_BYTES_MAX);
    build_url(v, expr, &url);
    int exit_code = 1;
    if (fetch(mem, buf_str(&url), &answer, &ask, &err) != ERR_OK) {
        fprintf(stderr, "pharos: %s: %s\n", v->url, err.detail[0] ? err.detail : err.msg);
    } else if (ask.code != ERR_OK) {
        fprintf(stderr, "pharos: cannot reach %s: %s\n", v->url, ask.error);
        exit_code = EXIT_UNREACHABLE;
    } else {
        exit_code = show(v, buf_str(&answer), &ask, &arena);
    }
    arena_deinit(&arena);
    buf_deinit(&answer);
    buf_deinit(&url);
    return exit_code;
}

static bool check_values(const struct query_values *v)
{
    static const char *const FORMS[] = { "table", "json", "csv" };
    bool is_form = false;
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++)
        is_form |= strcmp(v->output, FORMS[i]) == 0;
    if (!is_form) {
        fprintf(stderr, "pharos: --output is table, json or csv, not \"%s\"\n", v->output);
        return false;
    }
    if ((v->to || v->step) && !v->since_ms && !v->from) {
        fprintf(stderr, "pharos: --to and --step belong to a range query: add --since or --from\n");
        return false;
    }
    if (v->time && (v->since_ms || v->from)) {
        fprintf(stderr,
                "pharos: --time belongs to an instant query: leave --since and --from out\n");
        return false;
    }
    return true;
}

int cli_query(int argc, char **argv)
{
    struct query_values v = { 0 };
    struct cli_args args;
    if (!cli_parse(&ALL, argc, argv, &v, &args)) return 2;
    if (args.wants_help) {
        usage(stdout);
        return 0;
    }
    size_t first = args.positional_count && strcmp(args.positional[0], "promql") == 0 ? 1 : 0;
    if (args.positional_count != first + 1) {
        usage(stderr);
        return 2;
    }
    if (!check_values(&v)) return 2;
    struct mem_budget *mem = mem_budget_create(0);
    if (!mem) return 1;
    int exit_code = ask_and_show(&v, args.positional[first], mem);
    mem_budget_destroy(mem);
    return exit_code;
}
