/*
 * What came of a client's HELLOs on one path, in words.
 *
 * Any thread.
 */
#include "session/called.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *error_text(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "refused by ICMP: nothing listens on that port there";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "unreachable, says a router or this machine: is there a route by this interface?";
	case EACCES:
	case EPERM:
		return "forbidden, by a firewall here or on the way";
	default:
		return NULL;
	}
}

const char *called_text(const struct path_info *p, char buf[CALLED_TEXT_MAX])
{
	const char *error = error_text(p->error);

	if (!p->calling || p->sent == 0)
		return NULL;
	if (p->strange > 0)
		return "an answer that is not ours or does not open: is server.psk_file the one that the server has for this client?";
	if (p->cookies > 0)
		return "a COOKIE and nothing behind it: the server is under load, or does not take this client's HELLOs";
	if (error)
		return error;
	if (p->error == 0)
		return "no answer: is server.public_key the server's, does the server know this client's key, does UDP pass?";
	snprintf(buf, CALLED_TEXT_MAX, "no answer, and the socket says: %s", strerror(p->error));
	return buf;
}
