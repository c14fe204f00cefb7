#include "worker/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static int become(const char *user)
{
	const struct passwd *pw;
	int rc;

	errno = 0;
	pw = getpwnam(user);
	if (!pw) {
		log_error("user %s: %s", user, errno ? strerror(errno) : "no such user");
		return errno ? -errno : -ENOENT;
	}
	rc = capng_change_id((int)pw->pw_uid, (int)pw->pw_gid, CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (rc != 0)
		log_error("user %s: cannot change to it (capng_change_id: %d); start as root", user, rc);
	return rc ? -EPERM : 0;
}

void privileges_give(const char *path, const char *user)
{
	const struct passwd *pw = user[0] ? getpwnam(user) : NULL;

	if (pw && chown(path, pw->pw_uid, pw->pw_gid) < 0)
		log_warn("cannot give %s to %s: %s", path, user, strerror(errno));
}

int privileges_drop(const char *user)
{
	bool may_bound;
	int rc;

	/* The bounding set can only be cleared with CAP_SETPCAP, which a service need not have; libcap-ng would log an error. */
	capng_get_caps_process();
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warn("cannot set no_new_privs: %s", strerror(errno));
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (user[0])
		return become(user);
	rc = capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	if (rc != 0)
		log_error("cannot drop capabilities (capng_apply: %d): is CAP_NET_ADMIN there?", rc);
	return rc ? -EPERM : 0;
}
