/* What the parts of the configuration reader share while one configuration is being read. */
#pragma once

#include <stdarg.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/yaml.h"

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

/* --- error.c --- */

void errors_add(struct config_errors *e, const char *file, struct mark at, const char *path, const char *fmt,
		va_list ap) __attribute__((format(printf, 5, 0)));
/* By file (`main` first, then by name) and position. */
void errors_sort(struct config_errors *e, const char *main);
void parse_error(struct parse *p, struct mark at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void parse_note(struct parse *p, struct mark at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void keypath_reset(struct parse *p);
/* Answers what keypath_pop() takes. */
size_t keypath_push(struct parse *p, const char *key);
size_t path_push_index(struct parse *p, size_t index);
void keypath_pop(struct parse *p, size_t len);

/* --- read.c --- */

/* Reads one value into its place. Only for NODE_TEXT, or, for lists, each element. */
void read_value(struct parse *p, const struct key *k, void *base, const struct node *n);
/* Walks a mapping by a table; tells unknown keys, keys of the other role, and missing ones. */
void read_map(struct parse *p, const struct key_table *t, void *base, const struct node *map);
/* Writes the defaults of a table. */
void read_defaults(struct parse *p, const struct key_table *t, void *base);
/* A newly allocated path, relative ones resolved; NULL without memory. */
char *resolve_path(struct parse *p, const char *path);

/* --- value.c: one text to one value; false after telling the error --- */

bool value_read(struct parse *p, const struct key *k, const struct node *n, void *out);

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

enum { CLIP_MAX = 64 };

struct clip {
	char text[CLIP_MAX + 4];
};

/* A value as messages show it. */
struct clip clip(const char *text);
bool all_digits(const char *s);
/* What the kernel takes for an interface's name, less what would need quoting in a shell or a log. */
bool is_interface(const char *s);

/* --- address.c: the same for these types --- */

bool value_ip(struct parse *p, const struct key *k, const struct node *n, void *out);
bool value_prefix(struct parse *p, const struct key *k, const struct node *n, void *out);
bool value_endpoint(struct parse *p, const struct key *k, const struct node *n, void *out);
bool value_listen(struct parse *p, const struct key *k, const struct node *n, void *out);
bool value_remote(struct parse *p, const struct key *k, const struct node *n, void *out);

/* --- keyfile.c --- */

/* Reads a key file into `out`; a missing one is a note where notes are taken, and `out` stays zero. */
bool keyfile_read(struct parse *p, const struct key *k, const struct node *n, const char *file,
		  uint8_t out[32]);

/* --- load.c --- */

/* The whole file, to a newly allocated buffer; 0 or -errno. */
int read_file(const char *file, char **text, size_t *len);
/* Reads one more file; its tree's root, or NULL after telling the error. */
const struct node *source_add(struct parse *p, const char *file, const char *text, size_t len);

/* --- peers.c --- */

/* All peers, of the main file and of peers_dir, and the checks among them. */
void peers_read(struct parse *p, const struct node *root);
/* Gives peers without lists of their own the server's. */
void peers_inherit(struct config *c);
/* 0 or -ENOMEM. When push.routes is not set, it becomes the networks of tunnel.addresses. */
int push_routes_default(struct config *c);
/* Index in peers by key; see config_find_peer(). 0 or -ENOMEM. */
int peers_index(struct config *c);
