#include "report/logs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/lines.h"

struct file {
	const char *path;
	struct lines *lines;
	unsigned int daemon;
	bool has_first, has_last;
	struct decoded first, last; /* of its whole lines */
};

struct source { /* one daemon */
	unsigned int *file;
	unsigned int files, at;
	bool ended, peeked;
	struct logs_line line;
};

struct logs {
	unsigned int nfiles, nsources;
	bool failed;
	struct file *file;
	unsigned int *order; /* of all sources, one behind the other */
	struct source *source;
};

/* --- which files belong together, and in which order --- */

static void peek(struct file *f)
{
	char text[AUDIT_LINE_MAX];
	const size_t len = lines_last(f->lines, text, sizeof(text));
	struct lines *again = strcmp(f->path, "-") == 0 ? NULL : lines_open(f->path);
	struct line first;

	f->has_last = len > 0 && !decode(&f->last, text, len);
	f->has_first = again && lines_next(again, &first) && !decode(&f->first, first.text, first.len);
	lines_close(again);
}

/* The length of a name without what a rotation appends. */
static size_t stem(const char *path)
{
	size_t len = strlen(path);

	for (;;) {
		size_t n = len;

		while (n > 0 && path[n - 1] >= '0' && path[n - 1] <= '9')
			n--;
		if (n == len || n < 2 || (path[n - 1] != '.' && path[n - 1] != '-'))
			return len;
		len = n - 1;
	}
}

static bool same_run(const struct decoded *a, const struct decoded *b)
{
	return memcmp(a->run, b->run, sizeof(a->run)) == 0;
}

static bool is_followed(const struct file *a, const struct file *b)
{
	return a->has_last && b->has_first && b->first.has_prev &&
	       memcmp(a->last.chain, b->first.prev, AUDIT_CHAIN_LEN) == 0;
}

static bool belong_together(const struct file *a, const struct file *b)
{
	const size_t len = stem(a->path);

	if (len == stem(b->path) && memcmp(a->path, b->path, len) == 0)
		return true;
	if (is_followed(a, b) || is_followed(b, a))
		return true;
	return (a->has_first && b->has_first && same_run(&a->first, &b->first)) ||
	       (a->has_last && b->has_first && same_run(&a->last, &b->first)) ||
	       (a->has_first && b->has_last && same_run(&a->first, &b->last));
}

/* Runs are told apart by time, lines of one run by number. */
static bool comes_before(const struct file *a, const struct file *b)
{
	if (!a->has_first || !b->has_first)
		return false;
	if (same_run(&a->first, &b->first))
		return a->first.r.seq < b->first.r.seq;
	return a->first.r.ts_ms < b->first.r.ts_ms;
}

static void group(struct logs *l)
{
	for (unsigned int i = 0; i < l->nfiles; i++)
		l->file[i].daemon = i;
	for (unsigned int i = 0; i < l->nfiles; i++) {
		for (unsigned int j = 0; j < i; j++) {
			const unsigned int from = l->file[i].daemon, to = l->file[j].daemon;

			if (from == to || !belong_together(&l->file[i], &l->file[j]))
				continue;
			for (unsigned int k = 0; k < l->nfiles; k++)
				if (l->file[k].daemon == from)
					l->file[k].daemon = to;
		}
	}
}

static void put_in_order(struct logs *l, struct source *s, unsigned int daemon, unsigned int *order)
{
	s->file = order;
	for (unsigned int i = 0; i < l->nfiles; i++) {
		unsigned int at = s->files;

		if (l->file[i].daemon != daemon)
			continue;
		for (; at > 0 && comes_before(&l->file[i], &l->file[order[at - 1]]); at--)
			order[at] = order[at - 1];
		order[at] = i;
		s->files++;
	}
}

static bool open_all(struct logs *l, char **paths)
{
	for (unsigned int i = 0; i < l->nfiles; i++) {
		l->file[i].path = paths[i];
		l->file[i].lines = lines_open(paths[i]);
		if (!l->file[i].lines) {
			fprintf(stderr, "jumpvpnd: %s: %s\n", paths[i], strerror(errno));
			return false;
		}
		peek(&l->file[i]);
	}
	return true;
}

struct logs *logs_open(char **paths, unsigned int n)
{
	struct logs *l = calloc(1, sizeof(*l));
	unsigned int done = 0;

	if (!l)
		return NULL;
	l->nfiles = n;
	l->file = calloc(n + 1, sizeof(*l->file));
	l->order = calloc(n + 1, sizeof(*l->order));
	l->source = calloc(n + 1, sizeof(*l->source));
	if (!l->file || !l->order || !l->source || !open_all(l, paths)) {
		logs_close(l);
		return NULL;
	}
	group(l);
	for (unsigned int i = 0; i < n; i++) {
		if (l->file[i].daemon != i)
			continue;
		put_in_order(l, &l->source[l->nsources], i, l->order + done);
		done += l->source[l->nsources++].files;
	}
	return l;
}

void logs_close(struct logs *l)
{
	if (!l)
		return;
	for (unsigned int i = 0; l->file && i < l->nfiles; i++)
		lines_close(l->file[i].lines);
	free(l->file);
	free(l->order);
	free(l->source);
	free(l);
}

/* --- reading --- */

static const char *judge(struct decoded *read, const struct line *line)
{
	if (line->too_long)
		return "the line is too long";
	if (line->torn)
		return "the file ends in the middle of this line";
	return decode(read, line->text, line->len);
}

static void peek_line(struct logs *l, struct source *s)
{
	s->line.new_file = false;
	while (s->at < s->files) {
		const struct file *f = &l->file[s->file[s->at]];
		struct line line;

		if (lines_next(f->lines, &line)) {
			s->line.daemon = (unsigned int)(s - l->source);
			s->line.file = s->file[s->at];
			s->line.number = lines_number(f->lines);
			s->line.new_file = s->line.number == 1;
			s->line.text = line.text;
			s->line.bad = judge(&s->line.read, &line);
			s->line.torn = line.torn;
			/* A pipe may bring several files in a row. */
			if (!s->line.bad && strcmp(f->path, "-") == 0 && s->line.read.has_prev)
				s->line.new_file = true;
			s->peeked = true;
			return;
		}
		if (lines_error(f->lines)) {
			fprintf(stderr, "jumpvpnd: %s: %s\n", f->path, strerror(lines_error(f->lines)));
			l->failed = true;
		}
		s->at++;
	}
	s->ended = true;
}

bool logs_next(struct logs *l, struct logs_line **out, bool *failed)
{
	struct source *first = NULL;

	for (unsigned int i = 0; i < l->nsources; i++) {
		struct source *s = &l->source[i];

		if (!s->peeked && !s->ended)
			peek_line(l, s);
		if (s->ended)
			continue;
		/* What cannot be read has no time: at once. */
		if (!first ||
		    (!first->line.bad && (s->line.bad || s->line.read.r.ts_ms < first->line.read.r.ts_ms)))
			first = s;
	}
	*failed = l->failed;
	if (!first)
		return false;
	first->peeked = false;
	*out = &first->line;
	return true;
}

unsigned int logs_daemons(const struct logs *l)
{
	return l->nsources;
}

unsigned int logs_files(const struct logs *l, unsigned int daemon, const unsigned int **files)
{
	*files = l->source[daemon].file;
	return l->source[daemon].files;
}
