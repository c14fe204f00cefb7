/*
 * The types of values, a row each: how one is read from a text of the file, written, compared and copied.
 *
 * YAML's guesses are errors here: what one reader takes for a boolean, an octal number or nothing at all must be
 * written so that every reader takes it for the same.
 */
#pragma once

#include <stdio.h>

#include "config/parse.h"

enum key_shape {
	KEY_IS_VALUE, /* lies in the struct */
	KEY_IS_LIST,  /* a pointer to as many elements as a member beside it says, owned */
	KEY_IS_TEXT,  /* a pointer to a text or NULL, owned */
	KEY_IS_APART, /* read and kept by others than the schema's walkers */
};

struct word { /* and the number that it stands for */
	const char *text;
	uint32_t value;
};

struct key_type {
	const char *what; /* for messages: "expected ..." */
	size_t size;      /* of the value, or of an element; 0: the key says */
	enum key_shape shape;
	bool is_secret;
	const struct key_table *table; /* of what is a mapping, or a list of such; it has nothing of what follows */
	const struct word *words;      /* that are allowed; of a number, beside numbers. NULL ends them */
	const char *first, *rest;      /* of a name: the characters it may have */
	const char *wrong, *also;      /* for messages: what is no such value, and what is allowed beside */
	bool (*read)(struct parse *p, const struct key *k, const struct node *n, void *out);
	void (*write)(FILE *to, const struct key *k, const void *at);
	bool (*same)(const void *a, const void *b); /* NULL: where all bytes are */
};

extern const struct key_type value_types[KEY_KINDS];

static inline const struct key_type *value_type(const struct key *k)
{
	return &value_types[k->kind];
}

static inline size_t value_size(const struct key *k)
{
	return value_type(k)->size ? value_type(k)->size : k->size;
}

/* One text to one value or element at `out`; false after telling the error. */
bool value_read(struct parse *p, const struct key *k, const struct node *n, void *out);

/* Of the struct of the key's table: */
void value_write(FILE *to, const struct key *k, const void *base);
bool value_default(const struct key *k, void *base); /* false without memory */
bool value_same(const struct key *k, const void *a, const void *b);
/* In place of what `to` has: 0 or -ENOMEM. */
int value_copy(const struct key *k, void *to, const void *from);
/* All values of a table: frees what they point at, and wipes the secrets. */
void value_free(const struct key_table *t, void *base);
