/* jumpvpnd: picks the subcommand. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cmd.h"

static const struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
#define X(name, function, summary) { #name, summary, cmd_##function },
	CMD_LIST(X)
#undef X
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static int help(FILE *out)
{
	fprintf(out, "usage: jumpvpnd COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s  %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\n\"jumpvpnd COMMAND --help\" tells more; so do jumpvpnd(8) and jumpvpnd.yaml(5).\n");
	return out == stdout ? EXIT_DONE : EXIT_USAGE;
}

static int unknown(const char *name)
{
	const struct command *nearest = &commands[0];

	for (size_t i = 1; i < COMMANDS; i++) {
		if (edit_distance(name, commands[i].name) < edit_distance(name, nearest->name))
			nearest = &commands[i];
	}
	fprintf(stderr, "jumpvpnd: there is no command \"%s\"", name);
	if (edit_distance(name, nearest->name) <= 2)
		fprintf(stderr, "; did you mean \"%s\"?", nearest->name);
	fprintf(stderr, "\n\"jumpvpnd help\" lists the commands.\n");
	return EXIT_USAGE;
}

/* What is opened first must not become the place where messages go: stdin, stdout, stderr lead somewhere. */
static bool open_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!open_streams()) {
		fputs("jumpvpnd: stdin, stdout or stderr is closed, and /dev/null cannot be opened in its place\n", stderr);
		return EXIT_NO;
	}
	if (!name[0])
		return help(stderr);
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
		return help(stdout);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	return unknown(name);
}
