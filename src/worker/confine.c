#include "worker/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"

/*
 * Into another program or process, under another kernel's or file system's guise, or into corners of the kernel. io_uring would get
 * past this filter: no ring is made any more, and none was (see daemon_run).
 */
static const int never[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(personality),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(memfd_create),
};
static const int spawning[] = { SCMP_SYS(execve), SCMP_SYS(execveat) };

static int forbid(scmp_filter_ctx filter, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int confine(bool spawns)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc = filter ? forbid(filter, never, sizeof(never) / sizeof(*never)) : -ENOMEM;

	if (rc == 0 && !spawns)
		rc = forbid(filter, spawning, sizeof(spawning) / sizeof(*spawning));
	if (rc == 0)
		rc = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	if (rc == -EINVAL || rc == -ENOSYS) {
		log_info("system calls are not filtered: this kernel has no seccomp");
		return 0;
	}
	if (rc < 0)
		log_error("cannot filter system calls: %s", strerror(-rc));
	return rc;
}
