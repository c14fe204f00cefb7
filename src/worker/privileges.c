#include "worker/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

/* The bounding set can only be cleared with CAP_SETPCAP, which a service need not have: libcap-ng would log an error. */
static int apply(bool may_bound)
{
	int rc = capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);

	if (rc != 0)
		log_error("cannot drop capabilities (capng_apply: %d): is CAP_NET_ADMIN there?", rc);
	return rc ? -EPERM : 0;
}

static int become(const char *user, bool may_bound)
{
	const struct passwd *pw;
	int rc;

	errno = 0;
	pw = getpwnam(user);
	if (!pw) {
		log_error("user %s: %s", user, errno ? strerror(errno) : "no such user");
		return errno ? -errno : -ENOENT;
	}
	if (pw->pw_uid == geteuid()) /* the service manager has seen to it */
		return apply(may_bound);
	rc = capng_change_id((int)pw->pw_uid, (int)pw->pw_gid, CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (rc != 0)
		log_error("user %s: cannot change to it (capng_change_id: %d); start as root", user, rc);
	return rc ? -EPERM : 0;
}

void privileges_give(const char *path, const char *user)
{
	const struct passwd *pw = user[0] ? getpwnam(user) : NULL;
	int fd = pw ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (pw && (fd < 0 || fchown(fd, pw->pw_uid, pw->pw_gid) < 0))
		log_warn("cannot give %s to %s: %s", path, user, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void privileges_hide(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit now;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_warn("cannot forbid core files and debuggers: %s", strerror(errno));
	/* With a limit, what is allocated later would fail at it: all or nothing. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0 &&
	    (getrlimit(RLIMIT_MEMLOCK, &now) < 0 || now.rlim_cur != RLIM_INFINITY))
		log_info(
			"memory may be swapped out, keys with it, for RLIMIT_MEMLOCK is not to be had without a limit");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_info("memory may be swapped out, keys with it: %s", strerror(errno));
}

void privileges_none(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		log_warn("a worker keeps its capabilities: %s", strerror(errno));
}

int privileges_drop(const char *user)
{
	bool may_bound;

	may_bound = capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warn("cannot set no_new_privs: %s", strerror(errno));
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	return user[0] ? become(user, may_bound) : apply(may_bound);
}
