#include "worker/resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define RESOLVCONF "/sbin/resolvconf"

struct resolv {
	char device[16];
	uv_loop_t *loop;
	struct ip *dns;
	size_t n;
	struct nameservers machine; /* as it was last known */
};

struct resolv *resolv_new(const char *device, uv_loop_t *loop)
{
	struct resolv *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	snprintf(r->device, sizeof(r->device), "%s", device);
	r->loop = loop;
	return r;
}

static void resolvconf_exited(uv_process_t *p, int64_t status, int signal)
{
	if (status != 0 || signal != 0)
		log_warn("resolvconf ended with status %d: the name servers may not be in use", (int)status);
	uv_close((uv_handle_t *)p, (uv_close_cb)(void (*)(void))free);
}

/* A pipe that already holds the whole of resolvconf's input; its read end, or -1. */
static int input_of(const struct resolv *r)
{
	char ip[IP_STRLEN], text[1024];
	size_t len = 0;
	int fd[2];

	for (size_t i = 0; i < r->n && len + IP_STRLEN + 12 < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "nameserver %s\n",
					ip_format(&r->dns[i], ip));
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	if (write(fd[1], text, len) != (ssize_t)len)
		log_warn("resolvconf: short write");
	close(fd[1]);
	return fd[0];
}

static void resolvconf(struct resolv *r, bool add)
{
	char path[] = RESOLVCONF, a[] = "-a", d[] = "-d", exclusive[] = "-x";
	char *args[] = { path, add ? a : d, r->device, add ? exclusive : NULL, NULL };
	uv_process_t *p = calloc(1, sizeof(*p));
	uv_stdio_container_t io[3] = { { .flags = UV_INHERIT_FD },
				       { .flags = UV_IGNORE },
				       { .flags = UV_IGNORE } };
	uv_process_options_t o = {
		.file = path, .args = args, .exit_cb = resolvconf_exited, .stdio = io, .stdio_count = 3
	};
	int rc;

	if (!p)
		return;
	io[0].data.fd = input_of(r);
	rc = io[0].data.fd < 0 ? -errno : uv_spawn(r->loop, p, &o);
	if (rc < 0) {
		log_warn("%s: cannot run %s (%s): set the name servers yourself, or install openresolv or "
			 "systemd-resolved's resolvconf",
			 r->device, path, uv_strerror(rc));
		uv_close((uv_handle_t *)p, (uv_close_cb)(void (*)(void))free);
	}
	if (io[0].data.fd >= 0)
		close(io[0].data.fd);
}

void resolv_apply(struct resolv *r, const struct ip *dns, size_t n)
{
	if (r->n == n && (n == 0 || memcmp(r->dns, dns, n * sizeof(*dns)) == 0))
		return;
	free(r->dns);
	r->dns = n ? malloc(n * sizeof(*dns)) : NULL;
	r->n = r->dns ? n : 0;
	if (r->n)
		memcpy(r->dns, dns, n * sizeof(*dns));
	resolvconf(r, r->n > 0);
}

bool resolv_in_force(const struct resolv *r)
{
	return r->n > 0;
}

bool resolv_machine(struct resolv *r, struct nameservers *out)
{
	if (nameservers_of_machine(out, r->dns, r->n, r->device))
		r->machine = *out;
	else
		*out = r->machine;
	return out->n > 0;
}

void resolv_free(struct resolv *r)
{
	if (!r)
		return;
	if (r->n) {
		r->n = 0;
		resolvconf(r, false);
	}
	free(r->dns);
	free(r);
}
