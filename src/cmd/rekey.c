#include <getopt.h>

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
	struct client_options o;
	int code = client_options(&o, argc, argv, &usage);

	if (code >= 0)
		return code;
	return client_command(&o, json_pack("{s:s, s:s*}", "command", "rekey", "session",
					    optind < argc ? argv[optind] : NULL));
}
