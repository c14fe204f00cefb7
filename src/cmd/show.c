#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/render.h"

int cmd_show(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "[SESSION]",
		.text = "Shows all about one session: state, bounds, paths, traffic. SESSION is the beginning\n"
			"of its ID, or its peer; it may be left out where there is only one.\n",
		.most = 1,
	};

	return client_view(argc, argv, &usage, render_show);
}
