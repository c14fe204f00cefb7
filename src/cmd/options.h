/* The options of a command that asks no daemon: one loop for all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_MOST 8

/* Where an option goes: true to `flag`, or its value to `value`. */
struct option_place {
	const char *name; /* behind two dashes; NULL ends a list */
	char letter;      /* behind one, or 0: it has none */
	bool *flag;
	const char **value;
};

struct option_usage {
	const char *text; /* of --help and, on standard error, of wrong usage */
	int least, most;  /* operands; they are argv[optind...] afterwards. most 0: none, -1: any number */
};

/* -1: go on; otherwise exit with this. --help and -h are known everywhere. */
int options_read(int argc, char **argv, const struct option_place *place, const struct option_usage *usage);
