#include "cmd/client.h"
#include "cmd/cmd.h"

int cmd_terminate(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "[SESSION]",
		.text = "Ends a session: its keys are wiped and its connections break. The client may open a\n"
			"new one; to keep it out, remove the peer from the configuration and reload. SESSION\n"
			"is the beginning of its ID, or its peer; it may be left out where there is only one.\n",
		.most = 1,
	};

	return client_tell(argc, argv, &usage);
}
