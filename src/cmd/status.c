#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/render.h"

int cmd_status(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "",
		.text = "Shows what the daemon is doing, since when, until when at most, and what comes next.\n",
	};

	return client_view(argc, argv, &usage, render_status);
}
