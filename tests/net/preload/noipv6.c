/* A system without IPv6, as with ipv6.disable=1: there are no such sockets. */
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int socket(int family, int type, int protocol)
{
	static int (*real)(int, int, int);

	if (!real)
		real = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	if (family != AF_INET6)
		return real(family, type, protocol);
	errno = EAFNOSUPPORT;
	return -1;
}
