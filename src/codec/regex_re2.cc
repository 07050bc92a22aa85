/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/regex_re2.h"

#include <re2/re2.h>

#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>

struct re2_engine {
    re2_engine(re2::StringPiece pattern, const RE2::Options &options, RE2::Anchor where)
        : re(pattern, options), anchor(where)
    {
    }
    RE2 re;
    RE2::Anchor anchor;
};

namespace {

/* An instruction and its share of the one-pass and reverse programs. */
constexpr size_t bytes_per_instruction = 64;

const char *go_text(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape: return "invalid escape sequence";
    case RE2::ErrorBadCharClass: return "invalid character class";
    case RE2::ErrorBadCharRange: return "invalid character class range";
    case RE2::ErrorMissingBracket: return "missing closing ]";
    case RE2::ErrorMissingParen: return "missing closing )";
    case RE2::ErrorUnexpectedParen: return "unexpected )";
    case RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize: return "invalid repeat count";
    case RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8: return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture: return "invalid named capture";
    case RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "internal error";
    }
}

void fill(re2_error *error, re2_failure failure, const char *text, const std::string &fragment)
{
    error->failure = failure;
    error->text = text;
    size_t len = fragment.size();
    if (len >= sizeof error->fragment) len = sizeof error->fragment - 1;
    std::memcpy(error->fragment, fragment.data(), len);
    error->fragment[len] = '\0';
}

/* Out of memory while matching is "no match": there is nothing better to say, and the budget sheds
 * load long before. */
bool match(const re2_engine &engine, re2::StringPiece text, size_t from, re2::StringPiece *found,
           int count)
{
    try {
        return engine.re.Match(text, from, text.size(), engine.anchor, found, count);
    } catch (const std::bad_alloc &) {
        return false;
    }
}

} // namespace

re2_engine *re2_engine_create(re2_slice pattern, bool is_full, size_t memory_max,
                              re2_error *out_error)
{
    try {
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(static_cast<int64_t>(memory_max));
        options.set_dot_nl(is_full);
        std::unique_ptr<re2_engine> engine(
            new re2_engine(re2::StringPiece(pattern.ptr, pattern.len), options,
                           is_full ? RE2::ANCHOR_BOTH : RE2::UNANCHORED));
        const RE2 &re = engine->re;
        if (!re.ok()) {
            bool is_too_large = re.error_code() == RE2::ErrorPatternTooLarge;
            fill(out_error, is_too_large ? RE2_TOO_LARGE : RE2_SYNTAX, go_text(re.error_code()),
                 re.error_arg());
            return nullptr;
        }
        return engine.release();
    } catch (const std::bad_alloc &) {
        fill(out_error, RE2_NOMEM, "no memory", std::string());
        return nullptr;
    }
}

void re2_engine_destroy(re2_engine *engine)
{
    delete engine;
}

bool re2_engine_match(const re2_engine *engine, re2_slice text, size_t from, re2_slice *groups,
                      size_t count)
{
    if (count == 0) return match(*engine, re2::StringPiece(text.ptr, text.len), from, nullptr, 0);
    constexpr size_t group_max = 65;
    const re2::StringPiece subject(text.ptr, text.len);
    re2::StringPiece found[group_max];
    if (count > group_max) count = group_max;
    if (!match(*engine, subject, from, found, static_cast<int>(count))) return false;
    for (size_t i = 0; i < count; i++)
        groups[i] = re2_slice{ found[i].data(), found[i].size() };
    return true;
}

size_t re2_engine_group_count(const re2_engine *engine)
{
    return static_cast<size_t>(engine->re.NumberOfCapturingGroups());
}

re2_slice re2_engine_group_name(const re2_engine *engine, size_t index)
{
    const std::map<int, std::string> &names = engine->re.CapturingGroupNames();
    auto found = names.find(static_cast<int>(index));
    if (found == names.end()) return re2_slice{ "", 0 };
    return re2_slice{ found->second.data(), found->second.size() };
}

size_t re2_engine_bytes(const re2_engine *engine)
{
    int size = engine->re.ProgramSize() + engine->re.ReverseProgramSize();
    return sizeof(re2_engine) + static_cast<size_t>(size > 0 ? size : 0) * bytes_per_instruction;
}
