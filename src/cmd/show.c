#include <getopt.h>
#include <stdio.h>

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
	struct client_options o;
	json_t *answer;
	int code = client_options(&o, argc, argv, &usage);

	if (code >= 0)
		return code;
	code = client_call(
		&o,
		json_pack("{s:s, s:s*}", "command", "show", "session", optind < argc ? argv[optind] : NULL),
		&answer);
	if (answer && !o.json)
		render_show(stdout, answer, client_colour());
	json_decref(answer);
	return code;
}
