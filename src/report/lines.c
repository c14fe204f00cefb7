#include "report/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"

enum { ROOM = 1 << 18 };

struct lines {
	int fd, error;
	bool ended;
	uint64_t number;
	size_t at, end;
	char room[ROOM];
};

struct lines *lines_open(const char *path)
{
	const int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct lines *l = fd < 0 ? NULL : calloc(1, sizeof(*l));
	struct stat st;

	if (!l) {
		if (fd > STDIN_FILENO)
			close(fd);
		return NULL;
	}
	l->fd = fd;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		lines_close(l);
		errno = EISDIR;
		return NULL;
	}
	return l;
}

void lines_close(struct lines *l)
{
	if (!l)
		return;
	if (l->fd != STDIN_FILENO)
		close(l->fd);
	free(l);
}

/* More of the file behind what is left of the room. */
static bool fill(struct lines *l)
{
	ssize_t n;

	memmove(l->room, l->room + l->at, l->end - l->at);
	l->end -= l->at;
	l->at = 0;
	do
		n = read(l->fd, l->room + l->end, sizeof(l->room) - l->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		l->error = errno;
	if (n <= 0) {
		l->ended = true;
		return false;
	}
	l->end += (size_t)n;
	return true;
}

/* The rest of a line that is too long. */
static void pass_over(struct lines *l)
{
	const char *newline = NULL;

	while (!newline) {
		newline = memchr(l->room + l->at, '\n', l->end - l->at);
		l->at = newline ? (size_t)(newline - l->room) + 1 : l->end;
		if (!newline && !fill(l))
			return;
	}
}

bool lines_next(struct lines *l, struct line *out)
{
	const char *newline;

	*out = (struct line){ 0 };
	for (;;) {
		newline = memchr(l->room + l->at, '\n', l->end - l->at);
		if (newline || l->ended || l->end - l->at >= 2 * AUDIT_LINE_MAX || !fill(l))
			break;
	}
	if (!newline && l->at == l->end)
		return false;
	l->number++;
	out->text = l->room + l->at;
	out->len = (newline ? (size_t)(newline - l->room) : l->end) - l->at;
	out->torn = !newline && l->ended;
	out->too_long = out->len >= AUDIT_LINE_MAX;
	l->at += out->len + (newline != NULL);
	if (!newline && !l->ended)
		pass_over(l);
	return true;
}

int lines_error(const struct lines *l)
{
	return l->error;
}

uint64_t lines_number(const struct lines *l)
{
	return l->number;
}

size_t lines_last(struct lines *l, char *out, size_t cap)
{
	const off_t room = 2 * AUDIT_LINE_MAX;
	char *tail = l->room;
	struct stat st;
	ssize_t n = 0, begin;

	if (fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread(l->fd, tail, (size_t)room, st.st_size > room ? st.st_size - room : 0);
	while (n > 0 && tail[n - 1] != '\n')
		n--;
	if (n <= 0)
		return 0;
	for (begin = n - 1; begin > 0 && tail[begin - 1] != '\n'; begin--)
		;
	n -= begin + 1;
	if ((size_t)n > cap)
		return 0;
	memcpy(out, tail + begin, (size_t)n);
	return (size_t)n;
}
