/* run: the daemon itself. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "config.h"

#include "base/log.h"
#include "cmd/cmd.h"
#include "worker/daemon.h"

static const char help[] =
	"Usage: jumpvpnd run -c FILE [-v] [--journal]\n"
	"\n"
	"Runs in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration again.\n"
	"\n"
	"  -c, --config FILE   the configuration, see jumpvpnd.yaml(5)\n"
	"  -v, --verbose       log debug messages too\n"
	"      --journal       prefix log lines with their severity, for systemd's journal\n"
	"  -h, --help          this text\n"
	"\n"
	"Exit codes: 0 done, 1 it could not start or failed, 2 usage, 78 the configuration is wrong.\n";

/* Key material must not end in a core file; a daemon that holds keys of thousands is no place to debug. (More of this: see
 * privileges_hide().) */
static void no_core_files(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
}

int cmd_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "journal", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *file = NULL;
	int opt;

	if (getenv("JOURNAL_STREAM"))
		log_set_journal(true);
	while ((opt = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'j':
			log_set_journal(true);
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_DONE;
		default:
			fputs("Try: jumpvpnd run --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (!file || optind != argc) {
		fputs("jumpvpnd run: which configuration? -c FILE, and nothing else\nTry: jumpvpnd run --help\n", stderr);
		return EXIT_USAGE;
	}
	no_core_files();
	return daemon_run(file);
}
