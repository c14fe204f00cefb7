/* A configuration being read: what its readers share, and the messages they leave. */
#pragma once

#include <stdarg.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/node.h"

enum parse_bounds {
	PARSE_PATH_MAX = 256, /* of a key's path in messages; longer ones are cut */
	PARSE_FILE_MAX = 256 * 1024 * 1024,
	PARSE_ERRORS_MAX = 50,
};

struct source { /* a file that was read */
	char *file;
	struct tree tree;
};

struct place { /* where a peer stands, for messages about two of them */
	const struct node *node;
	const char *file;
	bool in_dir; /* in a file of its own directory: its path has no "peers" */
	size_t index;
};

struct parse {
	struct config *config;
	struct config_errors *errors;
	struct config_errors *notes; /* NULL: a key file that is not there is an error */
	const char *file;            /* being read; for messages */
	char *dir;                   /* relative paths start here; NULL: the current directory */
	char path[PARSE_PATH_MAX];   /* of the key being read; for messages */
	size_t path_len;
	bool no_memory;
	struct source *sources; /* the main file first */
	size_t nsources;
	struct place *places; /* of config->peers */
};

void parse_error(struct parse *p, struct mark at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void parse_note(struct parse *p, struct mark at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* By file (`main` first, then by name) and position. */
void parse_sort(struct config_errors *e, const char *main);

enum { CLIP_MAX = 64 };

struct clip {
	char text[CLIP_MAX + 4];
};

/* A value as messages show it. */
struct clip parse_clip(const char *text);

/* The path of the key that messages speak of. What was pushed is popped by what the push answered. */
void parse_path_reset(struct parse *p);
size_t parse_path_push(struct parse *p, const char *key);
size_t parse_path_index(struct parse *p, size_t index);
void parse_path_pop(struct parse *p, size_t len);
