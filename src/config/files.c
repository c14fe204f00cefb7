/* The files that a configuration is made of, to trees. */
#include "config/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml.h"

/* The file may be a pipe to which nothing is written: a reload must not hang on it. */
#define PIPE_PATIENCE_MS 2000

/* As read(2), of a file opened with O_NONBLOCK; -1 and ETIMEDOUT when nothing comes. */
static ssize_t read_patiently(int fd, char *buf, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		ssize_t n = read(fd, buf, size);

		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n;
		if (errno == EAGAIN && poll(&p, 1, PIPE_PATIENCE_MS) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

int files_read(const char *file, char **text, size_t *len)
{
	size_t size = 0, used = 0;
	char *buf = NULL;
	ssize_t n = 1;
	int err = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	while (n > 0) {
		if (used == size) {
			char *more = realloc(buf, size ? size * 2 : 16384);

			if (!more || size > PARSE_FILE_MAX) {
				err = more ? -EFBIG : -ENOMEM;
				buf = more ? more : buf;
				break;
			}
			buf = more;
			size = size ? size * 2 : 16384;
		}
		n = read_patiently(fd, buf + used, size - used);
		err = n < 0 ? -errno : 0;
		used += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (err) {
		free(buf);
		return err;
	}
	*text = buf;
	*len = used;
	return 0;
}

const struct node *files_add(struct parse *p, const char *file, const char *text, size_t len)
{
	struct source *s = realloc(p->sources, (p->nsources + 1) * sizeof(*s));

	if (!s) {
		p->no_memory = true;
		return NULL;
	}
	p->sources = s;
	s += p->nsources;
	*s = (struct source){ .file = strdup(file) };
	if (!s->file) {
		p->no_memory = true;
		return NULL;
	}
	p->nsources++;
	p->file = s->file;
	if (!yaml_read(p, text, len, &s->tree))
		return NULL;
	if (!s->tree.root)
		parse_error(p, (struct mark){ 0, 0 }, "the file is empty");
	return s->tree.root;
}

char *files_path(struct parse *p, const char *path)
{
	char *out;

	if (path[0] == '/' || !p->dir)
		out = strdup(path);
	else if (asprintf(&out, "%s/%s", p->dir, path) < 0)
		out = NULL;
	p->no_memory |= !out;
	return out;
}
