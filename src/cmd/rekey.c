#include "cmd/client.h"
#include "cmd/cmd.h"

int cmd_rekey(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "[SESSION]",
		.text = "Has both ends of a session agree on new keys now, not when they are due. The session\n"
			"stays; the audit log says SessionRekeyed when it is done. SESSION is the beginning\n"
			"of its ID, or its peer; it may be left out where there is only one.\n",
		.most = 1,
	};

	return client_tell(argc, argv, &usage);
}
