/* gantry policy fmt. */
#include "cli/policy.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "lang/rego/fmt.h"

#include <stdio.h>

enum { OUTPUT_MAX = 64 * 1024 * 1024 };

struct fmt_options {
    bool write, check, v0, v1;
};

/* 0, or 1 if the file differs and only a check was asked for, or -1. */
static int format_file(const char *path, const struct fmt_options *options, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(OUTPUT_MAX);
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    enum rego_version version = options->v0 ? REGO_V0 : options->v1 ? REGO_V1 : REGO_AUTO;
    size_t len;

    if (file_read(path, POLICY_FILE_MAX, &text, &len, err) == -1)
        return -1;
    if (!rego_format(path, (struct span){text, len}, version, &out, &diags)) {
        policy_show_diags(&diags);
        return error_set(err, ERROR_INVALID, "\"%s\" is no policy", path);
    }
    bool same = span_eq(buf_span(&out), (struct span){text, len});
    if (options->check) {
        if (!same)
            printf("%s\n", path);
        return same ? 0 : 1;
    }
    if (!options->write) {
        fwrite(out.ptr, 1, out.len, stdout);
        return 0;
    }
    return same ? 0 : file_write(path, out.ptr, out.len, 0644, err);
}

int policy_fmt(const struct command *self, int argc, char **argv)
{
    struct fmt_options options = {0};
    const struct option_spec specs[] = {
        {"write", 'w', OPTION_FLAG, &options.write, NULL, "write the files"},
        {"check", 0, OPTION_FLAG, &options.check, NULL, "only name the files that would change"},
        {"v0", 0, OPTION_FLAG, &options.v0, NULL, "files are Rego v0"},
        {"v1", 0, OPTION_FLAG, &options.v1, NULL, "files are Rego v1"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);

    if (status == -1 && words.len == 0)
        return command_usage(self, "a file is expected");
    int worst = EXIT_OK;
    for (size_t i = 0; status == -1 && i < words.len; i++) {
        struct error *err = NULL;
        int result = format_file(words.ptr[i], &options, &err);
        if (result == -1)
            worst = command_fail(err);
        else if (result == 1)
            worst = EXIT_FAILED;
    }
    return status != -1 ? status : worst;
}
