/* Lists of messages with positions, and the path of the key they speak of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/parse.h"

__attribute__((format(printf, 5, 0))) static bool error_make(struct config_error *e, const char *file, struct mark at, const char *path,
		       const char *fmt, va_list ap)
{
	*e = (struct config_error){ .line = at.line, .column = at.column };
	e->file = strdup(file);
	e->path = strdup(path);
	if (vasprintf(&e->text, fmt, ap) < 0)
		e->text = NULL;
	if (e->file && e->path && e->text)
		return true;
	free(e->file);
	free(e->path);
	free(e->text);
	return false;
}

/* One more than the bound: the last says that there are more. */
__attribute__((format(printf, 5, 0))) static void errors_add(struct config_errors *e, const char *file, struct mark at, const char *path, const char *fmt,
		va_list ap)
{
	struct config_error made;
	struct config_error *list;

	if (e->count > PARSE_ERRORS_MAX)
		return;
	if (!error_make(&made, file, at, path, fmt, ap))
		return;
	list = realloc(e->list, (e->count + 1) * sizeof(*list));
	if (!list) {
		free(made.file);
		free(made.path);
		free(made.text);
		return;
	}
	if (e->count == PARSE_ERRORS_MAX) {
		char *more = strdup("there are more errors; mend these first");

		made.line = made.column = 0;
		made.path[0] = '\0';
		if (more) {
			free(made.text);
			made.text = more;
		}
	}
	e->list = list;
	e->list[e->count++] = made;
}

static int compare(const void *va, const void *vb, void *main_file)
{
	const struct config_error *a = va, *b = vb;
	int by_file = strcmp(a->file, b->file);

	if (by_file) {
		if (!strcmp(a->file, main_file))
			return -1;
		return strcmp(b->file, main_file) ? by_file : 1;
	}
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return strcmp(a->path, b->path);
}

void parse_sort(struct config_errors *e, const char *main)
{
	char *name = strdup(main);
	size_t n = e->count > PARSE_ERRORS_MAX ? PARSE_ERRORS_MAX : e->count;

	if (name && n)
		qsort_r(e->list, n, sizeof(*e->list), compare, name);
	free(name);
}

void parse_error(struct parse *p, struct mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	errors_add(p->errors, p->file, at, p->path, fmt, ap);
	va_end(ap);
}

void parse_note(struct parse *p, struct mark at, const char *fmt, ...)
{
	va_list ap;

	if (!p->notes)
		return;
	va_start(ap, fmt);
	errors_add(p->notes, p->file, at, p->path, fmt, ap);
	va_end(ap);
}

void parse_path_reset(struct parse *p)
{
	parse_path_pop(p, 0);
}

size_t parse_path_push(struct parse *p, const char *key)
{
	size_t old = p->path_len;
	size_t room = sizeof(p->path) - old;
	int n = snprintf(p->path + old, room, "%s%s", old ? "." : "", key);

	p->path_len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
	return old;
}

size_t parse_path_index(struct parse *p, size_t index)
{
	size_t old = p->path_len;
	size_t room = sizeof(p->path) - old;
	int n = snprintf(p->path + old, room, "[%zu]", index);

	p->path_len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
	return old;
}

void parse_path_pop(struct parse *p, size_t len)
{
	p->path_len = len;
	p->path[len] = '\0';
}

void config_errors_free(struct config_errors *e)
{
	for (size_t i = 0; i < e->count; i++) {
		free(e->list[i].file);
		free(e->list[i].path);
		free(e->list[i].text);
	}
	free(e->list);
	*e = (struct config_errors){ NULL, 0 };
}

char *config_error_format(const struct config_error *e)
{
	const char *colon = e->path[0] ? ": " : "";
	char *out;
	int n;

	if (e->line)
		n = asprintf(&out, "%s:%u:%u: %s%s%s\n", e->file, e->line, e->column, e->path, colon,
			     e->text);
	else
		n = asprintf(&out, "%s: %s%s%s\n", e->file, e->path, colon, e->text);
	return n < 0 ? NULL : out;
}

struct clip parse_clip(const char *text)
{
	struct clip c;
	size_t len = strlen(text);

	if (len > CLIP_MAX) {
		len = CLIP_MAX;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		snprintf(c.text, sizeof(c.text), "%.*s...", (int)len, text);
	} else {
		snprintf(c.text, sizeof(c.text), "%s", text);
	}
	return c;
}
