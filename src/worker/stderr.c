#include "worker/stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static int out = STDERR_FILENO;

static bool put(const char *line, size_t len)
{
	ssize_t n;

	do {
		n = write(out, line, len);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

/* What cannot be opened again: between the question and the line there is a moment for who else writes to it. */
static bool put_if_asked(const char *line, size_t len)
{
	struct pollfd p = { .fd = out, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && put(line, len);
}

/* A socket, as systemd's journal has it. */
static bool put_by_send(const char *line, size_t len)
{
	ssize_t n;

	do {
		n = send(out, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

void stderr_set_up(void)
{
	struct stat st;

	stderr_restore();
	if (fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return; /* files do not wait */
	if (S_ISSOCK(st.st_mode)) {
		log_set_put(put_by_send);
		return;
	}
	/* O_NONBLOCK belongs to the open file, which other programs share: so one of our own. */
	out = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	log_set_put(out < 0 ? put_if_asked : put);
	out = out < 0 ? STDERR_FILENO : out;
}

void stderr_restore(void)
{
	log_set_put(NULL);
	if (out != STDERR_FILENO)
		close(out);
	out = STDERR_FILENO;
}
