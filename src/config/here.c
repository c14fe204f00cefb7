/* Does this machine have the address now? Who is bound to it says so, and sends nothing. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config.h"

bool config_is_here(const struct endpoint *at)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_scope_id = at->scope };
	const bool is_v4 = ip_is_v4(&at->ip);
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return true; /* nothing is known */
	memcpy(&v4.sin_addr, at->ip.b + 12, 4);
	memcpy(&v6.sin6_addr, at->ip.b, 16);
	rc = is_v4 ? bind(fd, (const struct sockaddr *)&v4, sizeof(v4))
		   : bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
	rc = rc < 0 ? errno : 0;
	close(fd);
	return rc != EADDRNOTAVAIL && rc != ENODEV;
}
