#include "worker/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

static rlim_t limit_of(uint64_t n)
{
	return n < RLIM_INFINITY ? (rlim_t)n : RLIM_INFINITY;
}

int descriptors_allow(uint64_t least, uint64_t wanted)
{
	struct rlimit l;
	const rlim_t want = limit_of(wanted > least ? wanted : least);

	if (getrlimit(RLIMIT_NOFILE, &l) < 0) {
		log_error("file descriptors: cannot ask how many are allowed: %s", strerror(errno));
		return -errno;
	}
	if (l.rlim_cur < want && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &l) < 0)
			log_warn("file descriptors: cannot raise the limit to %llu: %s",
				 (unsigned long long)l.rlim_cur, strerror(errno));
		(void)getrlimit(RLIMIT_NOFILE, &l);
	}
	if (l.rlim_cur >= limit_of(least))
		return 0;
	log_error("file descriptors: %llu are needed, and only %llu allowed; raise the limit "
		  "(ulimit -n, or LimitNOFILE= of the unit)",
		  (unsigned long long)least, (unsigned long long)l.rlim_cur);
	return -EMFILE;
}
