#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/render.h"

int cmd_sessions(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "",
		.text = "Lists the sessions, one a line, with state, active path and traffic.\n",
	};

	return client_view(argc, argv, &usage, render_sessions);
}
