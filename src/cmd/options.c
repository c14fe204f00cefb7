#include "cmd/options.h"

#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "cmd/cmd.h"

#define FIRST 256 /* an option without a letter, by its place */

static int wrong(const struct option_usage *usage)
{
	fputs(usage->text, stderr);
	return EXIT_USAGE;
}

/* What getopt_long() is to know; `shorts` has room for two characters an option, and "h". */
static void prepare(const struct option_place *place, struct option *longs, char *shorts)
{
	size_t n = 0;

	*shorts++ = 'h';
	for (; place[n].name; n++) {
		const int has = place[n].value ? required_argument : no_argument;
		const int letter = (unsigned char)place[n].letter;

		if (n == OPTIONS_MOST)
			bug("a command with more than %d options", OPTIONS_MOST);
		longs[n] = (struct option){ place[n].name, has, NULL, letter ? letter : FIRST + (int)n };
		if (!letter)
			continue;
		*shorts++ = place[n].letter;
		if (place[n].value)
			*shorts++ = ':';
	}
	longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
	*shorts = '\0';
}

static bool take(const struct option_place *place, const struct option *longs, int c)
{
	for (size_t n = 0; place[n].name; n++) {
		if (longs[n].val != c)
			continue;
		if (place[n].value)
			*place[n].value = optarg;
		else
			*place[n].flag = true;
		return true;
	}
	return false;
}

int options_read(int argc, char **argv, const struct option_place *place, const struct option_usage *usage)
{
	struct option longs[OPTIONS_MOST + 2] = { 0 };
	char shorts[2 * OPTIONS_MOST + 2];
	int c;

	prepare(place, longs, shorts);
	optind = 0; /* start afresh */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage->text, stdout);
			return EXIT_DONE;
		}
		if (!take(place, longs, c))
			return wrong(usage);
	}
	if (argc - optind < usage->least || (usage->most >= 0 && argc - optind > usage->most))
		return wrong(usage);
	return -1;
}
