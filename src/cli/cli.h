/* SPDX-License-Identifier: Apache-2.0
 *
 * cli - the subcommands. Each takes the arguments after its name and returns the exit code: 0 ok, 1
 * failed, 2 usage or invalid configuration, 5 server cannot be reached.
 */
#ifndef PHAROS_CLI_CLI_H
#define PHAROS_CLI_CLI_H

/* Dispatch: argv[0] is the program. */
int cli_main(int argc, char **argv);

int cli_serve(int argc, char **argv);
int cli_query(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_version(int argc, char **argv);

#endif
