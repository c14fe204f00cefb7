#include "worker/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

/* How many below `limit` are not in use; no more than `enough` are counted. */
static uint64_t free_below(rlim_t limit, uint64_t enough)
{
	uint64_t n = 0;

	for (int fd = 0; (rlim_t)fd < limit && n < enough; fd++)
		n += fcntl(fd, F_GETFD) < 0;
	return n;
}

/* The machine, too, has a limit. */
static int open_one(void)
{
	const int fd = open("/", O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

int descriptors_allow(uint64_t least, uint64_t wanted)
{
	const uint64_t want = wanted > least ? wanted : least;
	struct rlimit l;
	uint64_t have;
	int rc;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0) {
		log_error("file descriptors: cannot ask how many are allowed: %s", strerror(errno));
		return -errno;
	}
	have = free_below(l.rlim_cur, want);
	if (have < want && l.rlim_cur < l.rlim_max) {
		const uint64_t more = want - have;

		l.rlim_cur = more < l.rlim_max - l.rlim_cur ? l.rlim_cur + more : l.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &l) < 0)
			log_warn("file descriptors: cannot raise the limit to %llu: %s",
				 (unsigned long long)l.rlim_cur, strerror(errno));
		(void)getrlimit(RLIMIT_NOFILE, &l);
		have = free_below(l.rlim_cur, want);
	}
	if (have < least) {
		log_error(
			"file descriptors: %llu are needed beside those in use, and only %llu allowed; raise the limit "
			"(ulimit -n, or LimitNOFILE= of the unit)",
			(unsigned long long)least, (unsigned long long)have);
		return -EMFILE;
	}
	rc = open_one();
	if (rc < 0)
		log_error("file descriptors: this machine gives none: %s", strerror(-rc));
	return rc;
}

static void never(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	(void)status;
	(void)events;
}

/* The number that is free when so many more are in use. */
static int last_of(uint64_t most)
{
	uint64_t n = 0;
	int fd = 0;

	for (; n <= most && fd < INT_MAX / 2; fd++)
		n += fcntl(fd, F_GETFD) < 0;
	return fd - 1;
}

int descriptors_reserve(uv_loop_t *loop, uv_poll_t *held, uint64_t most)
{
	const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	const int fd = event < 0 ? -1 : fcntl(event, F_DUPFD_CLOEXEC, last_of(most));
	int rc = fd < 0 ? -errno : uv_poll_init(loop, held, fd);

	if (rc == 0)
		rc = uv_poll_start(held, UV_READABLE, never);
	if (rc == 0)
		rc = uv_poll_stop(held);
	if (fd >= 0)
		close(fd);
	if (event >= 0)
		close(event);
	return rc;
}
