#include "session/match.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

bool match_session(const char *wanted, const uint8_t id[PROTO_SESSION_ID_LEN], const char *peer)
{
	char hex[2 * PROTO_SESSION_ID_LEN + 1];

	if (!wanted[0])
		return false;
	if (strncmp(wanted, peer, MATCH_NAME_MAX) == 0)
		return true;
	hex_encode(hex, id, PROTO_SESSION_ID_LEN);
	return strncasecmp(hex, wanted, strlen(wanted)) == 0;
}
