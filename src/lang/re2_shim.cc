/* The only C++ of gantry.  Nothing throws but for want of memory; nobody catches that, so that it
 * ends the program, as it does everywhere else. */
#include "lang/re2_shim.h"

#include <re2/re2.h>

#include <cstdio>

struct re2_program {
    re2_program(re2::StringPiece pattern, const RE2::Options &options) : re(pattern, options)
    {
    }
    RE2 re;
};

/* Go's words, which users of OPA know; RE2's own differ in half of the cases. */
static const char *what_is_wrong(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape:
        return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
        return "invalid character class";
    case RE2::ErrorBadCharRange:
        return "invalid character class range";
    case RE2::ErrorMissingBracket:
        return "missing closing ]";
    case RE2::ErrorMissingParen:
        return "missing closing )";
    case RE2::ErrorUnexpectedParen:
        return "unexpected )";
    case RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
        return "invalid repeat count";
    case RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
        return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
        return "invalid named capture";
    case RE2::ErrorPatternTooLarge:
        return "expression too large";
    case RE2::NoError:
    case RE2::ErrorInternal:
        break;
    }
    return "internal error";
}

struct re2_program *re2_compile(const char *pattern, size_t len, size_t memory_bytes,
                                struct re2_problem *problem)
{
    RE2::Options options;

    options.set_log_errors(false);
    options.set_max_mem(static_cast<int64_t>(memory_bytes));
    re2_program *program = new re2_program(re2::StringPiece(pattern, len), options);
    if (program->re.ok())
        return program;
    RE2::ErrorCode code = program->re.error_code();
    problem->what = what_is_wrong(code);
    /* The argument of "too large" is nothing that is in the pattern. */
    snprintf(problem->part, sizeof(problem->part), "%s",
             code == RE2::ErrorPatternTooLarge ? "" : program->re.error_arg().c_str());
    delete program;
    return nullptr;
}

void re2_free(struct re2_program *program)
{
    delete program;
}

size_t re2_groups(const struct re2_program *program)
{
    return static_cast<size_t>(program->re.NumberOfCapturingGroups());
}

size_t re2_group_number(const struct re2_program *program, const char *name)
{
    const auto &names = program->re.NamedCapturingGroups();
    auto found = names.find(name);

    return found != names.end() ? static_cast<size_t>(found->second) : 0;
}

size_t re2_size(const struct re2_program *program)
{
    return static_cast<size_t>(program->re.ProgramSize());
}

bool re2_search(const struct re2_program *program, const char *text, size_t len, size_t start,
                struct re2_range *ranges, size_t count)
{
    re2::StringPiece found[RE2_RANGES_MAX];

    if (!program->re.Match(re2::StringPiece(text, len), start, len, RE2::UNANCHORED, found,
                           static_cast<int>(count)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (found[i].data() == nullptr)
            ranges[i] = {RE2_UNSET, RE2_UNSET};
        else
            ranges[i] = {static_cast<size_t>(found[i].data() - text),
                         static_cast<size_t>(found[i].data() - text) + found[i].size()};
    return true;
}
