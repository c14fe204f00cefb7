#include "net/sockaddr.h"

#include <string.h>

socklen_t sockaddr_from(union sockaddr_any *out, const struct endpoint *e)
{
	memset(out, 0, sizeof(*out));
	if (ip_is_v4(&e->ip)) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(e->port);
		memcpy(&out->v4.sin_addr, e->ip.b + 12, 4);
		return sizeof(out->v4);
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(e->port);
	out->v6.sin6_scope_id = e->scope;
	memcpy(&out->v6.sin6_addr, e->ip.b, 16);
	return sizeof(out->v6);
}

struct ip sockaddr_ip_v4(const struct in_addr *in)
{
	uint8_t b[4];

	memcpy(b, in, sizeof(b));
	return ip_from_v4(b);
}

struct endpoint sockaddr_endpoint(const struct sockaddr *sa)
{
	struct endpoint e = { .port = 0 };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)sa;

		e.ip = sockaddr_ip_v4(&v4->sin_addr);
		e.port = ntohs(v4->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)sa;

		memcpy(e.ip.b, &v6->sin6_addr, 16);
		e.port = ntohs(v6->sin6_port);
		e.scope = v6->sin6_scope_id;
	}
	return e;
}
