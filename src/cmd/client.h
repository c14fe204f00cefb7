/* What every command that talks to a running daemon does: options, one request, one answer, exit codes. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum client_takes {                          /* beside --socket, --json and --help */
		    CLIENT_FOLLOW = 1 << 0,  /* -f, --follow */
		    CLIENT_SESSION = 1 << 1, /* --session ID */
};

struct client_options {
	const char *name; /* of the command, for messages */
	const char *socket;
	bool json;
	bool follow;
	const char *session;
};

/* How a command is used: its synopsis behind "jumpvpnd NAME", what it does, and what it takes. */
struct client_usage {
	const char *synopsis;
	const char *text;
	unsigned int takes; /* enum client_takes */
	int least, most;    /* operands; they are argv[optind...] afterwards */
};

/* -1: go on; otherwise exit with this. */
int client_options(struct client_options *o, int argc, char **argv, const struct client_usage *usage);

struct client;

/* Connects and asks (takes `request`); EXIT_DONE, or what went wrong has been said. Then *out must be closed. */
int client_ask(struct client **out, const struct client_options *o, json_t *request);
/* The next line as JSON, or NULL at the end; *text (may be NULL) is the line itself until the next call. */
json_t *client_next(struct client *c, const char **text);
/* From here on the next line may take as long as it likes. */
void client_wait_forever(struct client *c);
void client_close(struct client *c);

/*
 * One request and its answer. EXIT_DONE: *answer is the answer, and with --json it has been printed. Otherwise a
 * message has been printed and *answer is NULL.
 */
int client_call(const struct client_options *o, json_t *request, json_t **answer);
/* The same for a command whose answer is a note. */
int client_command(const struct client_options *o, json_t *request);
/*
 * A whole command that is told a session, if anything: its request is its name, and that session. The answer is a note, or
 * what `render` shows.
 */
int client_tell(int argc, char **argv, const struct client_usage *usage);
int client_view(int argc, char **argv, const struct client_usage *usage,
		void (*render)(FILE *out, const json_t *answer, bool colour));
/* Did the daemon say yes? Says on stderr why not. */
bool client_accepted(const struct client_options *o, const json_t *answer);
void client_print_json(const json_t *o);
/* Is colour welcome on standard output? */
bool client_colour(void);
