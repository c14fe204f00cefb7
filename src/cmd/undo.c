/* `jumpvpnd undo`: takes back what a client that was killed has left of the machine's name servers. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "config/config.h"
#include "worker/resolv.h"

static const char usage[] =
	"usage: jumpvpnd undo -c FILE\n\n"
	"Gives the machine its own name servers back after a client that could not do so itself, because it\n"
	"was killed. Nothing to take back is no error. For ExecStopPost= of the client's unit; a client that\n"
	"starts does the same.\n\n"
	"  -c FILE      the client's configuration file\n\n" CMD_EXIT_CODES;

static int undo(const struct config *c)
{
	uv_loop_t loop;
	struct resolv *r;

	if (uv_loop_init(&loop) < 0)
		return EXIT_NO;
	r = resolv_new(c->tunnel.name, c->control_socket, &loop);
	if (r)
		(void)resolv_start(r);
	resolv_free(r);
	resolv_finish(&loop);
	uv_loop_close(&loop);
	return r ? EXIT_DONE : EXIT_NO;
}

int cmd_undo(int argc, char **argv)
{
	const char *file = NULL;
	const struct option_place places[] = { { .name = "config", .letter = 'c', .value = &file },
					       { NULL } };
	const struct option_usage operands = { usage, .least = 0, .most = 0 };
	struct config_errors errors, notes;
	struct config *c;
	int code = options_read(argc, argv, places, &operands);

	if (code >= 0)
		return code;
	if (!file) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	c = config_check(file, &errors, &notes);
	for (size_t i = 0; i < errors.count; i++) {
		char *line = config_error_format(&errors.list[i]);

		if (line)
			fputs(line, stderr);
		free(line);
	}
	code = c ? c->role == ROLE_CLIENT ? undo(c) : EXIT_DONE : EXIT_NO;
	config_free(c);
	config_errors_free(&errors);
	config_errors_free(&notes);
	return code;
}
