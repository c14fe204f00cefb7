/*
 * Several audit logs read as one row of lines.
 *
 * Files of one daemon are put in order, oldest first: those that share a run, build on one another's chain, or have
 * one name but for a rotation suffix (audit.jsonl, audit.jsonl.1, audit.jsonl-20261122). Different daemons (two ends,
 * several nodes) are merged by the wall clock.
 */
#pragma once

#include "report/decode.h"

struct logs;

struct logs_line {
	unsigned int daemon; /* from 0 */
	unsigned int file;   /* index of its path */
	bool new_file;       /* the first line that this daemon's next file gives */
	uint64_t number;     /* of the line in the file */
	const char *text;
	const char *bad; /* NULL, or why it cannot be read: then `read` is not valid */
	bool torn;           /* and the file ends in it */
	struct decoded read;
};

/* NULL, having said why on standard error. `paths` must live as long. */
struct logs *logs_open(char **paths, unsigned int n);
void logs_close(struct logs *l);
/* False at the end; *failed tells whether a file could not be read to its end (and standard error why). */
bool logs_next(struct logs *l, struct logs_line **out, bool *failed);
unsigned int logs_daemons(const struct logs *l);
/* The files of a daemon in the order they are read, as indices of paths; how many. */
unsigned int logs_files(const struct logs *l, unsigned int daemon, const unsigned int **files);
