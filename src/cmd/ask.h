/* What every command that talks to a running daemon does: options, one request, its answer, exit codes. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

enum ask_takes { /* beside --socket, --json and --help */
	ASK_FOLLOW = 1 << 0,  /* -f, --follow */
	ASK_SESSION = 1 << 1, /* --session ID */
};

struct ask_options {
	const char *name; /* of the command, for messages */
	const char *socket;
	bool json;
	bool follow;
	const char *session;
};

/* How a command is used: its synopsis behind "jumpvpnd NAME", what it does, and what it takes. */
struct ask_usage {
	const char *synopsis;
	const char *text;
	unsigned int takes; /* enum ask_takes */
	int least, most;    /* operands; they are argv[optind...] afterwards */
};

/* -1: go on; otherwise exit with this. */
int ask_options(struct ask_options *o, int argc, char **argv, const struct ask_usage *usage);

struct ask; /* a connection */

/* Connects and asks (takes `request`); EXIT_DONE, or what went wrong has been said. Then *out must be closed. */
int ask_open(struct ask **out, const struct ask_options *o, json_t *request);
/* The next line as JSON, or NULL at the end; *text (may be NULL) is the line itself until the next call. */
json_t *ask_next(struct ask *c, const char **text);
/* From here on the next line may take as long as it likes. */
void ask_wait_forever(struct ask *c);
void ask_close(struct ask *c);

/*
 * One request and its answer. EXIT_DONE: *answer is the answer, and with --json it has been printed. Otherwise a
 * message has been printed and *answer is NULL.
 */
int ask_call(const struct ask_options *o, json_t *request, json_t **answer);
/* Did the daemon say yes? Says on stderr why not. */
bool ask_accepted(const struct ask_options *o, const json_t *answer);
/* Is colour welcome on standard output? */
bool ask_colour(void);
