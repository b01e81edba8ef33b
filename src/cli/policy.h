/* gantry policy: what its subcommands share.
 *
 * May use: base, lang, validation.  Threads: main only.
 */
#pragma once

#include "cli/command.h"
#include "cli/options.h"
#include "validation/policy_files.h"

int policy_eval(const struct command *self, int argc, char **argv);
int policy_test(const struct command *self, int argc, char **argv);
int policy_check(const struct command *self, int argc, char **argv);
int policy_fmt(const struct command *self, int argc, char **argv);
int policy_explain(const struct command *self, int argc, char **argv);
int policy_bench(const struct command *self, int argc, char **argv);
int policy_list(const struct command *self, int argc, char **argv);

/* Where policies come from, and in which version of the language. */
struct policy_options {
    struct word_list paths;
    bool v0, v1;
};
enum { POLICY_OPTION_COUNT = 3 };
/* Fills the first rows of SPECS. */
void policy_options_specs(struct policy_options *options,
                          struct option_spec specs[POLICY_OPTION_COUNT]);

/* Reads the files of OPTIONS and of MORE (may be NULL), or the default policies if there are none,
 * and compiles them.  NULL after telling what is wrong. */
struct rego *policy_compile(const struct policy_options *options, const struct word_list *more,
                            bool no_index);
/* Shows diagnostics on standard error. */
void policy_show_diags(const struct lang_diags *diags);

/* Reads a JSON file ("-" for standard input) into ARENA. */
int policy_read_input(const char *path, struct arena *arena, const struct rval **input,
                      struct error **err);

/* --- machines of a home that runs; policy_vm.c ------------------------------------------------- */

/* Reads the workload of VM ("NAME", "PROVIDER/NAME"; ids do as well) from the home in DIR (may be
 * NULL) into ARENA; *PACKAGE becomes that of its provider's rules.  A name without a provider is
 * looked for in all of namespace NS. */
int policy_read_vm(const char *dir, const char *ns, const char *vm, struct arena *arena,
                   const struct rval **input, const char **package, struct error **err);

/* The rules that are in force in the home in DIR (may be NULL): the default policies and users', as
 * its gantryd took them last.  NULL after telling why. */
struct rego *policy_compile_home(const char *dir);
